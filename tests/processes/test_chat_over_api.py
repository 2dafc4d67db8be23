"""A program chats over HTTP with a token: no browser reads the engine's stream."""

import json
import threading
import urllib.error

import pytest

from tests.hostile_server import hostile

pytestmark = pytest.mark.processes

DEPLOYMENT = """
from tests.factories import make_deployment
print(make_deployment(dashboard_url={!r}).pk)
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PIECE = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def asked(api, engine):
    """A turn of a new chat with this engine, and its address."""
    deployment = int(api.stack.shell(DEPLOYMENT.format(engine.url)))
    body = {"engine": deployment, "prompt": "Hello", "max_tokens": 64}
    turn = api.ask("conversations", body)
    return turn, f"conversations/{turn['conversation']}/turns/{turn['id']}"


def test_an_answer_is_written_without_a_reader_and_waited_for(shared):
    goes_on = threading.Event()

    def answer(send, _stopped):
        send(HEAD + PIECE % b"Fo")
        goes_on.wait(60)
        send(PIECE % b"ur." + END)

    with hostile(answer) as engine:
        turn, path = asked(shared, engine)
        assert (turn["state"], turn["answer"]) == ("streaming", "")
        goes_on.set()
        turn = shared.ask(f"{path}?wait=60")

    assert (turn["state"], turn["answer"]) == ("done", "Four.")
    assert 0 < turn["ttft_ms"] <= turn["total_ms"]
    assert [json.loads(one.partition(b"\r\n\r\n")[2])["max_tokens"] for one in engine.requests] == [
        64
    ]


def test_a_turn_is_stopped_over_http(shared):
    began, left = threading.Event(), threading.Event()

    def answer(send, stopped):
        try:
            send(HEAD + PIECE % b"Fo")
            began.set()
            while not stopped.wait(0.05):
                send(b": more\n\n")
        except OSError:
            left.set()
            raise

    with hostile(answer) as engine:
        _turn, path = asked(shared, engine)
        assert began.wait(60)
        shared.ask(f"{path}/stop", {})
        turn = shared.ask(f"{path}?wait=60")
        assert left.wait(60)

    assert turn["state"] == "stopped"
    with pytest.raises(urllib.error.HTTPError, match="409"):
        shared.open(f"{path}/stop", {})
