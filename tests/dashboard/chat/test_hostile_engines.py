"""A turn ends, with its reason, whatever a hostile engine sends; nothing else is called."""

import threading

import aiohttp
import pytest
from asgiref.sync import async_to_sync

from dashboard.chat import engines
from dashboard.chat.engines import Call
from dashboard.text.messages import message
from jobs.base import bounds
from jobs.confined import Exceeded, Pool
from jobs.models import Host
from tests import hostile_server
from tests.dashboard.lib.chat_engine import END, delta, make_turn, opened, outcome, run
from tests.hostile_server import Reset, hostile
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.django_db(transaction=True)]


def turn_with(client, url, **host):
    """Return the ended turn of a deployment at ``url``, and its raw stream."""

    def make(_own_url):
        turn = make_turn(url)
        Host.objects.update(**host)
        return turn

    turn, body, asked, _keys = outcome(client, make=make)
    assert asked == []
    return turn, body


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_fails_the_turn_and_the_other_server_sees_no_request(client, status):
    with hostile(hostile_server.no_http) as other:
        answer = hostile_server.redirect(status, f"{other.url}/v1/chat/completions")
        with hostile(answer) as engine:
            turn, body = turn_with(client, engine.url)
        assert other.requests == []

    assert (turn.state, turn.stats["error_id"], body) == ("failed", "chat:redirect", b"")
    assert turn.error == f"HTTP {status} {other.url}/v1/chat/completions"


@pytest.mark.parametrize(
    ("answer", "limit", "error_id"),
    [
        (hostile_server.endless_body, (bounds, "ANSWER_BYTES", 200_000), "chat:too-long"),
        (hostile_server.endless_header, None, "chat:no-http"),
        (hostile_server.endless_headers, None, "chat:no-http"),
        (hostile_server.no_http, None, "chat:no-http"),
        (hostile_server.compressed, None, "chat:compressed"),
        (hostile_server.slow_header, (engines, "TURN_TIMEOUT_S", 0.3), "chat:timeout"),
        (hostile_server.slow_body, (engines, "TURN_TIMEOUT_S", 0.3), "chat:timeout"),
        (hostile_server.silent, (engines, "SILENCE_TIMEOUT_S", 0.3), "chat:silent"),
    ],
)
def test_an_answer_without_bounds_fails_the_turn(client, answer, limit, error_id, monkeypatch):
    if limit:
        monkeypatch.setattr(*limit)
    with hostile(answer) as engine:
        turn, body = turn_with(client, engine.url)

    assert (turn.state, turn.stats["error_id"]) == ("failed", error_id)
    assert len(body) < 1_000_000


@pytest.mark.parametrize(
    ("address", "host"),
    [
        *((f"127.0.0.1:PORT{path}", "this-computer") for path in ("/x", "?x=1", "/v1/..;", "#x")),
        *((f"127.0.0.1:{port}", "this-computer") for port in ("x", "0", "65536", "-1", "", "80 ")),
        # Another host has no loopback address.
        *(("127.0.0.1:PORT", "vacc"), ("127.0.0.2:PORT", "vacc"), ("[::1]:PORT", "vacc")),
        *(("localhost:PORT", "vacc"), ("0.0.0.0:PORT", "vacc")),
    ],
)
def test_an_address_that_is_none_of_its_host_is_not_called(client, address, host):
    with hostile(hostile_server.no_http) as engine:
        url = f"http://{address}".replace("PORT", str(engine.port))
        turn, _body = turn_with(client, url, type=host)
        assert engine.requests == []

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:address")


