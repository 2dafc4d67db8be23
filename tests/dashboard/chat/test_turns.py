"""A turn ends with any behaviour of the engine, and its text is stored."""

import json

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.urls import reverse

from dashboard.chat import turns
from jobs.logstore import store
from jobs.models import Conversation, Deployment, Turn
from tests.dashboard.lib.chat_engine import END, begun, delta, make_turn, opened, outcome, run

pytestmark = pytest.mark.django_db(transaction=True)


def usage(**counts):
    return b"data: " + json.dumps({"choices": [], "usage": counts}).encode() + b"\n\n"


async def answer_with(engine, turn, client, *pieces):
    """Let the engine answer with these pieces, then end."""
    await engine.ends(*pieces)
    await opened(client, turn).task


@pytest.mark.postgresql
def test_a_failed_second_attempt_leaves_the_good_answer(client):
    async def scenario(engine, turn):
        await answer_with(engine, turn, client, delta(content="Good."), END)

        def again():
            turn.refresh_from_db()
            asked = {"prompt": "Hi", "max_tokens": "64", "retry": turn.pk}
            asked |= {"conversation": turn.conversation_id, "deployment": turn.deployment_id}
            page = client.post(reverse("playground-ask"), asked, headers={"Accept": "text/json"})
            assert page.status_code == 201
            return Turn.objects.exclude(pk=turn.pk).get()

        second = await sync_to_async(again)()
        engine.status = 503
        await answer_with(engine, second, client, b'{"error":{"message":"no room"}}')
        await second.arefresh_from_db()
        assert (second.state, second.error, second.is_shown) == ("failed", "no room", False)

    turn = run(scenario)

    assert (turn.state, turn.answer, turn.is_shown) == ("done", "Good.", True)
    page = client.get(reverse("conversation", args=[turn.conversation_id])).content.decode()
    assert "Good." in page
    assert ">1/2</b>" in page


@pytest.mark.parametrize(
    "wild",
    [
        delta(content=[{"type": "text", "text": "Fo"}]) + delta(content=["ur"]),
        delta(content="Four") + b'data: {"choices":[],"usage":[1]}\n\n',
        delta(content="Four") + b'data: {"choices":7}\n\ndata: {"choices":[{"delta":[]}]}\n\n',
        delta(content="Four") + b"data: " + 100_000 * b"[" + b"\n\n",
    ],
)
def test_what_no_engine_should_send_does_not_keep_the_turn_open(client, wild):
    turn, *_seen = outcome(client, wild, END)

    assert (turn.state, turn.answer) == ("done", "Four")


def test_a_mistake_of_ours_ends_the_turn_and_keeps_its_stream(client, monkeypatch):
    def raises(*_):
        raise RuntimeError("ours")

    monkeypatch.setattr(turns, "parse_kept", raises)
    stream = delta(content="Four") + END

    turn, *_seen = outcome(client, stream)

    assert store().read(turns.key(turn.pk), 0, len(stream)) == stream
    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:unreadable")
    assert "ours" in turn.error


@pytest.mark.parametrize("is_full", [True, False])
def test_a_full_disk_or_its_reserve_ends_the_turn(client, settings, monkeypatch, is_full):
    def full(*_):
        raise OSError(28, "No space left on device")

    async def scenario(engine, turn):
        if is_full:
            monkeypatch.setattr(store(), "append", full)
        else:
            settings.DISK_RESERVE_BYTES = 10**18
        await answer_with(engine, turn, client, delta(content="Four"), END)
        assert store().size(turns.key(turn.pk)) == 0

    turn = run(scenario)

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:not-kept")
    assert ("No space left" in turn.error) is is_full


def test_an_abandoned_turn_is_stopped_with_its_text(client):
    async def scenario(engine, turn):
        store().append(turns.key(turn.pk), 0, delta(content="half"))
        store().path(turns.key(turn.pk)).with_suffix(".alive").write_text("1\n")
        stop = opened(client, turn, "stop")
        await stop.task
        assert (stop.status, engine.requests) == (204, [])

    turn = run(scenario)

    assert (turn.state, turn.answer) == ("stopped", "half")


