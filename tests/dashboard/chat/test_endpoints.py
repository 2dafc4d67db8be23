"""Turns of endpoints: rules at each turn, and a key that nobody sees."""

import asyncio
import json
import socket
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dashboard.chat import turns
from dashboard.security import listeners
from jobs.access import sources
from jobs.logstore import store
from jobs.models import Deployment, Endpoint, Secret, Source, Turn
from tests import hostile_server
from tests.dashboard.lib.chat_engine import (
    END,
    delta,
    make_external_turn,
    make_turn,
    opened,
    outcome,
    run,
)
from tests.factories import keep_secret, make_user, permit_source
from tests.hostile_server import hostile
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)

IP = "127.0.0.1"
KEY = 'sk-not-"real"-0123456789'


def with_key(url, **rules):
    """A turn of an endpoint with a key that may be sent there."""
    keep_secret("H800_KEY", KEY, **{"purpose": "engine", "endpoints": [url], **rules})
    return make_external_turn(url, api_key="H800_KEY")


@pytest.mark.postgresql
@pytest.mark.parametrize(("make", "key"), [(with_key, f"Bearer {KEY}"), (make_external_turn, None)])
def test_an_endpoint_answers_and_gets_its_key_if_it_has_one(client, make, key):
    turn, body, asked, keys = outcome(client, delta(content="Hi") + END, make=make)

    assert (turn.state, turn.answer, body) == ("done", "Hi", delta(content="Hi") + END)
    assert (asked, keys) == ([{"model": "m"}], [key])


def test_an_endpoint_below_a_path_is_asked_there(client):
    turn, _body, asked, _keys = outcome(
        client, make=lambda url: make_external_turn(f"{url}/gateway")
    )

    assert (turn.state, turn.error, asked) == ("failed", "404: Not Found", [])


@pytest.mark.parametrize(
    ("make", "change", "error"),
    [
        (make_external_turn, lambda: Source.objects.all().delete(), "chat:not-permitted"),
        (make_external_turn, lambda: Endpoint.objects.update(archived_at=now()), "chat:archived"),
        (with_key, lambda: Secret.objects.all().delete(), "chat:key"),
        (with_key, lambda: Secret.objects.update(endpoints=["http://10.0.0.1:1"]), "chat:key"),
        (with_key, lambda: Secret.objects.update(everyone=False), "chat:key"),
        (with_key, lambda: Secret.objects.update(purpose="hub"), "chat:key"),
        (make_turn, lambda: Deployment.objects.update(details={"api_key": "GONE"}), "chat:key"),
    ],
)
def test_rules_that_changed_since_the_question_hold(client, make, change, error):
    def changed(url):
        turn = make(url)
        change()
        return turn

    turn, body, asked, _keys = outcome(client, make=changed)

    assert (turn.state, turn.stats["error_id"]) == ("failed", error)
    assert (body, asked) == (b"", [])


@pytest.mark.parametrize("is_named", [True, False])
def test_only_people_of_the_key_may_chat_with_it(client, is_named):
    def make(url):
        people = [User.objects.get(username="lin") if is_named else make_user()]
        return with_key(url, people=people)

    turn, _body, asked, _keys = outcome(client, delta(content="Hi") + END, make=make)

    assert (turn.state, len(asked)) == (("done", 1) if is_named else ("failed", 0))


def echoed(key):
    """The key in an answer, in parts of every size, and over two events."""
    text = json.dumps({"choices": [{"delta": {"content": f"You sent {key}."}}]})
    whole = b"data: " + text.encode() + b"\n\n"
    halves = delta(reasoning_content=key[:9]) + delta(reasoning_content=key[9:])
    return [*(whole[at : at + 3] for at in range(0, len(whole), 3)), whole, halves, END]


def test_a_key_that_the_engine_repeats_reaches_nobody(client):
    turn, body, _asked, _keys = outcome(client, *echoed(KEY), make=with_key)

    kept = store().read(turns.key(turn.pk), 0, 10_000)
    assert kept == body
    assert json.dumps(KEY)[1:-1].encode() not in body
    stars = "*" * len(json.dumps(KEY)[1:-1])
    assert turn.answer == f"You sent {stars}." * 2
    assert turn.reasoning == "*" * len(KEY)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (401, json.dumps({"error": {"message": f"Wrong key {KEY}"}}).encode()),
        (401, f"Wrong key: {KEY}".encode()),
        (500, f"<html><title>{KEY}</title></html>".encode()),
    ],
)
def test_a_key_in_an_error_reaches_nobody(client, status, content):
    turn, body, _asked, _keys = outcome(client, content, make=with_key, status=status)

    assert turn.state == "failed"
    assert "***" in turn.error
    assert "real" not in turn.error + body.decode()


def at(url, make=make_external_turn):
    return lambda _of_the_engine: make(url)


def test_a_redirect_is_not_followed_and_tells_no_key(client):
    with hostile(hostile_server.no_http) as other:
        to = f"{other.url}/{'x' * 150}?key={KEY.replace(chr(34), '%22')}"
        with hostile(hostile_server.redirect(307, to)) as engine:
            turn, body, _asked, _keys = outcome(client, make=at(engine.url, with_key))
        assert other.requests == []

    assert (turn.state, turn.stats["error_id"], body) == ("failed", "chat:redirect", b"")
    assert "sk-not" not in turn.error


