"""Answers that are being made: one task a turn, in the web process that started it.

A turn lives on without its browser. Its raw stream is kept in the log store (``turn/<id>``), and
its end in memory for whoever watches; beside the file lie ``<id>.alive``, locked while the turn's
task lives, and ``<id>.stop``, which asks the process that has the task to end it. A turn
that is *streaming* in the database while nobody holds its lock is abandoned: its process was
killed.
"""

import asyncio
import contextlib
import logging
import os
import time
from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import close_old_connections

from dashboard.chat.engines import Call, Engine, NotCallable, resolved
from jobs.base import bounds
from jobs.base.files import is_locked, take_lock
from jobs.base.numbers import number_from
from jobs.base.sanitize import sanitize, sanitize_text
from jobs.completions import Reply, TooLarge, parse_kept
from jobs.confined import SHORT, NotDone, Pool, Task
from jobs.logstore import store
from jobs.metrics.measured import token_shares
from jobs.models import Turn
from jobs.services.chat import close_turn, note_answering, note_silent
from jobs.services.intake.quotas import DiskReserved, check_disk

logger = logging.getLogger(__name__)

# Between two appends to a turn's file: each is a sync, and a hundred turns have one disk.
KEEP_S = 0.25
STOP_LOOK_S = 0.5  # interval of looking for a stop requested in another process
# Bytes that stay in memory although the file has them: pages that follow the stream read them here,
# slower ones from the file.
IN_MEMORY_BYTES = 256 * 1024
KEEP_BYTES = 512 * 1024  # in one append
# Tokens wait for the disk only when so many bytes are not on it yet: thousands of tokens.
AHEAD_BYTES = 1024 * 1024


class RunningTurn:
    """One running turn. ``raw`` has the stream from byte ``begin`` on; earlier bytes are in the
    file. The stream reached ``sizes[i]`` bytes ``times[i]`` seconds after the start."""

    def __init__(self, turn_id: int, lock_fd: int, *, expected: bool) -> None:
        self.turn_id = turn_id
        self.expected = expected  # the model thinks before it answers
        self.raw = bytearray()
        self.begin = 0
        self.written = 0  # how far the file goes
        self.is_kept = True  # while another task writes it
        self.sizes, self.times = array("Q"), array("d")  # an entry a token, in a tenth of a list
        self.http_status, self.retry_after = 200, ""
        self.started = time.monotonic()
        self.is_stopped = False
        self.complete = asyncio.Event()  # nothing more will come
        self.task: asyncio.Task[None] | None = None
        self.pump: asyncio.Task[None] | None = None
        self._news = asyncio.Event()  # set for a moment by each change
        self.lock_fd = lock_fd

    @property
    def size(self) -> int:
        return self.begin + len(self.raw)

    def piece(self, offset: int, most: int) -> bytes:
        """Return at most ``most`` bytes from ``offset``, which is ``begin`` or behind it."""
        return bytes(self.raw[offset - self.begin : offset - self.begin + most])

    def forget(self, written: int) -> None:
        """Drop bytes from memory that the file has; the last ``IN_MEMORY_BYTES`` stay."""
        self.written = written
        surplus = written - IN_MEMORY_BYTES - self.begin
        if surplus > IN_MEMORY_BYTES:  # seldom: it moves what stays
            del self.raw[:surplus]
            self.begin += surplus
        self.wake()  # there may be room

    @property
    def is_ahead(self) -> bool:
        return self.is_kept and self.size - self.written > AHEAD_BYTES

    async def wait_for_disk(self) -> None:
        """Wait while too many bytes are not in the file yet; the engine then waits, too."""
        while self.is_ahead:
            await self.news()

    def add(self, chunk: bytes) -> None:
        self.raw += chunk
        self.sizes.append(self.size)
        self.times.append(time.monotonic() - self.started)
        self.wake()

    def wake(self) -> None:
        self._news.set()
        self._news.clear()

    async def news(self) -> None:
        await self._news.wait()

    def stop(self) -> None:
        """Close the connection to the engine, which ends its work."""
        self.is_stopped = True
        if self.pump is not None:
            self.pump.cancel()


_running: dict[int, RunningTurn] = {}
# Readers of long answers: as many threads as workers, so that none waits in vain.
_READERS = 2
_PARSE = Task("jobs.completions:parse_kept", Reply, Pool(SHORT.limits, _READERS))
_readers = ThreadPoolExecutor(_READERS, thread_name_prefix="turns")


def running(turn_id: int) -> RunningTurn | None:
    return _running.get(turn_id)