@pytest.mark.parametrize(
    "answer",
    [
        hostile_server.redirect(307, "http://127.0.0.1:1/tokenize"),
        hostile_server.endless_body,
        hostile_server.compressed,
        hostile_server.slow_body,
        hostile_server.no_http,
    ],
)
def test_a_tokenizer_without_bounds_counts_nothing(answer, monkeypatch):
    monkeypatch.setattr(engines, "TOKENIZER_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    with hostile(answer) as engine:
        count = async_to_sync(engines.Engine(Call(engine.url, "key"), "m").tokens)

        assert count("a", "b") == []
        assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b'{"x":[', *[b"[],\n" * 250_000] * 5, b"[]]}"], "one JSON object of more than 4 MiB"),
        ([b"data: " + b"[]," * 350_000 + b"\n"] * 5, "one JSON object of more than 4 MiB"),
        ([b"{" + b"{}" * 140_000 + b"\n"], "more than 131,072 JSON objects in a line"),
        ([delta(content="a" * 600_000)] * 2 + [END], "longer than 1,000,000 characters"),
        ([delta(reasoning="a" * 600_000)] * 2 + [END], "longer than 1,000,000 characters"),
    ],
)
def test_an_answer_beyond_a_bound_says_which(client, pieces, words):
    turn, *_seen = outcome(client, *pieces)

    assert turn.state == "failed"
    assert words in message(turn.stats["error_id"], turn.stats["error_args"])
    assert len(turn.answer + turn.reasoning) <= bounds.ANSWER_CHARS


def test_a_page_has_the_longest_answer_once(client):
    turn, *_seen = outcome(client, *[delta(content="四" * 300_000)] * 4, END)

    for path in (f"/playground/{turn.conversation_id}/", f"/playground/turns/{turn.pk}/"):
        assert client.get(path).content.decode().count("四") == bounds.ANSWER_CHARS


@pytest.mark.parametrize(
    ("length", "ended"),
    [(bounds.READ_HERE_BYTES, ("failed", "confined:time")), (9, ("done", None))],
)
def test_a_long_answer_is_read_by_a_worker(client, length, ended, monkeypatch):
    def run(pool, _name, _args):
        raise Exceeded("time", pool.limits)

    monkeypatch.setattr(Pool, "run", run)
    turn, *_seen = outcome(client, delta(content="a" * length), END)

    assert (turn.state, turn.stats.get("error_id")) == ended


def test_a_stopped_answer_that_was_cut_says_so(client):
    turn, *_seen = outcome(client, *[delta(content="a" * 600_000)] * 2, END)
    type(turn).objects.filter(pk=turn.pk).update(state="stopped")

    page = client.get(f"/playground/turns/{turn.pk}/").content.decode()

    assert "longer than 1,000,000 characters" in page


@pytest.mark.parametrize(("number", "count"), [(b"151643,", [65_000]), (b"[],", [])])
def test_a_tokenizer_counts_what_half_a_mebibyte_holds(number, count):
    times = count[0] if count else 200_000
    body = b'{"tokens":[' + (number * times)[:-1] + b"]}"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with hostile(lambda send, _stopped: send(head + body)) as engine:
        assert async_to_sync(engines.Engine(Call(engine.url), "m").tokens)("a") == count


PIECE = delta(content="half of it")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(PIECE), PIECE)
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + PIECE


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (CHUNKED, b""),
        (CHUNKED, b"ff\r\ndata: {"),
        (CHUNKED, b"no size\r\n"),
        (CHUNKED, b"6\r\ndata: {}\n\n\r\n"),
        (CHUNKED, None),
        (COUNTED, b""),
        (COUNTED, None),
    ],
    ids=["cut", "cut-in-chunk", "no-size", "wrong-size", "reset", "short", "short-reset"],
)
def test_an_answer_that_ends_wrongly_says_so_in_words(client, begin, end):
    came = threading.Event()

    def answer(send, _stopped):
        send(begin)
        assert came.wait(PATIENCE_S)
        if end is None:
            raise Reset
        send(end)

    async def scenario(_engine, turn):
        browser = opened(client, turn)
        await browser.until(len(PIECE))
        came.set()
        await browser.task

    with hostile(answer) as engine:
        turn = run(scenario, lambda _own_url: make_turn(engine.url))
    page = client.get(f"/playground/turns/{turn.pk}/").text

    assert (turn.state, turn.answer) == ("failed", "half of it")
    note = "<b>The engine closed the connection in the middle of the answer.</b></span></div>"
    assert note in page
