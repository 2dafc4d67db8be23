import asyncio

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from dashboard.chat import relay, turns
from dashboard.security import listeners
from jobs.base import bounds
from jobs.base.files import locked
from jobs.logstore import store
from jobs.models import AuditEntry, Deployment
from tests.dashboard.lib.chat_engine import (
    END,
    Browser,
    begun,
    delta,
    make_turn,
    opened,
    outcome,
    run,
)
from tests.factories import keep_secret

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.postgresql
def test_engine_bytes_arrive_unchanged_and_are_stored(client):
    stream = delta(reasoning_content="Hm.") + delta(content="四") + END

    turn, body, asked, _keys = outcome(
        client, *(stream[i : i + 7] for i in range(0, len(stream), 7))
    )

    assert (body, asked) == (stream, [{"model": "m"}])
    assert store().read(turns.key(turn.pk), 0, len(stream)) == stream
    assert (turn.state, turn.reasoning, turn.answer) == ("done", "Hm.", "四")
    assert turn.finish_reason == "stop"
    assert turn.stats["ttft_ms"] <= turn.stats["first_answer_ms"] <= turn.stats["total_ms"]


@pytest.mark.parametrize(("name", "sent"), [("", None), ("API_KEY", "Bearer token-abc123")])
def test_an_engine_key_is_sent_and_not_stored_in_the_turn(client, name, sent):
    keep_secret("API_KEY", "token-abc123", purpose="engine")

    def make(url):
        turn = make_turn(url)
        Deployment.objects.update(details={"api_key": name})
        return turn

    turn, _body, _asked, keys = outcome(client, delta(content="Hi") + END, make=make)

    assert keys == [sent]
    assert (turn.state, turn.request) == ("done", {"model": "m"})


def test_a_returning_browser_continues_from_its_offset(client):
    first, second = delta(content="a"), delta(content="b")

    async def scenario(engine, turn):
        browser = await begun(client, engine, turn, first)
        browser.leave.set()
        await browser.task

        again = opened(client, turn, "stream", query=f"from={len(first)}")
        await engine.ends(second + END)
        await again.task
        assert again.body == second + END
        assert len(engine.requests) == 1

    assert run(scenario).answer == "ab"


@pytest.mark.parametrize("start", ["5", "9" * 18, "9" * 19, "9" * 5000, "-1", "\u0664", "x", ""])
def test_a_turn_that_has_ended_is_read_from_its_file(client, start):
    stream = delta(content="a") + END

    async def scenario(engine, turn):
        await engine.ends(stream)
        await opened(client, turn).task

        late = opened(client, turn, query=f"from={start}")
        await late.task
        offset = {"5": 5, "9" * 18: len(stream)}.get(start, 0)  # any other is none, and no error
        assert (late.status, late.body) == (200, stream[offset:])
        assert len(engine.requests) == 1

    run(scenario)


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 5000])
def test_a_number_that_no_turn_has_is_not_found(client, number):
    async def scenario(engine, turn):
        browser = Browser(client, f"/relay/turns/{number}/start")
        await browser.task
        assert (browser.status, engine.requests) == (404, [])

    run(scenario)


def test_after_a_logout_the_stream_ends_and_the_turn_goes_on(client, monkeypatch):
    first = delta(content="a")
    monkeypatch.setattr(listeners, "CHECK_S", 3600)

    async def scenario(engine, turn):
        browser = await begun(client, engine, turn, first)
        await sync_to_async(client.post)("/logout/")
        await browser.task
        await engine.ends(delta(content="b") + END)
        await turns.running(turn.pk).task
        assert browser.body == first

    turn = run(scenario)

    assert (turn.state, turn.answer) == ("done", "ab")


