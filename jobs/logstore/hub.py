"""One reader a log in a web process; what it reads is framed once for all who follow."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

MAX_FRAME_BYTES = 256 * 1024
OFFSET_BYTES = 8
# Frames that a reader keeps for those who are a little behind; the others read the file.
KEPT_FRAMES = 8
# Without any hint, a log is looked at this often.
POLL_S = 1.0


class Source(Protocol):
    """What the hub reads from; :class:`jobs.logstore.store.LogStore` is one."""

    def size(self, key: str) -> int:
        """Bytes there are."""

    def read(self, key: str, start: int, end: int) -> bytes:
        """Bytes from ``start`` up to ``end``."""


def frame(offset: int, data: bytes) -> bytes:
    """One message of a log socket: 8 bytes, big-endian, say where ``data`` begins."""
    return offset.to_bytes(OFFSET_BYTES, "big") + data


class Hub:
    """Follows logs for any number of subscribers of one event loop.

    ``is_over(key)`` says whether a log will get no more; it is asked once a poll for each log that
    is followed, however many follow it. A slow subscriber costs nothing but its own cursor.
    """

    def __init__(
        self, source: Source, is_over: Callable[[str], Awaitable[bool]], *, poll_s: float = POLL_S
    ) -> None:
        self._source = source
        self._is_over = is_over
        self._poll_s = poll_s
        self._readers: dict[str, _Reader] = {}

    def wake(self, key: str, *, ended: bool = False) -> None:
        """There may be more of this log, or its end. Only from the event loop's thread."""
        if reader := self._readers.get(key):
            reader.wake(ended=ended)

    def wake_all(self) -> None:
        """Hints were lost: look at everything that is followed."""
        for reader in self._readers.values():
            reader.wake(ended=True)

    @property
    def followed(self) -> frozenset[str]:
        """Keys of the logs that someone follows now."""
        return frozenset(self._readers)

    async def follow(self, key: str, offset: int) -> AsyncGenerator[bytes]:
        """Yield frames from ``offset`` on, without a gap; end when the log is over and all sent."""
        reader = self._join(key)
        try:
            while True:
                seen = reader.looks
                message = reader.frame_at(offset)
                if message is None and offset < reader.end:
                    data = await asyncio.to_thread(
                        self._source.read, key, offset, reader.next_edge(offset)
                    )
                    message = frame(offset, data) if data else None
                if message is not None:
                    yield message
                    offset += len(message) - OFFSET_BYTES
                elif reader.over and offset >= reader.end:
                    return
                else:
                    await reader.changed(seen)
        finally:
            self._leave(reader)

    def _join(self, key: str) -> _Reader:
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = _Reader(key, self._source, self._is_over, self._poll_s)
        reader.subscribers += 1
        return reader

    def _leave(self, reader: _Reader) -> None:
        reader.subscribers -= 1
        if reader.subscribers == 0:
            reader.stop()
            self._readers.pop(reader.key, None)


class _Reader:
    """Reads one log as it grows. ``end`` is how far it has seen."""

    def __init__(
        self,
        key: str,
        source: Source,
        is_over: Callable[[str], Awaitable[bool]],
        poll_s: float,
    ) -> None:
        self.key = key
        self.subscribers = 0
        self.looks = 0  # rises with each look, so that no change is slept through
        self.over = False
        self._woken = asyncio.Event()
        self._ask_at = 0.0  # when to ask again whether the log is over, by the loop's clock
        self._broken = False
        self._source = source
        self._is_over = is_over
        self._poll_s = poll_s
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=KEPT_FRAMES)
        self._condition = asyncio.Condition()
        # What is there when the first one joins is history: each reads it from the file.
        self.end = source.size(key)
        self._task = asyncio.create_task(self._run(), name=f"log {key}")

    def wake(self, *, ended: bool) -> None:
        """Look now; with ``ended``, ask as well whether the log is over."""
        if ended:
            self._ask_at = 0.0
        self._woken.set()

    def stop(self) -> None:
        """End the reading; nobody follows any more."""
        self._task.cancel()

    def frame_at(self, offset: int) -> bytes | None:
        """The shared frame that begins at ``offset``, if it is kept."""
        for start, message in self._frames:
            if start == offset:
                return message
        return None

    def next_edge(self, offset: int) -> int:
        """How far to read from the file at ``offset``, so as to meet the shared frames again."""
        edges = [start for start, _ in self._frames if start > offset]
        return min([offset + MAX_FRAME_BYTES, self.end, *edges])

    async def changed(self, seen: int) -> None:
        """Wait until the reader has looked again since look number ``seen``."""
        async with self._condition:
            await self._condition.wait_for(lambda: self.looks > seen or self._broken)
        if self._broken:
            raise RuntimeError(f"the reader of log {self.key} broke")

    async def _run(self) -> None:
        try:
            while True:
                self._woken.clear()
                await self._look()
                await self._notify()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._poll_s)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._broken = True  # the followers end, and come back to a new reader
            await self._notify()
            raise

    async def _look(self) -> None:
        over = self.over
        # Asked before the size: what arrived before the end is then surely seen.
        if (moment := asyncio.get_running_loop().time()) >= self._ask_at:
            self._ask_at = moment + self._poll_s
            over = await self._is_over(self.key)
        size = self._source.size(self.key)
        while self.end < size:
            # The newest bytes of a file are in memory: a thread would cost more than the read.
            data = self._source.read(self.key, self.end, min(size, self.end + MAX_FRAME_BYTES))
            if not data:
                break
            self._frames.append((self.end, frame(self.end, data)))
            self.end += len(data)
            await self._notify()
            await asyncio.sleep(0)  # let the followers take this frame while it is kept
        self.over = over and self.end >= size

    async def _notify(self) -> None:
        async with self._condition:
            self.looks += 1
            self._condition.notify_all()