async def times_at(turn_id: int, offsets: Sequence[int]) -> list[float | None]:
    """Return seconds from the turn's start to the byte behind each offset; None if unknown. Of a
    turn that has ended, or that another process makes, to a quarter of a second: from the times of
    its file."""
    if run := _running.get(turn_id):
        return [time_at(offset, run.sizes, run.times) for offset in offsets]

    def on_disk() -> list[float | None]:
        since = began(turn_id)
        if since is None:
            return [None] * len(offsets)
        return [of(offset, since) for offset in offsets]

    def of(offset: int, since: float) -> float | None:
        entries = store().arrivals(key(turn_id), offset, offset + 1, limit=1)
        return max(0.0, entries[0][1] / 1000 - since) if entries else None

    return await asyncio.to_thread(on_disk)


def age(turn_id: int) -> float | None:
    """Return seconds since the turn's start, in any process; None: not started."""
    if run := _running.get(turn_id):
        return time.monotonic() - run.started
    since = began(turn_id)
    return None if since is None else max(0.0, time.time() - since)


async def begin(
    turn_id: int, call: Call | NotCallable, body: dict[str, Any], *, expected: bool = False
) -> None:
    """Look the engine's name up, then :func:`start` the turn. A turn whose engine may not be called
    ends with the reason."""
    try:
        if isinstance(call, NotCallable):
            raise call
        found = await resolved(call)
        if found is call or await _is_open(turn_id):  # a lookup takes seconds: the chat may be gone
            start(turn_id, found, body, expected=expected)
    except NotCallable as refused:
        await refuse(turn_id, refused.id, refused.message_args)
    except Exception:
        await refuse(turn_id, "chat:broken", {})
        raise


@sync_to_async
def _is_open(turn_id: int) -> bool:
    close_old_connections()
    return Turn.objects.filter(pk=turn_id, state=Turn.State.STREAMING).exists()


@async_to_sync
async def begin_from_view(
    turn_id: int, call: Call | NotCallable, body: dict[str, Any], *, expected: bool = False
) -> None:
    """:func:`begin` from the thread of a view. The turn outlives the request: its tasks get an
    empty context, because that of a request leads them to the request's own thread."""
    starting = begin(turn_id, call, body, expected=expected)
    await asyncio.shield(asyncio.create_task(starting, context=Context()))


def start(
    turn_id: int, call: Call, body: dict[str, Any], *, expected: bool = False
) -> RunningTurn | None:
    """Send the turn to its engine, once. None: it was already started, maybe elsewhere, or stopped
    while its engine's name was looked up. ``expected``: the model thinks before it answers."""
    log = _log_of(turn_id)
    fd = take_lock(log.with_suffix(".alive"))
    if fd is None:
        return None
    if os.fstat(fd).st_size or log.with_suffix(".stop").exists():
        os.close(fd)
        return None
    os.write(fd, f"{os.getpid()}\n".encode())  # from now on the turn counts as started
    run = RunningTurn(turn_id, fd, expected=expected)
    _running[turn_id] = run
    engine = Engine(call, str(body.get("model", "")))
    run.pump = asyncio.create_task(engine.chat(body, run))
    run.task = asyncio.create_task(_run_to_end(run, engine, log))
    return run


async def stop(turn_id: int, *, expected: bool = False) -> None:
    """End the turn's work, in another process within ``STOP_LOOK_S``; an orphan's from its
    stream."""
    if run := _running.get(turn_id):
        run.stop()
        if run.task is not None:
            await asyncio.wait({run.task})
        return
    _log_of(turn_id).with_suffix(".stop").touch()
    if not is_running(turn_id):
        reply, unread = await _parsed(turn_id, expected=expected)
        await _close(turn_id, _stopped(reply, unread), reply, unread)


async def close_abandoned(turn_id: int, *, expected: bool = False) -> None:
    """End a turn without a process, with the part of its stream that was kept."""
    reply, unread = await _parsed(turn_id, expected=expected)
    await _close(turn_id, Turn.State.FAILED, reply, {"error_id": "chat:interrupted"} | unread)


def _stopped(reply: Reply, unread: Mapping[str, Any]) -> Turn.State:
    """Return the state of a turn that a person stopped: failed, if nothing of it can be read."""
    is_empty = not (reply.answer or reply.reasoning or reply.tool_calls)
    return Turn.State.FAILED if unread and is_empty else Turn.State.STOPPED


async def refuse(turn_id: int, error_id: str, args: Mapping[str, str]) -> None:
    """End a turn that cannot start, with the message ``error_id``. No process starts it then."""
    if began(turn_id) is None and not is_running(turn_id):
        _log_of(turn_id).with_suffix(".stop").touch()
        stats = {"error_id": error_id, **({"error_args": args} if args else {})}
        await _close(turn_id, Turn.State.FAILED, Reply(), stats)


