"""Answers that are being made: one task a turn, in the web process that started it.

A turn lives on without its browser. Its raw stream is kept in the log store (``turn/<id>``), and
its end in memory for whoever watches; beside the file lie ``<id>.alive``, locked while the turn's
task lives, and ``<id>.stop``, which asks the process that has the task to end it. A turn
that is *streaming* in the database while nobody holds its lock is abandoned: its process was
killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from array import array
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.utils.timezone import now

from jobs.inference import CHAT_PATH, Reply, parse_reply
from jobs.logstore import store
from jobs.models import Conversation, Turn
from jobs.services.storable import storable, storable_text

CONNECT_TIMEOUT_S = 5.0
TURN_TIMEOUT_S = 3600.0
# Between two appends to a turn's file: each is a sync, and a hundred turns have one disk.
KEEP_S = 0.25
STOP_LOOK_S = 0.5  # how soon a stop is seen that was asked for in another process
# The longest answer that can be asked for, 131,072 tokens of about 300 bytes as events, is 40 MB.
# What goes on past this is no answer any more.
LONGEST_STREAM_BYTES = 64 * 1024 * 1024
# So much of what is in the file stays in memory too: who watches takes what is new from there, and
# who reads too slowly for that takes it from the file.
IN_MEMORY_BYTES = 256 * 1024
KEEP_BYTES = 512 * 1024  # in one append
# No token waits for the disk, until so much of a turn is not on it yet: thousands of tokens.
AHEAD_BYTES = 1024 * 1024


def key(turn_id: int) -> str:
    """The turn's name in the log store."""
    return f"turn/{turn_id}"


class TooLongError(Exception):
    """The engine has sent more than ``LONGEST_STREAM_BYTES``."""


class Running:
    """One turn in the making. ``raw`` is what came from byte ``begin`` on, what was before is in
    the file. What made it ``sizes[i]`` bytes came ``times[i]`` seconds after the start.
    """

    def __init__(self, turn_id: int, lock_fd: int) -> None:
        self.turn_id = turn_id
        self.raw = bytearray()
        self.begin = 0
        self.written = 0  # how far the file goes
        self.is_kept = True  # while somebody writes it
        self.sizes, self.times = array("Q"), array("d")  # an entry a token, in a tenth of a list
        self.http_status = 200
        self.started = time.monotonic()
        self.is_stopped = False
        self._complete = asyncio.Event()  # nothing more will come
        self.task: asyncio.Task[None] | None = None
        self.pump: asyncio.Task[None] | None = None
        self._news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lock_fd = lock_fd

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self.begin + len(self.raw)

    def piece(self, offset: int, most: int) -> bytes:
        """At most so many bytes from ``offset``, which is ``begin`` or behind it."""
        return bytes(self.raw[offset - self.begin : offset - self.begin + most])

    def forget(self, written: int) -> None:
        """The file has the first ``written`` bytes: of those only the last stay here."""
        self.written = written
        surplus = written - IN_MEMORY_BYTES - self.begin
        if surplus > IN_MEMORY_BYTES:  # seldom: it moves what stays
            del self.raw[:surplus]
            self.begin += surplus
        self.wake()  # there may be room

    async def room(self) -> None:
        """Wait while too much is not in the file yet: the engine waits then too."""
        while self.is_kept and self.size - self.written > AHEAD_BYTES:
            await asyncio.wait({self.news()})

    @property
    def is_complete(self) -> bool:
        """True when nothing more will come."""
        return self._complete.is_set()

    def complete(self) -> None:
        """All has come."""
        self._complete.set()
        self.wake()

    def add(self, chunk: bytes) -> None:
        """Take what the engine sent."""
        self.raw += chunk
        self.sizes.append(self.size)
        self.times.append(time.monotonic() - self.started)
        self.wake()

    def wake(self) -> None:
        """Tell everyone who waits for :meth:`news`."""
        self._news.set_result(None)
        self._news = asyncio.get_running_loop().create_future()

    def news(self) -> asyncio.Future[None]:
        """Done at the next change. Shared: wait by ``asyncio.wait``, which does not cancel it."""
        return self._news

    async def completed(self, *, within_s: float) -> None:
        """Wait until nothing more will come, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), within_s)

    def stop(self) -> None:
        """Close the connection to the engine, which ends its work."""
        self.is_stopped = True
        if self.pump is not None:
            self.pump.cancel()

    def release(self) -> None:
        """Let go of the turn's lock."""
        os.close(self._lock_fd)


