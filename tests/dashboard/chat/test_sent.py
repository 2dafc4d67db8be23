"""The request of a turn as text: each form repeats it, and none has the key."""

import html
import json
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from dashboard.chat.sent import MOST_BYTES, raw_stream, sent_request
from jobs.completions import parse_stream
from jobs.logstore import store
from jobs.models import Conversation, Turn
from tests.dashboard.lib.chat_engine import END, delta, outcome
from tests.factories import keep_secret, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

REQUEST = {
    "model": "m",
    "messages": [{"role": "user", "content": "It's \"$HOME\" `id` \\n\nJSON\n'''"}],
    "stream": True,
    "temperature": 0.5,
    "chat_template_kwargs": {"enable_thinking": False},
    "top_k": 20,
}


@pytest.fixture
def turn(client):
    keep_secret("H800_KEY", "sk-very-secret-0123456789")
    endpoint = make_endpoint(url="http://10.0.0.7:8000", api_key="H800_KEY")
    chat = Conversation.objects.create(user=User.objects.get(username="lin"), endpoint=endpoint)
    asked = {"index": 0, "prompt": "x", "state": "done", "request": REQUEST}
    return Turn.objects.create(conversation=chat, endpoint=endpoint, **asked)


def test_the_shell_command_sends_the_same_body(turn):
    script = f"curl() {{ printf '%s\\n' \"$@\" >&2; cat; }}\n{sent_request(turn).curl}"

    run = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={"API_KEY": "mine"}, check=True
    )

    assert json.loads(run.stdout) == REQUEST
    said = run.stderr.splitlines()
    assert {"http://10.0.0.7:8000/v1/chat/completions", "Authorization: Bearer mine"} <= {*said}


def test_the_python_program_sends_the_same_body(turn, monkeypatch):
    sent = {}
    module = ModuleType("openai")
    completions = SimpleNamespace(create=lambda **given: sent.update(given) or [])
    module.OpenAI = lambda **of: (
        sent.update(of) or SimpleNamespace(chat=SimpleNamespace(completions=completions))
    )
    monkeypatch.setitem(sys.modules, "openai", module)
    monkeypatch.setenv("API_KEY", "mine")

    exec(sent_request(turn).python, {})

    extra = sent.pop("extra_body")
    assert (sent.pop("base_url"), sent.pop("api_key")) == ("http://10.0.0.7:8000/v1", "mine")
    assert sent | extra == REQUEST
    assert extra.keys() == {"chat_template_kwargs", "top_k"}


def test_the_page_has_every_form_and_no_key(client, turn):
    page = client.get(reverse("playground-request", args=[turn.pk])).text

    assert page.count("$API_KEY") == 1
    assert "os.environ[&quot;API_KEY&quot;]" in page
    assert "sk-very-secret" not in page
    assert "No bytes of this stream are stored." in page


def test_a_stream_is_shown_in_pieces_that_make_the_whole(client):
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    last = {"choices": [], "usage": usage, "timings": {"prompt_ms": 12.5, "predicted_ms": 30}}
    told = b"data: " + json.dumps(last).encode() + b"\n\n"

    turn, body, *_ = outcome(client, delta(content="Hi"), told, END)

    stream = raw_stream(turn.pk)
    assert "".join(piece.text for piece in stream.pieces).encode() == body
    assert (stream.size, stream.shown) == (len(body), len(body))
    assert all(0 <= piece.ms < 60_000 for piece in stream.pieces)
    told = [turn.stats[name] for name in ("cached_tokens", "prefill_ms", "decode_ms")]
    assert told == [4, 12.5, 30.0]
    assert "queue_ms" not in turn.stats
    page = client.get(reverse("playground-request", args=[turn.pk])).text
    assert "from the prefix cache" in page


def test_only_the_begin_of_a_long_stream_is_shown(turn):
    store().append(turn.log_key, 0, b"x" * (MOST_BYTES + 5))

    stream = raw_stream(turn.pk)

    assert (stream.shown, stream.size) == (MOST_BYTES, MOST_BYTES + 5)
    assert [piece.ms for piece in stream.pieces] == [None]


def test_a_turn_shows_the_engine_s_queue_prefill_and_decode_times(client):
    metrics = {"queue_time_ms": 12.5, "time_to_first_token_ms": 85, "generation_time_ms": 1240.5}
    last = {"choices": [], "usage": {"completion_tokens": 2}, "metrics": metrics}
    told = b"data: " + json.dumps(last).encode() + b"\n\n"

    turn, *_ = outcome(client, delta(content="Hi"), told, END)

    page = client.get(reverse("playground-turn", args=[turn.pk])).text
    shown = re.findall(r"own clock\">(\w+) <b>([^<]+)</b>", html.unescape(page))
    assert shown == [("queue", "12.5 ms"), ("prefill", "85.0 ms"), ("decode", "1.24 s")]
    text = client.get(reverse("playground-request", args=[turn.pk])).text
    assert "<dt>queue, by the engine</dt><dd>12.5 ms</dd>" in text


@pytest.mark.parametrize("metrics", [{"queue_time_ms": None}, {"queue_time_ms": "1"}, 7, [1]])
def test_metrics_that_are_none_are_left_out(client, metrics):
    told = b"data: " + json.dumps({"choices": [], "metrics": metrics}).encode() + b"\n\n"

    turn, *_ = outcome(client, delta(content="Hi"), told, END)

    assert not turn.stats.keys() & {"queue_ms", "prefill_ms", "decode_ms"}
    assert "own clock" not in client.get(reverse("playground-turn", args=[turn.pk])).text


@pytest.mark.parametrize(
    "timings", [{"prompt_ms": "x"}, {"prompt_ms": -1}, {"prompt_ms": 1e300}, []]
)
def test_timings_that_are_none_are_left_out(timings):
    raw = b"data: " + json.dumps({"choices": [], "timings": timings}).encode() + b"\n\n"

    assert parse_stream(raw).prefill_ms is None
