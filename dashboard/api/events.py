"""Server-sent events of a job: its states, its log, and hints of new points."""

import asyncio
import codecs
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from ninja import Query

from dashboard.api.base import Asked, Json, Offset, Operations, Refused, about, to_json
from dashboard.api.jobs import job_answer
from dashboard.api.waiting import PAUSE_S, Dismissed, Listening, Waiting, as_asked, news_for, of_job
from dashboard.consumers import Notification, broadcaster
from dashboard.security.listeners import Login, TooManyError
from dashboard.server.json_errors import gone
from jobs.base.errors import DamagedLog
from jobs.base.numbers import number_from
from jobs.logstore.hub import data_begins
from jobs.models import Job

logger = logging.getLogger(__name__)
events = Operations("Jobs")
MOST_HELD = 8  # events that a slow reader leaves with us
_STREAM = {
    "description": "Events",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
Put = Callable[[bytes], Awaitable[None]]


class EventsAsked(Asked):
    """Events of a job."""

    log_from: Offset = about("first byte of the log to send; without it no log", None)


@events.on("GET jobs/{int:job_id}/events", "job.view", "api-job-events", None, 410, shown=_STREAM)
def follow_job(request: HttpRequest, job_id: int, query: Query[EventsAsked]) -> HttpResponseBase:
    """Follow a job. Server-sent events: ``job`` has the job, at first and after each change;
    ``log`` the next part of the log as ``from``, ``to`` (bytes) and ``text``; ``points`` says that
    there are new points; the last is ``end``, when the job has ended and all was sent, or
    ``error``. The id of a ``log`` event is the byte after it: the log of a reader that comes back
    with ``Last-Event-ID`` goes on from there."""
    job = get_object_or_404(Job, pk=job_id)
    if job.removed_at is not None:
        raise Refused(gone(job))
    start = number_from(request.headers.get("Last-Event-ID", ""))
    if start is None:
        start = query.log_from
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return HttpResponse(content_type="text/event-stream", headers=headers)
    login = Login.of(request.session, request.user)
    pieces = _events(login, job_id, as_asked(lambda: job_answer(job_id)), start)
    answer = Waiting(pieces, content_type="text/event-stream", headers=headers)
    # The log of an ended job is a download.
    answer.takes_slot = start is not None and not job.is_open
    return answer


def _event(name: str, data: Json, at: int | None = None) -> bytes:
    number = b"" if at is None else b"id: %d\n" % at
    return b"%sevent: %s\ndata: %s\n\n" % (number, name.encode(), to_json(data))


async def _events(
    login: Login, job_id: int, read: Callable[[], Json], start: int | None
) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes] = asyncio.Queue(MOST_HELD)
    try:
        async with news_for(login, "job.view") as news:
            work = asyncio.create_task(_follow(news, job_id, read, start, queue.put))
            try:
                while not (work.done() and queue.empty()):
                    if piece := await _next(queue, work, news.dismissed):
                        yield piece
                work.result()
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
    except TooManyError:
        yield _event("error", {"error": "too_many"})
    except Dismissed:
        yield _event("error", {"error": "forbidden"})
    except DatabaseError:
        logger.exception("events of job %s end", job_id)
        yield _event("error", {"error": "internal"})
    except (RuntimeError, DamagedLog):
        yield _event("error", {"error": "log"})
    else:
        yield _event("end", {})


async def _next(
    queue: asyncio.Queue[bytes], work: asyncio.Task[None], dismissed: asyncio.Future[int]
) -> bytes:
    """Return the next event, b"" at the end of ``work``. Raises ``Dismissed``, also before events
    that a slow reader has left."""
    getting = asyncio.create_task(queue.get())
    first: set[asyncio.Future[Any]] = {getting, work, dismissed}
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if dismissed.done():
            raise Dismissed
        return getting.result() if getting.done() else b""
    finally:
        getting.cancel()


async def _follow(
    news: Listening, job_id: int, read: Callable[[], Json], start: int | None, put: Put
) -> None:
    parts = [asyncio.create_task(_states(news, job_id, read, put))]
    if start is not None:
        parts.append(asyncio.create_task(_log(f"job/{job_id}", start, put)))
    try:
        await asyncio.gather(*parts)
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


async def _states(news: Listening, job_id: int, read: Callable[[], Json], put: Put) -> None:
    again, concerns, shown = database_sync_to_async(read), of_job(job_id), None

    def has_points(one: Notification) -> bool:
        return one["type"] == "points" and one.get("job") == job_id

    while True:
        answer = await again()
        if answer != shown:
            await put(_event("job", answer))
            shown = answer
        if answer["state"] not in Job.OPEN_STATES:
            return
        found = await news.take(PAUSE_S, lambda one: concerns(one) or has_points(one))
        if any(map(has_points, found)):
            await put(_event("points", {}))
        if not found:
            await put(b": waits\n\n")


async def _log(key: str, start: int, put: Put) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    begin = end = start
    frames = broadcaster().hub.follow(key, start)
    async with aclosing(frames):
        async for message in frames:
            data = message[data_begins(message) :]
            text, end = decoder.decode(data), end + len(data)
            # A letter that is cut at the end of a frame comes with the next one.
            to = end - len(decoder.getstate()[0])
            if text:
                await put(_event("log", {"from": begin, "to": to, "text": text}, at=to))
                begin = to
    if begin < end:
        text = decoder.decode(b"", final=True)
        await put(_event("log", {"from": begin, "to": end, "text": text}, at=end))