async def _parsed(
    turn_id: int, *, http_status: int = 200, expected: bool = False
) -> tuple[Reply, dict[str, Any]]:
    """Return a whole stream's statistics, with the reason if it is unread. Other turns go on."""
    name = key(turn_id)
    is_long = store().size(name) > bounds.READ_HERE_BYTES
    threads, parse = (_readers, _PARSE) if is_long else (None, parse_kept)
    loop = asyncio.get_running_loop()
    try:
        reply = await loop.run_in_executor(threads, parse, name, http_status, expected)
    except NotDone as error:
        return Reply(), {"error_id": error.message.id, "error_args": error.message.args}
    except TooLarge as error:
        return Reply(), {"error_id": str(error), "error_args": error.args_for_people}
    except Exception as error:  # a turn must end, whatever its engine said; its stream is kept
        logger.exception("turn %s: stream cannot be read", turn_id)
        return Reply(), {"error_id": "chat:unreadable", "error_detail": repr(error)[:200]}
    too_long = {"error_id": "chat:long-text", "error_args": {"count": f"{bounds.ANSWER_CHARS:,}"}}
    return reply, too_long if reply.is_cut else {}


async def _run_to_end(run: RunningTurn, engine: Engine, log: Path) -> None:
    """Store the stream, stop when another process requests it, and end the turn."""
    assert run.pump is not None  # noqa: S101 -- for mypy
    writer = asyncio.create_task(_write(run))
    try:
        while not run.pump.done():
            await asyncio.wait({run.pump}, timeout=STOP_LOOK_S)
            if log.with_suffix(".stop").exists():
                run.stop()
        error = None if run.pump.cancelled() else run.pump.exception()
        failure = engine.failure(error) if error else {}
        run.complete.set()
        run.wake()
        try:
            await writer
        except (OSError, DiskReserved) as problem:
            failure |= {"error_id": "chat:not-kept", "error_detail": str(problem)}
        run.raw, run.begin = bytearray(), run.size  # the file has it all
        reply, unread = await _parsed(
            run.turn_id, http_status=run.http_status, expected=run.expected
        )
        # Also where several pieces had a part of the key each.
        reply = replace(
            reply,
            reasoning=engine.without_key(reply.reasoning),
            answer=engine.without_key(reply.answer),
            tool_calls=tuple(
                call._replace(arguments=engine.without_key(call.arguments))
                for call in reply.tool_calls
            ),
            error=engine.without_key(reply.error),
        )
        measured = await _measured(engine, reply)
        figures = stats(reply, run.sizes, run.times, measured=measured)
        figures |= _refusal(run, reply) | unread | failure
        state = Turn.State.DONE
        if run.is_stopped:
            state = _stopped(reply, unread)
        elif reply.error or "error_id" in figures:
            state = Turn.State.FAILED
        elif not reply.is_whole:
            state, figures["error_id"] = Turn.State.FAILED, "chat:cut"
        await _close(
            run.turn_id, state, reply, figures, url=engine.url, was_silent=engine.was_silent
        )
    finally:
        writer.cancel()
        del _running[run.turn_id]
        os.close(run.lock_fd)
        run.wake()


def _refusal(run: RunningTurn, reply: Reply) -> dict[str, Any]:
    """Return why an engine gave no answer, beside its own text, as stats of the turn."""
    status = run.http_status
    if reply.is_page:
        return {"error_id": "chat:page"}
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        seconds = number_from(run.retry_after)
        name, args = (
            ("chat:busy", {}) if seconds is None else ("chat:busy-for", {"seconds": seconds})
        )
        return {"error_id": name, "error_args": {"status": status, **args}}
    if status < HTTPStatus.BAD_REQUEST or reply.error.startswith(f"HTTP {status}"):
        return {}
    return {"error_id": "chat:status", "error_args": {"status": status}}


async def _write(run: RunningTurn) -> None:
    """Append what came to the turn's file, a quarter of a second's together; at the end at once.
    The first bytes wait, too: turns that start together do not write while they start."""

    def append(data: bytes) -> int:
        check_disk()
        return store().append(key(run.turn_id), run.written, data)

    try:
        while True:
            if run.size - run.written < KEEP_BYTES and not run.complete.is_set():
                if run.size == run.written:
                    await run.news()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(run.complete.wait(), KEEP_S)
            if data := run.piece(run.written, KEEP_BYTES):
                run.forget(await asyncio.to_thread(append, data))
            elif run.complete.is_set():
                return
    finally:
        run.is_kept = False  # on a full disk, the turn still ends
        run.wake()


async def _measured(engine: Engine, reply: Reply) -> tuple[int, int] | None:
    """Tokens of thought and answer by the engine's tokenizer; None: not needed, or it has none."""
    # Only the tokenizer knows how the engine's total is shared.
    is_needed = shares(reply)[2] and reply.completion_tokens is not None
    if not is_needed or len(reply.reasoning) + len(reply.answer) > bounds.TOKENIZED_CHARS:
        return None
    counts = await engine.tokens(reply.reasoning, reply.answer)
    return (counts[0], counts[1]) if counts and all(counts) else None


