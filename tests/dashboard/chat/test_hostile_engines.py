"""A turn ends, with its reason, whatever a hostile engine sends; nothing else is called."""

import aiohttp
import pytest
from asgiref.sync import async_to_sync

from dashboard.chat import engines
from dashboard.chat.engines import Call
from jobs.models import Deployment, Host
from tests import hostile_server
from tests.dashboard.lib.chat_engine import opened, run
from tests.hostile_server import hostile

pytestmark = [pytest.mark.django_db(transaction=True)]


def turn_with(client, url, **host):
    """Return the ended turn of a deployment at ``url``, and its raw stream."""
    bodies = []

    async def scenario(engine, turn):
        await Deployment.objects.aupdate(dashboard_url=url)
        await Host.objects.aupdate(**({"type": "this-computer"} | host))
        browser = opened(client, turn)
        await browser.task
        bodies.append(browser.body)
        assert engine.requests == []

    return run(scenario), bodies[0]


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
    ("answer", "error_id"),
    [
        (hostile_server.endless_body, "chat:too-long"),
        (hostile_server.endless_header, "chat:no-http"),
        (hostile_server.endless_headers, "chat:no-http"),
        (hostile_server.no_http, "chat:no-http"),
        (hostile_server.compressed, "chat:compressed"),
    ],
)
def test_an_answer_without_bounds_fails_the_turn(client, answer, error_id, monkeypatch):
    monkeypatch.setattr(engines, "LONGEST_LINE_BYTES", 200_000)
    with hostile(answer) as engine:
        turn, body = turn_with(client, engine.url)

    assert (turn.state, turn.stats["error_id"]) == ("failed", error_id)
    assert len(body) < 1_000_000


@pytest.mark.parametrize(
    ("answer", "limit", "error_id"),
    [
        (hostile_server.slow_header, "TURN_TIMEOUT_S", "chat:timeout"),
        (hostile_server.slow_body, "TURN_TIMEOUT_S", "chat:timeout"),
        (hostile_server.silent, "SILENCE_TIMEOUT_S", "chat:silent"),
    ],
)
def test_a_slow_answer_fails_the_turn(client, answer, limit, error_id, monkeypatch):
    monkeypatch.setattr(engines, limit, 0.3)
    with hostile(answer) as engine:
        turn, _body = turn_with(client, engine.url)

    assert (turn.state, turn.stats["error_id"]) == ("failed", error_id)


@pytest.mark.parametrize("path", ["/x", "?x=1", "/v1/..;", "#x"])
def test_an_address_with_a_path_is_not_called(client, path):
    with hostile(hostile_server.no_http) as engine:
        turn, _body = turn_with(client, engine.url + path)
        assert engine.requests == []

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:address")


@pytest.mark.parametrize("at", ["127.0.0.1", "127.0.0.2", "[::1]", "localhost", "0.0.0.0"])
def test_another_host_has_no_loopback_address(client, at):
    with hostile(hostile_server.no_http) as engine:
        turn, _body = turn_with(client, f"http://{at}:{engine.port}", type="vacc")
        assert engine.requests == []

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:address")


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "", "80 "])
def test_a_port_that_is_none_is_not_called(client, port):
    turn, _body = turn_with(client, f"http://127.0.0.1:{port}")

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
    monkeypatch.setattr(engines, "LONGEST_TOKENS_BYTES", 100_000)
    monkeypatch.setattr(engines, "TOKENIZER_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    with hostile(answer) as engine:
        count = async_to_sync(engines.Engine(Call(engine.url, "key"), "m").tokens)

        assert count("a", "b") == []
        assert len(engine.requests) == 1