def test_stop_closes_the_connection_to_the_engine(client):
    async def scenario(engine, turn):
        browser = await begun(client, engine, turn, delta(content="a"))
        stop = opened(client, turn, "stop")
        await stop.task
        assert stop.status == 204
        await engine.was_left.wait()
        await browser.task

    turn = run(scenario)

    assert (turn.state, turn.answer) == ("stopped", "a")
    assert turn.stats["counted"] is True


def test_a_stop_that_another_process_asked_for_is_seen(client):
    async def scenario(engine, turn):
        browser = await begun(client, engine, turn, delta(content="a"))
        store().path(turns.key(turn.pk)).with_suffix(".stop").touch()
        await browser.task
        await engine.was_left.wait()

    assert run(scenario).state == "stopped"


def test_a_turn_of_another_process_is_read_and_closes_with_its_text_once_that_is_killed(client):
    first, second = delta(content="ha"), delta(content="lf")

    async def scenario(engine, turn):
        store().append(turns.key(turn.pk), 0, first)
        alive = store().path(turns.key(turn.pk)).with_suffix(".alive")
        alive.write_text("1\n")
        with locked(alive):
            browser = opened(client, turn)
            await browser.until(len(first))
            store().append(turns.key(turn.pk), len(first), second)
            await browser.until(len(first + second))
        await browser.task
        assert (browser.body, engine.requests) == (first + second, [])

    turn = run(scenario)

    assert (turn.state, turn.answer) == ("failed", "half")
    assert turn.stats == {"error_id": "chat:interrupted"}


def test_an_engine_s_refusal_is_in_its_own_words(client):
    turn, *_seen = outcome(client, b'{"error":{"message":"too long"}}', status=400)

    assert (turn.state, turn.error) == ("failed", "too long")
    assert turn.stats["error_id"] == "chat:status"
    assert turn.stats["error_args"] == {"status": 400}


@pytest.mark.parametrize(
    ("headers", "error_id", "args"),
    [
        ({"Retry-After": "7"}, "chat:busy-for", {"status": 429, "seconds": 7}),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "chat:busy", {"status": 429}),
        ({}, "chat:busy", {"status": 429}),
    ],
)
def test_a_busy_engine_says_for_how_long(client, headers, error_id, args):
    page = b"<html><title>429 Too Many Requests</title></html>"
    for body, text in (
        (b'{"error":"full"}', "full"),
        (b"", "HTTP 429"),
        (page, page[13:34].decode()),
    ):
        turn, *_seen = outcome(client, body, status=429, headers=headers)

        stats = turn.stats
        assert (turn.state, turn.error) == ("failed", text)
        assert (stats["error_id"], stats["error_args"]) == (error_id, args)


@pytest.mark.parametrize(
    "before", ["", "\ufeff", "<!-- x --><!-- y -->\n", '<?xml version="1.0"?>']
)
def test_a_login_page_is_no_answer_and_shows_no_tags(client, before):
    page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>\n<p>x</p></body>"

    turn, *_seen = outcome(client, (before + page).encode())

    assert (turn.state, turn.error, turn.stats["error_id"]) == ("failed", "Sign in", "chat:page")


def test_a_stream_that_ends_as_it_should_needs_no_finish_reason(client):
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'

    turn, *_seen = outcome(client, delta(content="a"), usage, b"data: [DONE]\n\n")
    empty, *_seen = outcome(client, b"data: [DONE]\n\n")

    assert (turn.state, turn.answer, turn.stats["completion_tokens"]) == ("done", "a", 1)
    assert (empty.state, empty.stats["error_id"]) == ("failed", "chat:cut")


def test_a_stream_without_an_end_fails_and_keeps_its_text(client):
    turn, *_seen = outcome(client, delta(content="a"))

    assert (turn.state, turn.answer, turn.stats["error_id"]) == ("failed", "a", "chat:cut")


