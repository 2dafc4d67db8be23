"""Answers that wait, in the event loop of a test."""

import asyncio
import json
from contextlib import suppress

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import Client, RequestFactory
from django.utils import translation

from dashboard.api import waiting
from dashboard.consumers import broadcaster
from dashboard.security.listeners import session_guard
from jobs.models import ApiToken
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def token():
    return ApiToken.objects.create(user=make_user("ada"), name="t", token_sha256="a" * 64)


@pytest.fixture
def waits(token, monkeypatch):
    """Wait with the token for what ``read`` returns; ``meanwhile`` runs beside it."""
    monkeypatch.setattr(waiting, "PAUSE_S", 0.2)
    monkeypatch.setattr(waiting, "REST_S", 0.0)
    request = RequestFactory().get("/")
    request.session, request.user = Client().session, token.caller(token.user)

    def run(read, meanwhile, wait_s=5):
        answer = waiting.answer_when(
            *(request, wait_s, "job.view", read),
            lambda found: found.get("over", False),
            waiting.of_job(7),
        )

        async def scenario():
            beside = asyncio.create_task(meanwhile())
            pieces = [piece async for piece in answer]
            beside.cancel()
            with suppress(asyncio.CancelledError):
                await beside
            return pieces

        pieces = async_to_sync(scenario)()
        return pieces[:-1], json.loads(pieces[-1])

    return run


async def foreign():
    """News of others all the time, as changes of hosts are."""
    while True:
        broadcaster()._send("host:va16", {"type": "host", "name": "va16"})
        await asyncio.sleep(0.01)


async def nothing():
    pass


def test_a_space_comes_although_others_have_news(waits):
    spaces, answer = waits(lambda: {"over": False}, foreign, wait_s=1)

    assert set(spaces) == {b" "}
    assert len(spaces) >= 2
    assert answer == {"over": False}


def test_the_last_answer_is_read_at_the_end(waits):
    reads = []

    def read():
        reads.append(1)
        return {"over": False, "reads": len(reads)}

    _spaces, answer = waits(read, foreign, wait_s=1)

    assert answer["reads"] == len(reads) > 2


def test_news_of_the_job_bring_the_answer(waits):
    states = [{"over": False}, {"over": False}, {"over": True}]

    async def of_the_job():
        await asyncio.sleep(0.05)
        broadcaster()._send("job:7", {"type": "job", "id": 7})

    _spaces, answer = waits(lambda: states.pop(0), of_the_job, wait_s=60)

    assert (answer, states) == ({"over": True}, [])


def test_a_right_that_is_lost_meanwhile_ends_the_wait_in_words(waits, token):
    async def withdraw():
        await asyncio.sleep(0.05)
        await sync_to_async(token.delete)()
        session_guard().check_soon()

    _spaces, answer = waits(lambda: {"over": False}, withdraw, wait_s=60)

    assert (answer["error"], answer["message"]) == (
        "forbidden",
        "You have no permission to do this.",
    )


def test_an_answer_that_waited_is_in_the_language_of_its_request(waits):
    with translation.override("zh-hans"):
        _spaces, answer = waits(
            lambda: {"over": False, "language": translation.get_language()}, nothing, wait_s=1
        )

    assert answer["language"] == "zh-hans"
