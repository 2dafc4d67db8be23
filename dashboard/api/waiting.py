"""Waiting for a state: an answer that comes once it is reached, from the event loop.

A caller who waits holds no thread. Who loses the right meanwhile is told within
``dashboard.consumers.CHECK_S`` seconds. A person may wait as often as they may have sockets.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation
from pydantic import Field

from dashboard.api.base import Asked, Json, to_json
from dashboard.consumers import Login, Notification, TooManyError, broadcaster, session_guard
from dashboard.server.downloads import Stream

MOST_WAIT_S = 300
PAUSE_S = 15.0  # a proxy ends a connection that is silent for longer
T = TypeVar("T")
Take = Callable[[float], Awaitable[list[Notification]]]


class WaitAsked(Asked):
    """Query of what may be waited for."""

    wait: int = Field(
        0,
        ge=0,
        le=MOST_WAIT_S,
        description="seconds: the answer comes at the end of the job, or after this time",
    )


class Waiting(Stream):
    """A stream that carries little, and takes no slot of a download."""

    takes_slot = False


class Dismissed(Exception):
    """The caller may listen no more."""


@asynccontextmanager
async def news_for(login: Login, action: str) -> AsyncGenerator[Take]:
    """Give a function that waits for notifications, at most so many seconds.

    It raises ``Dismissed`` when the caller has lost the right to ``action``. Raises
    ``TooManyError``: the person listens too often.
    """
    listener, source = session_guard().enter(login, action), broadcaster()
    inbox = source.join()

    async def take(within_s: float) -> list[Notification]:
        taking = asyncio.create_task(inbox.take())
        either: set[asyncio.Future[Any]] = {taking, listener.dismissed}
        await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if listener.dismissed.done() or not taking.done():
            taking.cancel()
        if listener.dismissed.done():
            raise Dismissed
        return taking.result() if taking.done() else []

    try:
        yield take
    finally:
        source.leave(inbox)
        session_guard().leave(listener)


def answer_when(
    request: HttpRequest,
    wait_s: int,
    action: str,
    read: Callable[[], Json],
    is_over: Callable[[Json], bool],
    concerns: Callable[[Notification], bool],
) -> Json | HttpResponseBase:
    """Return ``read()``; with ``wait_s`` once ``is_over`` holds for it, or that time has passed.

    ``read`` is called again after a notification that ``concerns`` it.
    """
    answer = read()
    if not wait_s or is_over(answer) or request.method != "GET":
        return answer
    login = Login.of(request.session, request.user)
    pieces = _when(login, action, wait_s, as_asked(read), is_over, concerns)
    return Waiting(pieces, content_type="application/json", headers={"X-Accel-Buffering": "no"})


async def _when(
    login: Login,
    action: str,
    wait_s: float,
    read: Callable[[], Json],
    is_over: Callable[[Json], bool],
    concerns: Callable[[Notification], bool],
) -> AsyncIterator[bytes]:
    again = database_sync_to_async(read)
    ends_at = asyncio.get_running_loop().time() + wait_s
    try:
        async with news_for(login, action) as take:
            while not is_over(answer := await again()):
                is_news = False
                while not is_news and (left_s := ends_at - asyncio.get_running_loop().time()) > 0:
                    news = await take(min(left_s, PAUSE_S))
                    is_news = any(map(concerns, news))
                    if not news:
                        yield b" "  # which JSON allows before it begins
                        is_news = True
                if not is_news:
                    break
    except Dismissed:
        yield to_json({"error": "forbidden", "message": "", "fields": {}})
    except TooManyError:
        yield to_json(await again())
    else:
        yield to_json(answer)


def as_asked(read: Callable[[], T]) -> Callable[[], T]:
    """Return ``read`` in the language and time zone of now, for the time after the request."""
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def run() -> T:
        with translation.override(language), timezone.override(zone):
            return read()

    return run


def missed_or(concerns: Callable[[Notification], bool]) -> Callable[[Notification], bool]:
    """Return the condition that also holds when notifications may be lost."""
    return lambda one: one["type"] == "missed" or concerns(one)


def of_job(job_id: int) -> Callable[[Notification], bool]:
    return missed_or(lambda one: one["type"] == "job" and one.get("id") == job_id)


def of_any_job(one: Notification) -> bool:
    return one["type"] in ("missed", "job")
