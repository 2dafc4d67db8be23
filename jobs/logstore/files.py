"""The files of a log, and its bytes wherever they are: in a raw file or in a packed one.

==================  ==========================================================================
``N.log``           the raw log; counts while it has bytes, whatever else there is
``N.log.zst``       the packed log; counts where no raw one does
``N.lines``         its line index
``N.times``         when its bytes arrived
==================  ==========================================================================

So one takes the other's place in one moment, and in no moment is there no log. Packing and
unpacking are safe at any kill: the file is written beside the log, synced, and takes its place by
one rename. One that a killed process left there is written anew. Where a raw and a packed log both
exist the raw one counts, so the raw one goes last and comes first.

Packed logs are in the zstd seekable format, version 0.1.0 of ``contrib/seekable_format`` of zstd.
Independent frames of 256 KiB of the log each, with a checksum, and behind them a table of their
sizes in a frame that every decoder skips: ``zstd -dc FILE`` prints the log. A read decompresses
the frames that it touches. What does not fit together is a :class:`jobs.base.errors.DamagedLog`.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import struct
import sys
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import zstandard

from jobs.base.errors import DamagedLog, OffsetMismatch
from jobs.base.files import opened, sync_folder

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


BESIDE = (".lines", ".times")
# All files of one log, in an order in which they can be removed one by one: a packed log that is
# stale goes before the raw one. The last two are of a turn of a chat.
SUFFIXES = (".log.zst.new", ".log.zst", ".log.new", ".log", *BESIDE, ".alive", ".stop")
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RawLog:
    """A file that holds a log as it is. ``size`` is what it had when it was opened."""

    fd: int
    size: int

    def pread(self, count: int, offset: int) -> bytes:
        """Fewer than ``count`` bytes where the file ends."""
        return os.pread(self.fd, count, offset)


Log = RawLog | PackedLog


def packed_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.zst")


@contextmanager
def open_log(path: Path) -> Iterator[Log | None]:
    """None while the log has no bytes. Raises DamagedLog: it is packed, and its file is not as it
    was written."""
    with ExitStack() as held:
        log: Log | None = _open_raw(path)
        if log is None:
            with suppress(FileNotFoundError):
                log = held.enter_context(open_packed(packed_path(path)))
        # The last look is for one that was unpacked just before the second.
        log = log or _open_raw(path)
        if isinstance(log, RawLog):
            held.callback(os.close, log.fd)
        yield log


def _open_raw(path: Path) -> RawLog | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if size := os.fstat(fd).st_size:
        return RawLog(fd, size)
    os.close(fd)
    return None


def log_bytes(path: Path) -> int:
    with suppress(FileNotFoundError):  # no raw log: a packed one counts
        if size := path.stat().st_size:
            return size
    with open_log(path) as log:
        return log.size if log else 0


def _is_at(fd: int, path: Path) -> bool:
    """Return True if ``path`` still names the file that is open as ``fd``."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path, *, create: bool = True) -> Iterator[int | None]:
    """Yield a locked descriptor; None without a file. Who waited for a lock finds that another file
    has taken the place of the first, and waits anew."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        try:
            fd = os.open(path, flags, 0o640)
        except FileNotFoundError:
            if create:
                raise
            yield None
            return
        try:
            # Each open has a lock of its own, so this holds between threads too.
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_at(fd, path):
                yield fd
                return
        finally:
            os.close(fd)


def pack(path: Path, *, sha256: str = "") -> bool:
    """Pack the raw log at ``path``, which must have the SHA-256 ``sha256``, where that is known.
    False, with nothing changed: no raw log, another process packs it, it has grown meanwhile, or a
    checksum differs, which is logged. Raises OSError: the disk is full or broken; all is as it
    was."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(fd).st_size
        with _draft_of(path) as draft:
            return size > 0 and draft is not None and _pack(path, fd, size, draft, sha256)
    finally:
        os.close(fd)


