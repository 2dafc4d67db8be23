"""Turns that were asked a moment ago start without the database; all others ask it."""

from contextlib import nullcontext

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from dashboard.actions import access as actions
from dashboard.actions import endpoints
from dashboard.chat import asked, relay, turns
from dashboard.security import listeners
from dashboard.security.short_memory import ShortMemory
from jobs.models import Turn
from jobs.services import chat as services
from tests.dashboard.lib.chat_engine import END, delta, make_turn, opened, run
from tests.factories import keep_secret, make_endpoint, permit_source

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def from_database(monkeypatch):
    """Numbers of the turns for which the relay asks the database."""
    asks = []
    monkeypatch.setattr(asked, "_kept", ShortMemory(60))  # whatever else the machine does
    ask = relay._asked
    monkeypatch.setattr(relay, "_asked", lambda r, n, **more: asks.append(n) or ask(r, n, **more))
    return asks


def asking(client, prompt="Hi"):
    """Return a function that makes a turn by the page's own form."""

    def make(url):
        chat = make_turn(url).conversation
        chat.turns.all().delete()
        form = {"prompt": prompt, "max_tokens": 5, "conversation": chat.pk}
        form["deployment"] = str(chat.deployment_id)
        answer = client.post("/playground/ask/", form, headers={"accept": "application/json"})
        assert answer.status_code == 201, answer.content
        return Turn.objects.latest("pk")

    return make


def test_a_turn_that_was_asked_a_moment_ago_starts_without_the_database(client, from_database):
    async def scenario(engine, turn):
        await engine.ends(delta(content="Hi") + END)
        await opened(client, turn).task
        assert from_database == []
        await opened(client, turn).task
        assert engine.requests == [turn.request]

    turn = run(scenario, asking(client))

    assert (turn.state, turn.answer) == ("done", "Hi")
    assert from_database == [turn.pk]


@pytest.mark.parametrize("limit", ["kept_s", "LONGEST"])
def test_of_older_or_long_questions_the_database_is_asked(
    client, from_database, monkeypatch, limit
):
    async def scenario(engine, turn):
        if limit == "kept_s":
            monkeypatch.setattr(asked._kept, "kept_s", -1)
        await engine.ends(END)
        await opened(client, turn).task
        assert from_database == [turn.pk]

    run(scenario, asking(client, "x" * (asked.LONGEST + 1 if limit == "LONGEST" else 1)))


def archives(boss):
    endpoints.archive(boss, make_endpoint("H800"), is_archived=True)


def removes(boss):
    actions.remove_source(boss, permit_source("https://h800.example/v1", "endpoint").pk)


def renews_a_key(boss):
    keep = {"purpose": "engine", "endpoints": ["http://192.0.2.7/v1"]}
    actions.keep_secret(boss, "API_KEY", "token-abc123", **keep)


def deletes_a_key(boss):
    keep_secret("API_KEY", "token-abc123", purpose="engine")
    actions.delete_secret(boss, "API_KEY")


@pytest.mark.parametrize("changes", [archives, removes, renews_a_key, deletes_a_key])
def test_a_change_of_an_engine_or_its_key_ends_what_is_kept(client, changes):
    asking(client)("http://127.0.0.1:1")
    pk = Turn.objects.get().pk
    assert asked._kept.get(pk)

    changes(User.objects.create_superuser("boss"))

    assert not asked._kept.get(pk)


def leaves(client):
    """The cookie of the ended session stays with who had it."""
    before = client.cookies.copy()
    client.post("/logout/")
    client.cookies = before


def demotes(_client):
    boss = User.objects.create_superuser("boss")
    actions.set_active(boss, User.objects.get(username="lin"), active=False)


def deletes(client):
    client.post(f"/playground/{Turn.objects.get().conversation_id}/delete/")


@pytest.mark.parametrize(("changes", "status"), [(leaves, 403), (demotes, 403), (deletes, 404)])
def test_a_change_of_rights_or_a_removal_ends_what_is_kept(client, from_database, changes, status):
    async def scenario(engine, turn):
        await sync_to_async(changes)(client)
        browser = opened(client, turn)
        await browser.task
        assert (browser.status, engine.requests) == (status, [])

    is_there = nullcontext() if changes is not deletes else pytest.raises(Turn.DoesNotExist)
    with is_there:
        run(scenario, asking(client))
    assert len(from_database) == 1


def test_what_was_read_before_a_change_of_rights_is_not_kept(client, from_database, monkeypatch):
    add_turn = services.add_turn

    def slow(*args, **more):
        listeners.check_soon()
        return add_turn(*args, **more)

    monkeypatch.setattr(services, "add_turn", slow)

    async def scenario(engine, turn):
        await engine.ends(END)
        await opened(client, turn).task

    turn = run(scenario, asking(client))
    assert from_database == [turn.pk]


def test_a_right_that_another_process_withdrew_ends_a_second_after_the_start(
    client, from_database, monkeypatch
):
    monkeypatch.setattr(listeners, "CHECK_S", 3600)
    monkeypatch.setattr(relay, "CHECK_KEPT_S", 0.01)

    async def scenario(engine, turn):
        await sync_to_async(User.objects.update)(is_active=False)
        browser = opened(client, turn)
        await browser.task  # the engine says nothing
        assert (browser.body, from_database) == (b"", [])
        await engine.ends(END)
        await turns.running(turn.pk).task

    run(scenario, asking(client))


def test_neither_another_login_nor_another_site_has_what_was_kept(client, from_database):
    other = Client()
    other.force_login(User.objects.create_user("wang"))

    async def scenario(engine, turn):
        stranger = opened(other, turn)
        await stranger.task
        assert (stranger.status, from_database) == (404, [turn.pk])

        site = opened(client, turn, headers=[(b"origin", b"https://evil.example")])
        await site.task
        assert (site.status, engine.requests, from_database) == (403, [], [turn.pk])

    run(scenario, asking(client))


def test_a_turn_that_another_process_refused_is_not_started(client, from_database):
    async def scenario(engine, turn):
        await turns.refuse(turn.pk, "chat:not-ready", {})
        browser = opened(client, turn)
        await browser.task
        assert (browser.body, engine.requests, from_database) == (b"", [], [])

    assert run(scenario, asking(client)).stats == {"error_id": "chat:not-ready"}


def test_a_stopped_turn_is_not_started_by_what_was_kept(client, from_database):
    async def scenario(engine, turn):
        await opened(client, turn, "stop").task
        browser = opened(client, turn)
        await browser.task
        assert (browser.body, engine.requests) == (b"", [])
        assert from_database == [turn.pk]  # by the stop

    assert run(scenario, asking(client)).state == "stopped"
