"""Waiting for a state: an answer that comes once it is reached, from the event loop.

A caller who waits keeps an idle thread and no connection to the database. A withdrawn right ends
the wait within ``CHECK_S`` seconds. ``MOST_OF_A_PERSON`` limits waiting requests and sockets of a
person together. Both are constants of :mod:`dashboard.security.listeners`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from pydantic import Field

from dashboard.api.base import Asked, Json, Refused, to_json
from dashboard.consumers import Notification, broadcaster
from dashboard.security.listeners import Login, TooManyError, session_guard
from dashboard.server.downloads import Stream

logger = logging.getLogger(__name__)

MOST_WAIT_S = 300
PAUSE_S = 15.0  # a proxy ends a connection that is silent for longer
REST_S = 1.0  # between two reads: of a pipeline's jobs any may change
T = TypeVar("T")
Concerns = Callable[[Notification], bool]


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


@dataclass(frozen=True)
class Listening:
    """Notifications for one caller; ``dismissed`` is done when the caller has lost the right."""

    dismissed: asyncio.Future[int]
    inbox: Any

    async def take(self, within_s: float, concerns: Concerns) -> list[Notification]:
        """Wait for notifications that ``concerns`` holds for; none: the time has passed. Raises
        ``Dismissed``."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while (left_s := ends_at - loop.time()) > 0:
            taking = asyncio.create_task(self.inbox.take())
            either: set[asyncio.Future[Any]] = {taking, self.dismissed}
            try:
                await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if self.dismissed.done():
                    raise Dismissed
                if taking.done() and (news := [*filter(concerns, taking.result())]):
                    return news
            finally:
                taking.cancel()
        return []


@asynccontextmanager
async def news_for(login: Login, action: str, obj: Any = None) -> AsyncGenerator[Listening]:
    """Listen for a caller who may do ``action`` to ``obj``. Raises ``TooManyError``: the person
    listens too often."""
    listener, source = session_guard().enter(login, action, obj), broadcaster()
    inbox = source.join()
    try:
        yield Listening(listener.dismissed, inbox)
    finally:
        source.leave(inbox)
        session_guard().leave(listener)


def answer_when(
    request: HttpRequest,
    wait_s: int,
    action: str,
    read: Callable[[], Json],
    is_over: Callable[[Json], bool],
    concerns: Concerns,
    *,
    obj: Any = None,
    every_s: float | None = None,
) -> Json | HttpResponseBase:
    """Return ``read()``; with ``wait_s`` once ``is_over`` holds for it, or that time has passed.

    ``read`` is called again after a notification that ``concerns`` it, and after ``every_s``
    seconds, at most ``PAUSE_S``. ``obj``: of the right ``action``.
    """
    answer = read()
    if not wait_s or is_over(answer) or request.method != "GET":
        return answer
    refusal = {"error": "forbidden", "message": _("You have no permission to do this.")}
    pieces = _when(
        Login.of(request.session, request.user),
        action,
        wait_s,
        read=as_asked(_told(read)),
        is_over=is_over,
        concerns=concerns,
        refusal={**refusal, "fields": {}},
        obj=obj,
        every_s=PAUSE_S if every_s is None else every_s,
    )
    return Waiting(pieces, content_type="application/json", headers={"X-Accel-Buffering": "no"})


async def _when(
    login: Login,
    action: str,
    wait_s: float,
    *,
    read: Callable[[], Json],
    is_over: Callable[[Json], bool],
    concerns: Concerns,
    refusal: Json,
    obj: Any,
    every_s: float,
) -> AsyncIterator[bytes]:
    again, loop = database_sync_to_async(read), asyncio.get_running_loop()
    ends_at = loop.time() + wait_s
    try:
        async with news_for(login, action, obj) as news:
            while not _is_final(answer := await again(), is_over):
                left_s = ends_at - loop.time()
                if left_s <= 0:
                    break
                await asyncio.sleep(min(left_s, REST_S))
                if not await news.take(min(left_s, every_s) - REST_S, concerns):
                    yield b" "  # which JSON allows before it begins
    except TooManyError:
        await asyncio.sleep(min(wait_s, PAUSE_S))  # who asks again at once would ask for ever
        answer = await again()
    except Dismissed:
        answer = refusal
    yield to_json(answer)


def _is_final(answer: Json, is_over: Callable[[Json], bool]) -> bool:
    return "error" in answer or is_over(answer)


def _told(read: Callable[[], Json]) -> Callable[[], Json]:
    """Return ``read``, whose errors are answers: the status was sent before."""

    def run() -> Json:
        try:
            return read()
        except (Http404, Refused):  # removed meanwhile
            text = _("Not found: no object has this name or number.")
            return {"error": "missing", "message": text, "fields": {}}
        except DatabaseError:
            logger.exception("an answer that waited could not be read")
            text = _("Internal error. See the dashboard's log.")
            return {"error": "internal", "message": text, "fields": {}}

    return run


def as_asked(read: Callable[[], T]) -> Callable[[], T]:
    """Return ``read`` in the language and time zone of the request that runs now."""
    language, zone = translation.get_language(), timezone.get_current_timezone()

    def run() -> T:
        with translation.override(language), timezone.override(zone):
            return read()

    return run


def missed_or(concerns: Concerns) -> Concerns:
    """Return the condition that also holds when notifications may be lost."""
    return lambda one: one["type"] == "missed" or concerns(one)


def of_job(job_id: int) -> Concerns:
    return missed_or(lambda one: one["type"] == "job" and one.get("id") == job_id)


def of_nothing(one: Notification) -> bool:
    return False


def of_any_job(one: Notification) -> bool:
    return one["type"] in ("missed", "job")