def _pack(path: Path, raw_fd: int, size: int, draft: Path, sha256: str) -> bool:
    with draft.open("wb") as file:
        digest = write_packed(raw_fd, size, file.fileno())
        os.fsync(file.fileno())
        # Then the check reads from the disk, and no useful page leaves the cache.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if sha256 and digest != sha256:
        logger.error("%s is not packed: its SHA-256 is %s, not %s", path, digest, sha256)
        return False
    if (kept := _sha256_of(draft)) != digest:
        logger.error(
            "%s is not packed: the written file has SHA-256 %s, not %s", path, kept, digest
        )
        return False
    # No append from here on: a waiting writer finds that the file has gone.
    fcntl.flock(raw_fd, fcntl.LOCK_EX)
    if not _is_at(raw_fd, path) or os.fstat(raw_fd).st_size != size:
        return False
    draft.replace(packed_path(path))
    sync_folder(path.parent)
    path.unlink()
    return True


@contextmanager
def _draft_of(path: Path) -> Iterator[Path | None]:
    """Yield the path to write the packed log to; None while another process does."""
    draft = path.with_name(f"{packed_path(path).name}.new")
    with opened(draft, os.O_RDWR | os.O_CREAT, 0o640) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        if not _is_at(fd, draft):  # it has just become the packed log
            yield None
            return
        try:
            yield draft
        finally:
            if _is_at(fd, draft):
                draft.unlink()


def _sha256_of(packed: Path) -> str:
    """Of the log in a packed file; the error of an unreadable one."""
    digest, offset = hashlib.sha256(), 0
    try:
        with open_packed(packed) as log:
            while piece := log.pread(AT_ONCE_BYTES, offset):
                digest.update(piece)
                offset += len(piece)
    except DamagedLog as error:
        return str(error)
    return digest.hexdigest()


@contextmanager
def open_to_append(path: Path, offset: int) -> Iterator[int]:
    """The raw log of ``path``, locked; a packed one is unpacked, if it ends at ``offset``. Raises
    OffsetMismatch: it is packed, and ends elsewhere. Raises DamagedLog."""
    while True:
        with locked(path) as fd:
            assert fd is not None  # noqa: S101 -- for mypy
            if os.fstat(fd).st_size or not packed_path(path).exists():
                yield fd
                return
            _unpack(path, offset)