_running: dict[int, Running] = {}
# One after the other: a stream and what is in it are some ten MB, and a hundred may end at once.
_parser = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turns")


def running(turn_id: int) -> Running | None:
    """The turn's task, when it is in this process."""
    return _running.get(turn_id)


def started(turn_id: int) -> float | None:
    """When its task in this process began, by the monotonic clock; None: there is none."""
    run = _running.get(turn_id)
    return run.started if run else None


def start(turn_id: int, url: str, body: dict[str, Any], *, api_key: str = "") -> Running | None:
    """Ask the engine at ``url``, once a turn. None: the turn was started before, or elsewhere.

    ``api_key``: what the engine wants to see with every request; "" where it wants none.
    """
    log = store().path(key(turn_id))
    log.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(log.with_suffix(".alive"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if os.fstat(fd).st_size:
        os.close(fd)
        return None
    os.write(fd, f"{os.getpid()}\n".encode())  # from now on the turn counts as started
    run = Running(turn_id, fd)
    _running[turn_id] = run
    run.pump = asyncio.create_task(_pump(run, url + CHAT_PATH, body, api_key))
    run.task = asyncio.create_task(_see_through(run, log))
    return run


def is_abandoned(turn_id: int) -> bool:
    """True when the turn was started and no process works on it."""
    try:
        fd = os.open(store().path(key(turn_id)).with_suffix(".alive"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return os.fstat(fd).st_size > 0
    finally:
        os.close(fd)


async def stop(turn_id: int) -> None:
    """End the turn's work; here at once, in another process within ``STOP_LOOK_S``."""
    run = _running.get(turn_id)
    if run is None:
        log = store().path(key(turn_id))
        log.parent.mkdir(parents=True, exist_ok=True)
        log.with_suffix(".stop").touch()
        return
    run.stop()
    if run.task is not None:
        await asyncio.wait({run.task})


async def close_abandoned(turn_id: int) -> None:
    """Give a turn without a process its end, from what was kept of it."""
    reply = await _parsed(turn_id)
    await _close(turn_id, Turn.State.FAILED, reply, {"error_id": "chat:interrupted"})


async def _parsed(turn_id: int, *, http_status: int = 200) -> Reply:
    """What the whole of a stream is. Other turns go on meanwhile: a long one takes seconds."""

    def parse() -> Reply:
        raw = store().read(key(turn_id), 0, store().size(key(turn_id)))
        return parse_reply(raw, http_status=http_status)

    return await asyncio.get_running_loop().run_in_executor(_parser, parse)


async def _pump(run: Running, url: str, body: dict[str, Any], api_key: str) -> None:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    timeout = aiohttp.ClientTimeout(total=TURN_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.post(url, json=body, headers=headers) as response,
    ):
        run.http_status = response.status
        async for chunk in response.content.iter_any():
            run.add(chunk)
            if run.size > LONGEST_STREAM_BYTES:
                raise TooLongError
            await run.room()


async def _see_through(run: Running, log: Path) -> None:
    """Keep what comes, watch for a stop from elsewhere, and close the turn at its end."""
    assert run.pump is not None
    writer = asyncio.create_task(_write(run))
    try:
        while not run.pump.done():
            await asyncio.wait({run.pump}, timeout=STOP_LOOK_S)
            if log.with_suffix(".stop").exists():
                run.stop()
        failure = _failure(run.pump)
        run.complete()
        await writer
        run.raw, run.begin = bytearray(), run.size  # the file has it all
        reply = await _parsed(run.turn_id, http_status=run.http_status)
        arrivals = list(zip(run.sizes, run.times, strict=True))
        stats = {**timings(reply, arrivals), **failure}
        await _close(run.turn_id, _state(run, reply, stats), reply, stats)
    finally:
        writer.cancel()
        del _running[run.turn_id]
        run.release()
        run.wake()


async def _write(run: Running) -> None:
    """Append what came to the turn's file, a quarter of a second's together; at the end at once."""
    try:
        while True:
            if data := run.piece(run.written, KEEP_BYTES):
                name = key(run.turn_id)
                run.forget(await asyncio.to_thread(store().append, name, run.written, data))
                if len(data) < KEEP_BYTES:
                    await run.completed(within_s=KEEP_S)
            elif run.is_complete:
                return
            else:
                await asyncio.wait({run.news()})
    finally:
        run.is_kept = False  # where the disk is full, the turn comes to its end all the same
        run.wake()


def _failure(pump: asyncio.Task[None]) -> dict[str, Any]:
    """Why the connection to the engine broke, as stats; empty when it ended or was stopped."""
    if pump.cancelled():
        return {}
    error = pump.exception()
    if error is None:
        return {}
    if isinstance(error, aiohttp.ClientConnectorError):
        return {"error_id": "chat:unreachable", "error_detail": str(error)}
    if isinstance(error, TimeoutError):
        return {"error_id": "chat:timeout", "error_detail": ""}
    if isinstance(error, TooLongError):
        return {"error_id": "chat:too-long", "error_detail": ""}
    if isinstance(error, aiohttp.ClientError):
        return {"error_id": "chat:cut", "error_detail": str(error)}
    raise error


def _state(run: Running, reply: Reply, stats: dict[str, Any]) -> Turn.State:
    if run.is_stopped:
        return Turn.State.STOPPED
    if reply.error or "error_id" in stats:
        return Turn.State.FAILED
    if not reply.finish_reason:
        stats["error_id"] = "chat:cut"
        return Turn.State.FAILED
    return Turn.State.DONE


def timings(reply: Reply, arrivals: list[tuple[int, float]]) -> dict[str, Any]:
    """How fast a reply came, from when its bytes arrived; milliseconds, tokens a second.

    ``counted`` is True when the engine told no number of tokens (a stopped answer): its deltas were
    counted in place of it.
    """
    sizes = [size for size, _ in arrivals]

    def at(offset: int | None) -> float | None:
        if offset is None or not arrivals:
            return None
        return arrivals[min(bisect_right(sizes, offset), len(sizes) - 1)][1]

    first, answer, last = (
        at(reply.first_token_at),
        at(reply.first_answer_at),
        at(reply.last_token_at),
    )
    tokens = reply.completion_tokens or reply.deltas
    stats: dict[str, Any] = {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": tokens,
        "reasoning_tokens": reply.reasoning_tokens or 0,
        "answer_tokens": max(0, tokens - (reply.reasoning_tokens or 0)),
        "counted": reply.completion_tokens is None,
    }
    if first is not None and last is not None:
        stats["ttft_ms"] = first * 1000
        stats["total_ms"] = arrivals[-1][1] * 1000
        stats["thinking_ms"] = ((last if answer is None else answer) - first) * 1000
        if answer is not None:
            stats["first_answer_ms"] = answer * 1000
        if tokens > 1 and last > first:
            stats["tokens_per_s"] = (tokens - 1) / (last - first)
    return stats


@sync_to_async
def _close(turn_id: int, state: Turn.State, reply: Reply, stats: dict[str, Any]) -> None:
    close_old_connections()
    Turn.objects.filter(pk=turn_id, state=Turn.State.STREAMING).update(
        state=state,
        reasoning=storable_text(reply.reasoning),
        answer=storable_text(reply.answer),
        finish_reason=storable_text(reply.finish_reason)[:32],
        error=storable_text(reply.error or stats.pop("error_detail", "")),
        stats=storable(stats),
    )
    Conversation.objects.filter(turns=turn_id).update(updated_at=now())
