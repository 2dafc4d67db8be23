"""Tool calls of an engine are kept with the turn."""

import pytest

from tests.dashboard.lib.chat_engine import delta, outcome

END = b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n'


def piece(index, arguments, **first):
    name = {"name": first.pop("name")} if first else {}
    return {"index": index, **first, "function": {"arguments": arguments, **name}}


@pytest.mark.django_db(transaction=True)
def test_calls_that_come_in_pieces_are_kept_and_counted(client):
    pieces = [
        delta(tool_calls=[piece(0, "", name="weather", id="c1")]),
        delta(tool_calls=[piece(0, '{"city": '), piece(1, "\x00", name="time", id="c2")]),
        delta(tool_calls=[piece(0, '"Oslo"}')]),
    ]

    turn, _body, _asked, _keys = outcome(client, *pieces, END)

    assert turn.tool_calls == [
        {"id": "c1", "name": "weather", "arguments": '{"city": "Oslo"}'},
        {"id": "c2", "name": "time", "arguments": "\ufffd"},
    ]
    assert (turn.state, turn.answer, turn.finish_reason) == ("done", "", "tool_calls")
    assert turn.stats["completion_tokens"] == 3
    assert turn.stats["ttft_ms"] > 0