def _unpack(path: Path, offset: int) -> None:
    """Put the raw log in the place of the empty file at ``path``, which the caller has locked."""
    draft = path.with_name(f"{path.name}.new")
    try:
        with open_packed(packed_path(path)) as log:
            if log.size != offset:
                raise OffsetMismatch(log.size)
            with draft.open("wb") as file:
                done = 0
                while piece := log.pread(AT_ONCE_BYTES, done):
                    if piece.count(0) < len(piece):  # what a host gave back takes no disk here
                        file.seek(done)
                        file.write(piece)  # all of it, or an error
                    done += len(piece)
                file.truncate(done)
                os.fsync(file.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        path.unlink()
        raise
    draft.replace(path)
    sync_folder(path.parent)
    packed_path(path).unlink(missing_ok=True)  # the log may be removed at this moment


BLOCK_BYTES = 64 * 1024
ENTRY_BYTES = 8
COUNT_AT_ONCE = 16 * BLOCK_BYTES
# Numbers are objects while they are sorted: five times what the entries themselves take.
CHECKED_AT_ONCE = 16 * 1024
KEPT_INDEXES = 16  # of 120 KiB for each gigabyte
# Whole ones, in order. A page asks three times for each stretch of lines.
_known: Recent[Which, array[int]] = Recent(KEPT_INDEXES)

ARRIVAL = struct.Struct("<QQ")  # offset in the log, milliseconds since the epoch
# Within this time of the last entry no further one is stored. With a longer time, lines with their
# own time would seem to have arrived before they were printed.
RESOLUTION_MS = 100
NEWEST = 32  # entries that are read at once: some seconds of a log that never rests


class LineIndex:
    """``<log>.lines``: entry ``i`` (unsigned, 8 bytes) counts the newlines before byte ``(i + 1) *
    BLOCK_BYTES``. It can always be made again from the log, and is when it is short."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".lines")

    def extend(self, log: Log) -> None:
        """Add what is missing. The caller holds the log's lock. An append costs the same however
        long the log is: the entries before its last two are not checked here but by their
        readers."""
        with opened(self._path, os.O_RDWR | os.O_CREAT, 0o640) as fd:
            count = min(os.fstat(fd).st_size // ENTRY_BYTES, log.size // BLOCK_BYTES)
            raw = [
                os.pread(fd, ENTRY_BYTES, number * ENTRY_BYTES) if number >= 0 else b""
                for number in (count - 2, count - 1)
            ]
            before, last = (int.from_bytes(one, sys.byteorder) for one in raw)
            if last < max(1, before):  # a torn or zeroed end
                known = self._load(log.size)
                count, last = len(known), known[-1] if known else 0
            _write(fd, log, count, last)

    def counts(self, log: Log, known: int = 0) -> list[int]:
        """All entries from number ``known`` on. Makes the missing ones, and keeps them."""
        return self._whole(log)[known:].tolist()

    def line_at(self, log: Log, offset: int) -> int:
        """From 1."""
        offset = min(offset, log.size)
        counts = self._whole(log) if offset >= BLOCK_BYTES else ()
        return _newlines_before(log, offset, counts) + 1

    def numbers(self, log: Log) -> Callable[[int], int]:
        """:meth:`line_at` of this log for many bytes: the index is read once."""
        counts = self._whole(log)
        return lambda offset: _newlines_before(log, offset, counts) + 1

    def offset_of_line(self, log: Log, n: int) -> int:
        """The size of the log if there is no such line."""
        if n <= 1:
            return 0
        counts = self._whole(log)
        # The newline that ends line n - 1 is the (n - 1)th: in the first block that counts so many.
        block = bisect_left(counts, n - 1)
        before = counts[block - 1] if block else 0
        data = log.pread(BLOCK_BYTES, block * BLOCK_BYTES)
        position = -1
        for _ in range(n - 1 - before):
            position = data.find(b"\n", position + 1)
            if position < 0:
                return log.size
        return min(log.size, block * BLOCK_BYTES + position + 1)

    def _whole(self, log: Log) -> array[int]:
        known = self._load(log.size)
        if len(known) < log.size // BLOCK_BYTES:
            fcntl.flock(log.fd, fcntl.LOCK_EX)
            try:
                if os.fstat(log.fd).st_nlink == 0:  # removed: the index would be another log's
                    return known + _count(log, len(known), known[-1] if known else 0)
                # As extend does, from the last entry that can be true.
                known = self._load(log.size)
                with opened(self._path, os.O_RDWR | os.O_CREAT, 0o640) as fd:
                    _write(fd, log, len(known), known[-1] if known else 0)
            finally:
                fcntl.flock(log.fd, fcntl.LOCK_UN)
            known = self._load(log.size)
        return known

    def _load(self, log_bytes: int) -> array[int]:
        """The entries on disk that can be true; a torn or zeroed end is left out."""
        try:
            file = which(self._path.stat())
            entries = _known.get(file)
            if entries is None:
                entries = _true_entries(self._path.read_bytes())
                if len(entries) * ENTRY_BYTES == file[-1]:
                    _known.keep(file, entries)
        except FileNotFoundError:
            return array("Q")
        return entries[: log_bytes // BLOCK_BYTES]


def _newlines_before(log: Log, offset: int, counts: Sequence[int]) -> int:
    block = offset // BLOCK_BYTES
    before = counts[block - 1] if block else 0
    return before + log.pread(offset - block * BLOCK_BYTES, block * BLOCK_BYTES).count(b"\n")


def _true_entries(raw: bytes) -> array[int]:
    entries: array[int] = array("Q")
    entries.frombytes(raw[: len(raw) // ENTRY_BYTES * ENTRY_BYTES])
    for start in range(0, len(entries), CHECKED_AT_ONCE):
        part = entries[max(0, start - 1) : start + CHECKED_AT_ONCE]
        if part != array("Q", sorted(part)):  # ten times faster than to look at each pair
            good = next(i for i in range(1, len(part)) if part[i] < part[i - 1])
            return entries[: max(0, start - 1) + good]
    return entries


def _write(fd: int, log: Log, count: int, before: int) -> None:
    """Make the entries of the index from number ``count`` on; ``before``: the one in front."""
    fresh = _count(log, count, before)
    os.ftruncate(fd, count * ENTRY_BYTES)
    os.pwrite(fd, fresh.tobytes(), count * ENTRY_BYTES)


def _count(log: Log, count: int, before: int) -> array[int]:
    """The entries after the first ``count``, of which ``before`` is the last."""
    fresh: array[int] = array("Q")
    total = before
    start = count * BLOCK_BYTES
    end = log.size // BLOCK_BYTES * BLOCK_BYTES
    while start < end:
        piece = log.pread(min(COUNT_AT_ONCE, end - start), start)
        if not piece:
            return fresh
        for i in range(0, len(piece) - BLOCK_BYTES + 1, BLOCK_BYTES):
            total += piece.count(b"\n", i, i + BLOCK_BYTES)
            fresh.append(total)
        start += len(piece) // BLOCK_BYTES * BLOCK_BYTES
    return fresh


class Arrivals:
    """``<log>.times``: from each entry's offset on, bytes arrived at its time or just after."""

    def __init__(self, log: Path) -> None:
        self._path = log.with_suffix(".times")

    def note(self, offset: int, *, at_ms: int) -> None:
        """Store that bytes from ``offset`` on arrived now. The caller holds the log's lock."""
        with opened(self._path, os.O_RDWR | os.O_CREAT, 0o640) as fd:
            whole = os.fstat(fd).st_size // ARRIVAL.size * ARRIVAL.size
            if whole:
                _, last_ms = ARRIVAL.unpack(os.pread(fd, ARRIVAL.size, whole - ARRIVAL.size))
                if 0 <= at_ms - last_ms < RESOLUTION_MS:
                    return
            os.pwrite(fd, ARRIVAL.pack(offset, at_ms), whole)  # over an entry that a kill tore

    def between(self, start: int, end: int, *, limit: int) -> list[tuple[int, int]]:
        """Entries for the bytes from ``start`` to ``end``, at most ``limit``, thinned evenly. Reads
        a few entries more than it returns: a log that grows for a week has a million."""
        with suppress(FileNotFoundError), opened(self._path, os.O_RDONLY) as fd:
            count = os.fstat(fd).st_size // ARRIVAL.size
            # Followers of a log request its newest bytes, thousands of times.
            tail = max(0, count - NEWEST)
            newest = _arrivals(fd, tail, count)

            def entry(number: int) -> tuple[int, int]:
                inside = number >= tail
                return newest[number - tail] if inside else _arrivals(fd, number, number + 1)[0]

            def offset_of(number: int) -> int:
                return entry(number)[0]

            known = tail if newest and newest[0][0] <= start else 0
            first = max(0, bisect_right(range(count), start, lo=known, key=offset_of) - 1)
            last = bisect_right(range(count), end, lo=first, key=offset_of)
            if last - first <= limit:
                return _arrivals(fd, first, last)
            return [entry(first + i * (last - first) // limit) for i in range(limit)]
        return []


def _arrivals(fd: int, first: int, last: int) -> list[tuple[int, int]]:
    raw = os.pread(fd, (last - first) * ARRIVAL.size, first * ARRIVAL.size)
    return [(offset, at_ms) for offset, at_ms in ARRIVAL.iter_unpack(raw)]
