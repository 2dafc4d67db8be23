"""Server-sent events of a job: its states, its log, and hints of new points."""

import asyncio
import codecs
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from ninja import Query

from dashboard.api.base import Asked, Json, Offset, Operations, Refused, about, to_json
from dashboard.api.jobs import job_answer
from dashboard.api.waiting import PAUSE_S, Dismissed, Take, Waiting, as_asked, news_for, of_job
from dashboard.consumers import Login, TooManyError, broadcaster
from dashboard.server.json_errors import gone
from jobs.base.errors import DamagedLog
from jobs.base.numbers import number_from
from jobs.logstore.hub import data_begins
from jobs.models import Job

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
    there are new points; ``end`` is the last, when the job has ended and all was sent. The id of an
    event is the byte of the log after it: a reader that comes back with ``Last-Event-ID`` misses
    none."""
    job = get_object_or_404(Job, pk=job_id)
    if job.removed_at is not None:
        raise Refused(gone(job))
    start = number_from(request.headers.get("Last-Event-ID", ""))
    if start is None:
        start = query.log_from
    login = Login.of(request.session, request.user)
    pieces = _events(login, job_id, as_asked(lambda: job_answer(job_id)), start)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Waiting(pieces, content_type="text/event-stream", headers=headers)


def _event(name: str, data: Json, at: int | None = None) -> bytes:
    number = b"" if at is None else b"id: %d\n" % at
    return b"%sevent: %s\ndata: %s\n\n" % (number, name.encode(), to_json(data))


async def _events(
    login: Login, job_id: int, read: Callable[[], Json], start: int | None
) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes] = asyncio.Queue(MOST_HELD)
    work = asyncio.create_task(_follow(login, job_id, read, start, queue.put))
    try:
        while not (work.done() and queue.empty()):
            getting = asyncio.create_task(queue.get())
            await asyncio.wait({getting, work}, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()
        work.result()
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def _follow(
    login: Login, job_id: int, read: Callable[[], Json], start: int | None, put: Put
) -> None:
    parts: list[asyncio.Task[None]] = []
    try:
        async with news_for(login, "job.view") as take:
            parts.append(asyncio.create_task(_states(take, job_id, read, put)))
            if start is not None:
                parts.append(asyncio.create_task(_log(f"job/{job_id}", start, put)))
            await asyncio.gather(*parts)
    except TooManyError:
        await put(_event("error", {"error": "too_many"}))
    except Dismissed:
        await put(_event("error", {"error": "forbidden"}))
    except (RuntimeError, DamagedLog):
        await put(_event("error", {"error": "log"}))
    else:
        await put(_event("end", {}))
    finally:
        for part in parts:
            part.cancel()


async def _states(take: Take, job_id: int, read: Callable[[], Json], put: Put) -> None:
    again, concerns, shown = database_sync_to_async(read), of_job(job_id), None
    while True:
        answer = await again()
        if answer != shown:
            await put(_event("job", answer))
            shown = answer
        if answer["state"] not in Job.OPEN_STATES:
            return
        is_news = False
        while not is_news:
            news: list[dict[str, Any]] = await take(PAUSE_S)
            if any(one["type"] == "points" and one.get("job") == job_id for one in news):
                await put(_event("points", {}))
            if not news:
                await put(b": waits\n\n")
            is_news = not news or any(map(concerns, news))


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