def test_an_endpoint_that_stopped_answering_says_so(client):
    with hostile(hostile_server.no_http) as engine:
        gone = engine.url

    turn, _body, _asked, _keys = outcome(client, make=at(gone))

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:unreachable")
    assert not turn.endpoint.is_answering
    assert (turn.endpoint.check_id, turn.endpoint.check_args["url"]) == ("endpoint:silent", gone)


def test_an_endpoint_that_answers_again_says_so(client):
    def made(url):
        turn = make_external_turn(url)
        Endpoint.objects.update(check_id="endpoint:silent")
        return turn

    turn, *_seen = outcome(client, delta(content="a"), END, make=made)

    assert (turn.state, turn.endpoint.is_answering) == ("done", True)


def queries_of(client, make):
    """Return a turn's queries: before its first byte, then to its end."""
    log = CaptureQueriesContext(connection)
    found = []

    async def scenario(engine, turn):
        await sync_to_async(log.__enter__)()
        browser = opened(client, turn)
        await engine.say.put(delta(content="Hi"))
        await browser.until(1)
        before = await sync_to_async(statements)()
        await engine.ends(END)
        await browser.task
        whole = await sync_to_async(statements)()
        await sync_to_async(log.__exit__)(None, None, None)
        found.extend((before, whole[len(before) :]))

    def statements():  # in the thread of the connection
        sent = [query["sql"] for query in log.captured_queries]
        return [sql for sql in sent if not sql.startswith(("BEGIN", "COMMIT"))]

    assert run(scenario, make).answer == "Hi"
    return found


def with_key_of_lin(url):
    return with_key(url, people=[User.objects.get(username="lin")])


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("make", "most"), [(make_turn, 3), (make_external_turn, 4), (with_key, 5), (with_key_of_lin, 6)]
)
def test_a_turn_has_few_queries(client, monkeypatch, make, most):
    """Login, person, turn; of an endpoint the permitted addresses, the key, and its people."""
    monkeypatch.setattr(listeners, "CHECK_S", 3600)
    before, after = queries_of(client, make)

    assert (len(before), len(after)) == (most, 3), before + after


def named_turn(url):
    """A turn of an endpoint by a name of this machine, which the list permits."""
    return make_external_turn(url.replace("127.0.0.1", "localhost"))


def test_a_name_of_this_machine_gets_no_question(client):
    turn, _body, asked, _keys = outcome(client, delta(content="Hi") + END, make=named_turn)

    assert (turn.state, turn.stats["error_id"], asked) == ("failed", "chat:special", [])


def test_a_name_is_called_at_the_address_that_was_checked(client, monkeypatch):
    resolved = []

    def note(host, *_more, **_options):
        resolved.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    def listed(url):
        permit_source(url, "endpoint")
        turn = make_external_turn(url.replace("127.0.0.1", "engine.invalid"))
        monkeypatch.setattr(socket, "getaddrinfo", note)
        return turn

    turn, _body, asked, _keys = outcome(client, delta(content="Hi") + END, make=listed)

    assert (turn.state, turn.answer, len(asked)) == ("done", "Hi", 1)
    assert resolved == ["engine.invalid"]


def silent_name(monkeypatch, ip=""):
    """Let a name's lookup wait for ``end``; it then finds ``ip``, "" for an error. Return what
    makes a turn of the name, and ``end``.
    """
    end = threading.Event()

    def wait(*_args, **_options):
        end.wait(PATIENCE_S)
        if not ip:
            raise socket.gaierror("no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0))]

    def make(url):
        named = url.replace("127.0.0.1", "engine.invalid")
        permit_source(named, "endpoint")
        turn = make_external_turn(named)
        monkeypatch.setattr(socket, "getaddrinfo", wait)
        return turn

    return make, end


def test_a_lookup_that_takes_long_keeps_no_other_chat_waiting(client, monkeypatch):
    make, end = silent_name(monkeypatch)

    async def scenario(engine, turn):
        waiting = opened(client, turn)
        await asyncio.sleep(0.1)
        other = await sync_to_async(make_turn)(turn.endpoint.url.replace("engine.invalid", IP))
        await engine.ends(END)
        browser = opened(client, other)
        await browser.task
        assert (browser.body, waiting.task.done()) == (END, False)
        end.set()
        await waiting.task

    try:
        turn = run(scenario, make)
    finally:
        end.set()

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:unknown-name")


def test_a_name_without_an_answer_in_time_is_unknown(client, monkeypatch):
    monkeypatch.setattr(sources, "LOOKUP_S", 0.05)
    make, end = silent_name(monkeypatch)

    turn, _body, asked, _keys = outcome(client, make=make)
    end.set()

    assert (turn.state, turn.stats["error_id"], asked) == ("failed", "chat:unknown-name", [])


async def by_a_request(client, turn):
    await opened(client, turn, "stop").task


async def by_its_row(_client, turn):
    await Turn.objects.filter(pk=turn.pk).aupdate(state="stopped")


@pytest.mark.parametrize("stop", [by_a_request, by_its_row])
def test_a_turn_that_is_stopped_during_the_lookup_asks_nothing(client, monkeypatch, stop):
    make, end = silent_name(monkeypatch, IP)

    def listed(url):
        permit_source(url, "endpoint")
        return make(url)

    async def scenario(engine, turn):
        waiting = opened(client, turn)
        await asyncio.sleep(0.1)
        await stop(client, turn)
        end.set()
        await waiting.task
        assert engine.requests == []

    assert run(scenario, listed).state == "stopped"
