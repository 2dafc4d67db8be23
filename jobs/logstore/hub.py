"""One reader per log in a web process; each part is framed once for all followers.

A frame is big-endian: the offset (8 bytes), how many times follow (4 bytes), each of them an offset
and milliseconds since the epoch (8 and 8 bytes), then the log's bytes to the end of the message.
Bytes from a time's offset on arrived then; the first of them holds for the first byte. No times:
unknown.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from jobs.logstore.store import LogStore

MAX_FRAME_BYTES = 256 * 1024
MOST_TIMES = 10_000
# Frames that a reader caches (4 MiB, and their times): followers that are a little behind, or catch
# up together, share them. Each read of the file serves all followers at that offset.
KEPT_FRAMES = 16
# Interval of checking a log without any notification.
POLL_S = 1.0
_HEAD = struct.Struct(">QI")
_TIME = struct.Struct(">QQ")
Time = tuple[int, int]


def frame(offset: int, times: Sequence[Time], data: bytes) -> bytes:
    packed_times = b"".join(_TIME.pack(*time) for time in times)
    return b"".join((_HEAD.pack(offset, len(times)), packed_times, data))


def data_begins(message: bytes | memoryview) -> int:
    """Offset in a message of the log's bytes."""
    count: int = _HEAD.unpack_from(message)[1]
    return _HEAD.size + count * _TIME.size


class Hub:
    """Follows logs for any number of subscribers of one event loop. ``is_over(key)``: the log will
    not grow; asked once per poll for each followed log, however many follow it. A slow subscriber
    costs nothing but its own cursor."""

    def __init__(
        self, source: LogStore, is_over: Callable[[str], Awaitable[bool]], *, poll_s: float = POLL_S
    ) -> None:
        self.source, self.is_over, self.poll_s = source, is_over, poll_s
        self._readers: dict[str, _Reader] = {}

    def wake(self, key: str, *, ended: bool = False) -> None:
        """Check this log for new bytes or its end. Only from the event loop's thread."""
        if reader := self._readers.get(key):
            reader.wake(ended=ended)

    def wake_all(self) -> None:
        """Notifications were lost: check all followed logs."""
        for reader in self._readers.values():
            reader.wake(ended=True)

    async def follow(self, key: str, offset: int) -> AsyncGenerator[bytes]:
        """Yield frames from ``offset`` on, without a gap; end when the log is over and all sent.
        Raises RuntimeError: the reader failed, or the log was removed; follow again."""
        reader = self._readers.get(key)
        if reader is None:
            reader = self._readers[key] = _Reader(key, self)
        reader.subscribers += 1
        try:
            while True:
                number = reader.looks
                if offset < reader.end and (message := await reader.frame_at(offset)):
                    yield message
                    offset += len(message) - data_begins(message)
                elif reader.over and offset >= reader.end:
                    return
                elif reader.over:
                    raise RuntimeError(f"log {key} was removed during reading")
                else:
                    await reader.changed(number)
        finally:
            reader.subscribers -= 1
            if reader.subscribers == 0:
                reader.task.cancel()
                self._readers.pop(key, None)


class _Reader:
    """Watch one log as it grows. ``end``: its size at the last check."""

    def __init__(self, key: str, hub: Hub) -> None:
        self._key, self._hub, self._source = key, hub, hub.source
        self.subscribers = 0
        self.looks = 0  # rises with each change, so that none is slept through
        self.over = False
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()  # of the next change; a new one after each
        self._ask_at = 0.0  # when to ask again whether the log is over, by the loop's clock
        self._broken = False
        self._frames: dict[int, bytes] = {}
        self._reading: dict[int, asyncio.Task[bytes]] = {}
        self.end = self._source.size(key)
        self.task = asyncio.create_task(self._run(), name=f"log {key}")

    def wake(self, *, ended: bool) -> None:
        """Check now; with ``ended``, also whether the log is over."""
        if ended:
            self._ask_at = 0.0
        self._woken.set()

    async def frame_at(self, offset: int) -> bytes:
        """The frame that begins at ``offset``, one for all followers; b"" where the file has become
        shorter. Frames end at multiples of ``MAX_FRAME_BYTES`` or at the end of the log, so that
        followers from other offsets share frames from the next of these edges on."""
        message = self._frames.get(offset)
        if message is not None:
            return message
        if self.end - offset <= MAX_FRAME_BYTES:
            # The newest bytes of a file are in memory: a thread would cost more than the read.
            return self._keep(offset, self._read(offset, self._edge(offset)))
        task = self._reading.get(offset)
        if task is None:
            task = self._reading[offset] = asyncio.create_task(self._read_apart(offset))
        return await asyncio.shield(task)  # one of those who wait may leave

    async def changed(self, number: int) -> None:
        """Wait until there was a change after number ``number``."""
        if self.looks == number and not self._broken:
            await self._changed.wait()
        if self._broken:
            raise RuntimeError(f"the reader of log {self._key} broke")

    def _edge(self, offset: int) -> int:
        return min(self.end, (offset // MAX_FRAME_BYTES + 1) * MAX_FRAME_BYTES)

    async def _read_apart(self, offset: int) -> bytes:
        try:
            end = self._edge(offset)
            return self._keep(offset, await asyncio.to_thread(self._read, offset, end))
        finally:
            del self._reading[offset]

    def _read(self, offset: int, end: int) -> bytes:
        data = self._source.read(self._key, offset, end)
        if not data:
            return b""
        last = offset + len(data) - 1
        times = self._source.arrivals(self._key, offset, last, limit=MOST_TIMES)
        return frame(offset, times, data)

    def _keep(self, offset: int, message: bytes) -> bytes:
        if message:
            if len(self._frames) >= KEPT_FRAMES:
                del self._frames[next(iter(self._frames))]
            self._frames[offset] = message
        return message

    async def _run(self) -> None:
        try:
            while True:
                self._woken.clear()
                over = self.over
                # Asked before the size: what arrived before the end is then surely seen.
                if (moment := asyncio.get_running_loop().time()) >= self._ask_at:
                    self._ask_at = moment + self._hub.poll_s
                    over = await self._hub.is_over(self._key)
                size = max(self.end, self._source.size(self._key))
                if (size, over) != (self.end, self.over):
                    self.end, self.over = size, over
                    self._notify()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._hub.poll_s)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._broken = True  # the followers end, and come back to a new reader
            self._notify()
            raise

    def _notify(self) -> None:
        self.looks += 1
        self._changed.set()
        self._changed = asyncio.Event()
