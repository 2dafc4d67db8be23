"""Chunks of logs: their bytes, and the hosts that may send them. Django's view reads the rights of
a host; :mod:`dashboard.intake.logs` uses them for ``KEPT_S``."""

import hashlib
import time
import zlib
from typing import NamedTuple

import zstandard

from jobs.base import bounds
from jobs.services.intake.streams import Owner

KEPT_S = 1.0


class BadChunk(Exception):
    """The bytes are too many, not zstd, or not those of the checksum: ``status``, ``error``."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


def unpacked(body: bytes, *, length: int, checksum: int) -> bytes:
    """The bytes of a chunk. ``length`` and ``checksum`` (CRC-32) are theirs. Raises BadChunk."""
    try:
        # Never more than the limit is unpacked, whatever size the frame claims to have.
        with zstandard.ZstdDecompressor().stream_reader(body) as reader:
            data = reader.read(bounds.CHUNK_BYTES + 1)
    except zstandard.ZstdError:
        raise BadChunk(422, "zstd") from None
    if len(data) > bounds.CHUNK_BYTES:
        raise BadChunk(413, "size")
    if length != len(data) or checksum != zlib.crc32(data):
        raise BadChunk(422, "crc32")
    return data


class Sender(NamedTuple):
    """A host that may append to the log of ``owner``, as read at ``since`` (monotonic)."""

    owner: Owner
    instance: str
    since: float


_senders: dict[bytes, Sender] = {}


def remember(sender: Sender, authorization: str, token: str) -> None:
    """Keep the sender, and drop those that are old: each holds the plan of its job."""
    for mark, other in list(_senders.items()):
        if _is_old(other):
            _senders.pop(mark, None)
    _senders[_mark(sender.owner.log_key, authorization, token)] = sender


def recall(log_key: str, authorization: str, token: str) -> Sender | None:
    """Return the sender with exactly this key and token, if it was read within ``KEPT_S``."""
    mark = _mark(log_key, authorization, token)
    sender = _senders.get(mark)
    if sender is None or not _is_old(sender):
        return sender
    _senders.pop(mark, None)
    return None


def forget(log_key: str) -> None:
    """Drop the senders of a log whose job has news."""
    for mark, sender in list(_senders.items()):
        if sender.owner.log_key == log_key:
            _senders.pop(mark, None)


def _is_old(sender: Sender) -> bool:
    return time.monotonic() - sender.since >= KEPT_S


def _mark(log_key: str, authorization: str, token: str) -> bytes:
    return hashlib.sha256("\0".join((log_key, authorization, token)).encode()).digest()