@sync_to_async
def _close(
    turn_id: int,
    state: Turn.State,
    reply: Reply,
    figures: Mapping[str, Any],
    *,
    url: str = "",
    was_silent: bool = False,
) -> None:
    close_old_connections()
    kept = dict(figures)
    error = reply.error or kept.pop("error_detail", "")
    close_turn(
        turn_id,
        state=state,
        reasoning=sanitize_text(reply.reasoning),
        answer=sanitize_text(reply.answer),
        tool_calls=sanitize([call._asdict() for call in reply.tool_calls]),
        finish_reason=sanitize_text(reply.finish_reason)[:32],
        error=sanitize_text(error),
        stats=sanitize(kept),
    )
    if kept.get("error_id") == "chat:unreachable":
        note_silent(url, sanitize_text(error))
    elif was_silent and state == Turn.State.DONE:
        note_answering(url)


def key(turn_id: int) -> str:
    return f"turn/{turn_id}"


def _log_of(turn_id: int) -> Path:
    """Return the turn's file, whose folder then exists."""
    log = store().path(key(turn_id))
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def began(turn_id: int) -> float | None:
    """Return the turn's start in seconds since the epoch; None: not started."""
    try:
        stat = store().path(key(turn_id)).with_suffix(".alive").stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime if stat.st_size else None


def is_running(turn_id: int) -> bool:
    return bool(is_locked(store().path(key(turn_id)).with_suffix(".alive")))


def is_abandoned(turn_id: int) -> bool:
    """True when the turn was started and no process works on it."""
    # In this order: a turn is locked before it counts as started.
    return began(turn_id) is not None and not is_running(turn_id)


# Tokens that no piece shows: of the end, and of a think tag that the engine takes out.
SILENT_TOKENS = 3


def time_at(offset: int, sizes: Sequence[int], times: Sequence[float]) -> float | None:
    """Return the arrival time of the byte behind ``offset``: ``sizes[i]`` bytes at ``times[i]``."""
    if not sizes:
        return None
    return times[min(bisect_right(sizes, offset), len(sizes) - 1)]


def shares(
    reply: Reply, measured: tuple[int, int] | None = None
) -> tuple[int | None, int | None, bool]:
    """Tokens of thought and of answer, and True where they are estimated. The engine's own counts,
    else one token a piece where that comes to its total, else its total shared as its tokenizer
    ``measured`` both texts, else shared by their lengths. An engine without a total has its pieces
    counted, which may be of several tokens each."""
    total, pieces = reply.completion_tokens, reply.deltas
    if total is None:
        if not pieces:
            return None, None, True
        return reply.reasoning_deltas, pieces - reply.reasoning_deltas, True
    counted = reply.reasoning_tokens
    if counted is None and pieces <= total <= pieces + SILENT_TOKENS:
        counted = reply.reasoning_deltas
    lengths = len(reply.reasoning), len(reply.answer)
    return token_shares(total, lengths, counted=counted, measured=measured)


def stats(
    reply: Reply,
    sizes: Sequence[int],
    times: Sequence[float],
    *,
    measured: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Times in milliseconds, tokens, and tokens a second of a reply. ``counted``: the engine
    returned no number of tokens (a stopped answer), and pieces were counted in place of it.
    ``estimated``: so were the shares of thought and answer."""
    thought, answer_tokens, estimated = shares(reply, measured)
    tokens = reply.completion_tokens or reply.deltas
    figures: dict[str, Any] = {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": tokens,
        "reasoning_tokens": thought or 0,
        "answer_tokens": answer_tokens or 0,
        "counted": reply.completion_tokens is None,
        "estimated": estimated,
    }
    told = {
        name: getattr(reply, name)
        for name in ("cached_tokens", "queue_ms", "prefill_ms", "decode_ms")
    }
    figures |= {name: value for name, value in told.items() if value is not None}
    if times and reply.answer and not reply.deltas:  # one object, all at once
        figures["total_ms"] = times[-1] * 1000
    if reply.first_token_at is None or reply.last_token_at is None or not times:
        return figures
    first = time_at(reply.first_token_at, sizes, times) or 0.0
    last = time_at(reply.last_token_at, sizes, times) or first
    answer = None
    if reply.first_answer_at is not None:
        answer = time_at(reply.first_answer_at, sizes, times)
        figures["first_answer_ms"] = (answer or first) * 1000
    figures["ttft_ms"] = first * 1000
    figures["total_ms"] = times[-1] * 1000
    figures["thinking_ms"] = ((last if answer is None else answer) - first) * 1000
    if reply.deltas > 1 and last > first:
        # The first piece had come when the clock of the rate began, with its share of the tokens.
        figures["tokens_per_s"] = tokens * (1 - 1 / reply.deltas) / (last - first)
    return figures