def test_a_turn_whose_deployment_is_gone_ends(client):
    def make(url):
        turn = make_turn(url)
        Deployment.objects.update(state="stopped")
        return turn

    turn, body, asked, _keys = outcome(client, make=make)

    assert (turn.state, turn.stats["error_id"]) == ("failed", "chat:not-ready")
    assert (body, asked) == (b"", [])


@pytest.mark.parametrize("way", ["stopped", "cut", "killed"])
def test_a_thought_that_was_cut_short_is_no_answer(client, way):
    stream = delta(content="The user asks.")

    async def scenario(engine, turn):
        await Deployment.objects.aupdate(model_id="deepseek-r1")
        if way == "killed":
            store().append(turns.key(turn.pk), 0, stream)
            store().path(turns.key(turn.pk)).with_suffix(".alive").write_text("1\n")
            await opened(client, turn).task
        elif way == "cut":
            await answer_with(engine, turn, client, stream, END.replace(b'"stop"', b'"length"'))
        else:
            browser = await begun(client, engine, turn, stream)
            await opened(client, turn, "stop").task
            await browser.task

    turn = run(scenario)

    assert (turn.reasoning, turn.answer) == ("The user asks.", "")


@pytest.mark.parametrize(
    ("tokens", "shares", "estimated"),
    [
        (lambda text: {"count": len(text.split())}, (2, 8), False),
        (lambda text: {"tokens": text.split()}, (2, 8), False),
        (lambda text: ["?"], (5, 5), True),
        (None, (5, 5), True),
    ],
)
def test_the_tokenizer_splits_tokens_into_thought_and_answer(client, tokens, shares, estimated):
    async def scenario(engine, turn):
        engine.tokens = tokens
        pieces = delta(reasoning="abcdefg"), delta(content="a b c d")
        await answer_with(engine, turn, client, *pieces, END[:-14], usage(completion_tokens=10))

    stats = run(scenario).stats

    assert (stats["reasoning_tokens"], stats["answer_tokens"]) == shares
    assert (stats["estimated"], stats["counted"]) == (estimated, False)


def test_a_late_page_gets_the_times_of_the_tokens(client):
    first, second = delta(content="a"), delta(content="b")

    async def scenario(engine, turn):
        browser = await begun(client, engine, turn, first)
        moment = turns.running(turn.pk).times[0]
        await engine.say.put(second)
        await browser.until(len(first + second))
        late = opened(client, turn)
        await late.until(1)
        offsets = f"at=0,{len(first)},x"
        asked = opened(client, turn, "times", query=offsets)
        await asked.task
        ms = json.loads(asked.body)["ms"]
        assert (ms[0], ms[2]) == (round(moment * 1000, 3), ms[0])
        assert ms[0] <= ms[1]
        assert late.headers[b"x-turn-size"] == str(len(first + second)).encode()
        assert int(late.headers[b"x-turn-age-ms"]) >= ms[1]
        await engine.ends()
        await browser.task
        await late.task

    run(scenario)


def test_another_process_reads_the_times_from_the_file(client):
    async def scenario(engine, turn):
        store().path(turns.key(turn.pk)).parent.mkdir(parents=True, exist_ok=True)
        store().path(turns.key(turn.pk)).with_suffix(".alive").write_text("1\n")
        store().append(turns.key(turn.pk), 0, delta(content="a"))
        (time,) = await turns.times_at(turn.pk, [0])
        assert 0 <= time < 5
        assert await turns.times_at(turn.pk + 1, [0]) == [None]
        await turns.close_abandoned(turn.pk)

    run(scenario)


def test_a_strangers_times_are_not_returned(client):
    async def scenario(engine, turn):
        await Conversation.objects.aupdate(user_id=await sync_to_async(other)())
        browser = opened(client, turn, "times", query="at=0")
        await browser.task
        assert browser.status == 404

    def other():
        return User.objects.create_user("chen").pk

    run(scenario)
