"""Tool calls of a turn: shown folded, exported, returned by the API; tools of the JSON field."""

import html
import json
import re

import pytest
from django.urls import reverse

from jobs.models import Conversation, Turn
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.chat_pages import ask, make_turn, make_turns
from tests.factories import make_deployment


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"city":"Oslo","days":2}', '{\n  "city": "Oslo",\n  "days": 2\n}'),
        ('{"city": <b>', '{"city": <b>'),
        ('{"a": NaN}', '{"a": NaN}'),
        ("[" * 30 + "]" * 30, "[" * 30 + "]" * 30),
        ("[" * 5000, "[" * 5000),
        ("[1,2" + ",1" * 9000 + "]", "[1,2" + ",1" * 9000 + "]"),
        ("", ""),
    ],
)
def test_a_call_is_shown_folded_with_formatted_arguments_if_they_are_json(
    client, lin, arguments, shown
):
    call = {"id": "c1", "name": "<weather>", "arguments": arguments}
    turn = make_turn(lin, tool_calls=[call], finish_reason="tool_calls")

    text = client.get(reverse("playground-turn", args=[turn.pk])).text

    escaped = shown.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    assert "Tool call</span> <code>&lt;weather&gt;</code></summary>" in text
    assert f'<pre tabindex="0">{escaped}</pre></details>' in text
    assert '<details class="think call">' in text
    assert "Ended with a tool call." in text
    assert "The model returned no text" not in text


def test_calls_are_exported_and_returned_by_the_api(client, lin):
    chat = Conversation.objects.create(user=lin, title="Sky")
    call = {"id": "c1", "name": "weather", "arguments": '{"city":\n"Oslo"}'}
    (turn,) = make_turns(chat, {"answer": "", "tool_calls": [call]})

    text = client.get(reverse("conversation-export", args=[chat.pk, "md"])).getvalue().decode()
    answer = Caller(lin).get(f"conversations/{chat.pk}/turns/{turn.pk}").json()

    assert text.endswith('\n\nTool call: weather\n\n    {"city":\n    "Oslo"}\n')
    assert answer["tool_calls"] == [call]


def test_long_parameters_of_a_turn_are_cut_and_have_a_title(client, lin):
    tools = [{"type": "function", "function": {"name": "weather", "description": "x" * 2000}}]
    deployment = make_deployment(name="m")
    form = {"deployment": deployment.pk, "extra": json.dumps({"tools": tools})}

    text = ask(client, **form, conversation=Conversation.objects.create(user=lin).pk).text

    request = Turn.objects.get().request
    assert request["tools"] == tools
    title, shown = re.search(r'title="(\[[^"]+)">tools (\[[^<]+)</span>', text).groups()
    assert len(html.unescape(title)) == 1000
    assert html.unescape(shown) == f"{json.dumps(tools)[:59]}…"