def test_an_endless_engine_is_stopped_without_lost_text(client, monkeypatch):
    piece = delta(content="ab")
    monkeypatch.setattr(bounds, "STREAM_BYTES", 3 * len(piece))

    async def scenario(engine, turn):
        browser = opened(client, turn)
        for size in range(len(piece), 5 * len(piece), len(piece)):
            await engine.say.put(piece)
            await browser.until(size)
        await engine.was_left.wait()
        await browser.task
        assert browser.body == 4 * piece
        assert store().read(turns.key(turn.pk), 0, 5 * len(piece)) == 4 * piece

    turn = run(scenario)

    assert (turn.state, turn.answer) == ("failed", 4 * "ab")
    assert turn.stats["error_id"] == "chat:too-long"


def test_a_stalled_reader_holds_one_piece_in_memory(client, monkeypatch):
    monkeypatch.setattr(relay, "READ_BYTES", 1000)
    monkeypatch.setattr(turns, "IN_MEMORY_BYTES", 2000)
    monkeypatch.setattr(turns, "KEEP_S", 0.001)
    pieces = [delta(content=f"{n} " * 50) for n in range(200)]
    whole = b"".join([*pieces, END])
    sizes = []

    class Deaf(Browser):
        reads = asyncio.Event()

        async def send(self, message):
            sizes.append(len(message.get("body", b"")))
            await super().send(message)
            if len(self.body) > 3000:
                await self.reads.wait()

    async def scenario(engine, turn):
        deaf = Deaf(client, f"/relay/turns/{turn.pk}/start")
        other = opened(client, turn, "stream")
        held = []
        for piece in pieces:
            await engine.say.put(piece)
            if run := turns.running(turn.pk):
                held.append(len(run.raw))
            await asyncio.sleep(0.002)
        await engine.ends(END)
        await other.task
        assert (turns.running(turn.pk), len(deaf.body)) == (None, len(deaf.body[:4000]))
        deaf.reads.set()
        await deaf.task
        assert deaf.body == other.body == whole
        assert max(held) < len(whole) / 2

    turn = run(scenario)

    assert (turn.state, turn.answer) == ("done", "".join(f"{n} " * 50 for n in range(200)))
    assert max(sizes) <= 1000


@pytest.mark.postgresql
def test_half_a_surrogate_pair_does_not_keep_the_turn_open(client):
    turn, *_seen = outcome(client, delta(content="a\ud83d\x00"))

    assert (turn.state, turn.answer) == ("failed", "a\ufffd\ufffd")


def test_an_engine_that_is_not_there_fails_the_turn(client):
    async def scenario():
        turn = await sync_to_async(make_turn)("http://127.0.0.1:9")
        await opened(client, turn).task
        await sync_to_async(turn.refresh_from_db)()
        return turn

    turn = async_to_sync(scenario)()

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:unreachable")


@pytest.mark.parametrize(
    ("who", "method", "headers", "status"),
    [
        ("stranger", "POST", (), 403),
        ("other", "POST", (), 404),
        ("lin", "POST", [(b"x-csrftoken", b"u" * 32)], 403),
        ("lin", "POST", [(b"x-csrftoken", b"t" * 32), (b"origin", b"http://evil.example")], 403),
        ("lin", "GET", (), 405),
    ],
)
def test_only_its_owner_starts_a_turn(client, who, method, headers, status):
    caller = client
    if who != "lin":
        caller = Client()
    if who == "other":
        caller.force_login(User.objects.create_user("chen"))

    async def scenario(engine, turn):
        browser = opened(caller, turn, method=method, headers=headers)
        await browser.task
        assert (browser.status, engine.requests) == (status, [])

    run(scenario)


def test_a_refused_start_is_recorded_with_its_person(client):
    other = Client()
    other.force_login(User.objects.create_user("chen"))

    async def scenario(engine, turn):
        await opened(other, turn).task

    turn = run(scenario)

    entry = AuditEntry.objects.get(action="access.refused")
    assert (entry.user.username, entry.subject) == ("chen", f"POST /relay/turns/{turn.pk}/start")
