"""Listeners of those who lose access are dismissed."""

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from dashboard.security import listeners as module
from dashboard.security.listeners import (
    FORBIDDEN,
    LOGGED_OUT,
    Login,
    TooManyError,
    refusals,
    session_guard,
)
from jobs.access.accounts import set_role
from jobs.models import Account, ApiToken
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def logged_in(user):
    """A browser, and its session as a request has it: loaded."""
    client = Client()
    client.force_login(user)
    session = client.session
    session.keys()
    return client, session


def listening(scenario):
    async def limited():
        async with asyncio.timeout(20):
            return await scenario()

    return async_to_sync(limited)()


def refused_after(change, *, action="overview.view", **fields):
    """Close codes of a listener after ``change``."""
    user = make_user(**fields)
    client, session = logged_in(user)

    async def scenario():
        listener = session_guard().enter(Login.of(session, user), action)
        before = await sync_to_async(refusals)([listener])
        await sync_to_async(change)(user, client)
        after = await sync_to_async(refusals)([listener])
        session_guard().leave(listener)
        return before.get(listener), after.get(listener)

    return listening(scenario)


def lock_out(user, client):
    User.objects.filter(pk=user.pk).update(is_active=False)


def change_password(user, client):
    user.set_password("another one")
    user.save()


def log_out(user, client):
    client.post(reverse("logout"))


def let_expire(user, client):
    Session.objects.update(expire_date=now() - timedelta(seconds=1))


@pytest.mark.parametrize(
    "change", [lock_out, change_password, log_out, let_expire, lambda user, client: user.delete()]
)
def test_who_is_not_logged_in_any_more_is_sent_away(change):
    assert refused_after(change) == (None, LOGGED_OUT)


def revoke(token):
    token.delete()


def let_token_expire(token):
    ApiToken.objects.update(expires_at=now())


def lock_out_its_owner(token):
    lock_out(token.user, None)


@pytest.mark.parametrize("change", [revoke, let_token_expire, lock_out_its_owner])
def test_a_token_that_ends_ends_its_listener_although_its_owner_is_logged_in(change):
    user = make_user()
    _client, session = logged_in(user)
    token = ApiToken.objects.create(user=user, name="t", token_sha256="a" * 64, scope="read")

    async def scenario():
        caller = token.caller(user)
        reads = session_guard().enter(Login.of(session, caller), "job.view")
        launches = session_guard().enter(Login.of(session, caller), "job.launch")
        before = await sync_to_async(refusals)([reads, launches])
        await sync_to_async(change)(token)
        after = await sync_to_async(refusals)([reads])
        session_guard().leave(reads)
        session_guard().leave(launches)
        return before, after[reads], launches

    before, code, launches = listening(scenario)
    assert before == {launches: FORBIDDEN}
    assert code == LOGGED_OUT


def test_who_loses_a_right_is_sent_away_from_what_it_was_for():
    def make_member(user, client):
        make_user(is_staff=True)  # the last one cannot be lowered
        set_role(user, Account.Role.MEMBER)

    assert refused_after(make_member, action="user.manage", is_staff=True) == (None, FORBIDDEN)
    assert refused_after(make_member, action="job.view", is_staff=True) == (None, None)


def test_who_becomes_a_viewer_may_go_on_reading_only():
    def make_viewer(user, client):
        set_role(user, Account.Role.VIEWER)

    assert refused_after(make_viewer, action="job.launch") == (None, FORBIDDEN)
    assert refused_after(make_viewer, action="overview.view") == (None, None)


def test_a_look_costs_two_queries_however_many_listen(django_assert_num_queries):
    people = [make_user() for _ in range(3)]
    sessions = [(user, logged_in(user)[1]) for user in people for _ in range(2)]

    async def scenario():
        return [
            session_guard().enter(Login.of(session, user), "overview.view")
            for user, session in sessions
            for _ in range(3)
        ]

    listeners = listening(scenario)

    with django_assert_num_queries(2):
        assert refusals(listeners) == {}


@pytest.mark.parametrize("how", ["in time", "at once"])
def test_a_look_comes_in_time_and_at_once_after_a_logout_here(monkeypatch, how):
    monkeypatch.setattr(module, "CHECK_S", 0.05 if how == "in time" else 3600)
    user = make_user()
    (client, session), (_client, other) = logged_in(user), logged_in(user)
    key = session.session_key

    async def scenario():
        listener = session_guard().enter(Login.of(session, user), "overview.view")
        stays = session_guard().enter(Login.of(other, user), "overview.view")
        if how == "in time":
            await Session.objects.filter(session_key=key).adelete()
        else:
            await sync_to_async(log_out)(user, client)
        code = await listener.dismissed
        session_guard().leave(stays)
        return code, stays.dismissed.done()

    assert listening(scenario) == (LOGGED_OUT, False)


def test_no_user_is_logged_out_without_a_database(monkeypatch):
    monkeypatch.setattr(module, "CHECK_S", 0.01)
    user = make_user()
    client, session = logged_in(user)
    looks = []

    def look(listeners):
        looks.append(listeners)
        if len(looks) < 3:
            raise OperationalError("away")
        return refusals(listeners)

    monkeypatch.setattr(module, "refusals", look)

    async def scenario():
        listener = session_guard().enter(Login.of(session, user), "overview.view")
        while len(looks) < 2:
            await asyncio.sleep(0)
        still_here = not listener.dismissed.done()
        await sync_to_async(log_out)(user, client)
        return still_here, await listener.dismissed

    assert listening(scenario) == (True, LOGGED_OUT)


def test_a_person_has_a_limited_number_of_sockets(monkeypatch):
    monkeypatch.setattr(module, "MOST_OF_A_PERSON", 2)
    user, other = make_user(), make_user()
    session, other_session = logged_in(user)[1], logged_in(other)[1]

    async def scenario():
        guard = session_guard()
        entered = [guard.enter(Login.of(session, user), "overview.view") for _ in range(2)]
        with pytest.raises(TooManyError):
            guard.enter(Login.of(session, user), "overview.view")
        entered.append(guard.enter(Login.of(other_session, other), "overview.view"))
        guard.leave(entered[0])
        entered.append(guard.enter(Login.of(session, user), "overview.view"))
        for listener in entered:
            guard.leave(listener)

    listening(scenario)
