"""Format of packed logs: the zstd seekable format, version 0.1.0 of ``contrib/seekable_format``.

Independent frames of 256 KiB of the log each, with a checksum, and behind them a table of their
sizes in a frame that every decoder skips: ``zstd -dc FILE`` prints the log. A read decompresses
the frames that it touches. What does not fit together is a :class:`jobs.base.errors.DamagedLog`.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from array import array
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import zstandard

from jobs.base.errors import DamagedLog
from jobs.base.files import opened

FRAME_BYTES = 256 * 1024
# Logs are words that come again and figures that do not: higher levels look for what is not there,
# and pack some of them worse (docs/decisions).
LEVEL = 1
AT_ONCE_BYTES = 4 * FRAME_BYTES
SKIPPABLE = struct.Struct("<II")  # magic number, bytes that follow
ENTRY = struct.Struct("<II")  # compressed bytes of a frame, raw bytes
FOOTER = struct.Struct("<IBI")  # frames, descriptor (bit 7: checksums in the table), magic number
SKIPPABLE_MAGIC = 0x184D2A5E
SEEKABLE_MAGIC = 0x8F92EAB1
HEADER_BYTES = 18  # of a zstd frame, at most
KEPT_TABLES = 64
KEPT_FRAMES = 16  # 4 MiB: what the views of a page look at one after the other

Which = tuple[int, int, int, int]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def which(stat: os.stat_result) -> Which:
    """Identity of a file, its size last; another file or other content has another."""
    return (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)


class Recent(Generic[Key, Value]):
    """The ``most`` values that were used last. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def keep(self, key: Key, value: Value) -> Value:
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class _Table(NamedTuple):
    """The end of each frame in the file, and the log's size."""

    ends: array[int]
    size: int


_tables: Recent[Which, _Table] = Recent(KEPT_TABLES)
_frames: Recent[tuple[Which, int], bytes] = Recent(KEPT_FRAMES)


class PackedLog:
    """A packed log that is open for reading; of one thread."""

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self._path = path
        self._which = which(os.fstat(fd))
        self._table = _tables.get(self._which) or _tables.keep(self._which, self._read_table())
        self._decompressor = zstandard.ZstdDecompressor()
        self.size = self._table.size

    def pread(self, count: int, offset: int) -> bytes:
        """Fewer than ``count`` bytes where the log ends."""
        end = min(offset + count, self.size)
        if offset >= end:
            return b""
        first, last = offset // FRAME_BYTES, (end - 1) // FRAME_BYTES
        if last - first < 2:
            # A small read is followed by the next soon: of the next line, or the frame's rest.
            frames = []
            for number in range(first, last + 1):
                key = (self._which, number)
                frame = _frames.get(key) or next(self._read_frames(number, number))
                frames.append(_frames.keep(key, frame))
        else:
            frames = list(self._read_frames(first, last))
        begin = first * FRAME_BYTES
        if first == last:
            return frames[0][offset - begin : end - begin]
        frames[0] = frames[0][offset - begin :]
        frames[-1] = frames[-1][: end - last * FRAME_BYTES]
        return b"".join(frames)

    def _read_frames(self, first: int, last: int) -> Iterator[bytes]:
        """These frames' bytes of the log, read from the disk at once."""
        ends = self._table.ends
        begin = ends[first - 1] if first else 0
        packed = memoryview(os.pread(self.fd, ends[last] - begin, begin))
        at = begin
        for number in range(first, last + 1):
            frame, at = packed[at - begin : ends[number] - begin], ends[number]
            wanted = min(FRAME_BYTES, self.size - number * FRAME_BYTES)
            # Checked first: the decoder allocates the size that a frame declares.
            if _content_size(frame) != wanted:
                raise self._damaged(f"frame {number} has another size than the table says")
            try:
                yield self._decompressor.decompress(frame, allow_extra_data=False)
            except zstandard.ZstdError as error:
                raise self._damaged(f"frame {number}: {error}") from error

    def _read_table(self) -> _Table:
        file_bytes = self._which[-1]
        footer = os.pread(self.fd, FOOTER.size, max(0, file_bytes - FOOTER.size))
        if len(footer) < FOOTER.size:
            raise self._damaged("it is too short")
        count, descriptor, magic = FOOTER.unpack(footer)
        content_bytes = count * ENTRY.size + FOOTER.size
        begin = file_bytes - content_bytes - SKIPPABLE.size
        if magic != SEEKABLE_MAGIC or descriptor != 0 or count == 0 or begin <= 0:
            raise self._damaged("the table of frames is missing at its end")
        raw = os.pread(self.fd, SKIPPABLE.size + count * ENTRY.size, begin)
        numbers = struct.unpack_from(f"<{2 * count}I", raw, SKIPPABLE.size)
        ends, sizes = array("Q", accumulate(numbers[::2])), numbers[1::2]
        if (
            SKIPPABLE.unpack_from(raw) != (SKIPPABLE_MAGIC, content_bytes)
            or ends[-1] != begin
            or any(size != FRAME_BYTES for size in sizes[:-1])
            or not 0 < sizes[-1] <= FRAME_BYTES
        ):
            raise self._damaged("the table of frames is invalid")
        # The log's size is known before any frame is read, and only the last frame's may be wrong.
        last = ends[-2] if count > 1 else 0
        if _content_size(os.pread(self.fd, HEADER_BYTES, last)) != sizes[-1]:
            raise self._damaged("its last frame has another size than the table says")
        return _Table(ends, (count - 1) * FRAME_BYTES + sizes[-1])

    def _damaged(self, why: str) -> DamagedLog:
        return DamagedLog(f"{self._path} is damaged: {why}", name=self._path.name)


def _content_size(frame: bytes | memoryview) -> int:
    try:
        return zstandard.frame_content_size(frame)
    except zstandard.ZstdError:
        return -1


@contextmanager
def open_packed(path: Path) -> Iterator[PackedLog]:
    """Raises DamagedLog: the file does not end in the table of a packed log. Raises
    FileNotFoundError."""
    with opened(path, os.O_RDONLY) as fd:
        yield PackedLog(fd, path)


def write_packed(raw_fd: int, size: int, packed_fd: int) -> str:
    """Pack the first ``size`` bytes of a file; the hex SHA-256 of what was read. Both C libraries
    let other threads work meanwhile."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    digest, entries, offset = hashlib.sha256(), [], 0
    while offset < size:
        piece = memoryview(os.pread(raw_fd, min(AT_ONCE_BYTES, size - offset), offset))
        if len(piece) == 0:
            break
        digest.update(piece)
        frames = []
        for start in range(0, len(piece), FRAME_BYTES):
            part = piece[start : start + FRAME_BYTES]
            frames.append(compressor.compress(part))
            entries.append(ENTRY.pack(len(frames[-1]), len(part)))
        _write_all(packed_fd, b"".join(frames))
        offset += len(piece)
    footer = FOOTER.pack(len(entries), 0, SEEKABLE_MAGIC)
    head = SKIPPABLE.pack(SKIPPABLE_MAGIC, len(entries) * ENTRY.size + FOOTER.size)
    _write_all(packed_fd, b"".join([head, *entries, footer]))
    return digest.hexdigest()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
