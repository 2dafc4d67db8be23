"""Chunks of logs: their bytes, and the hosts that may send them. Django's view reads the rights of
a host; :mod:`dashboard.intake.logs` uses them for ``KEPT_S``."""

import hashlib
import zlib
from typing import NamedTuple

import zstandard

from dashboard.security.short_memory import ShortMemory
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
    """A host that may append to the log of ``owner``. ``proof``: of its key and token."""

    owner: Owner
    instance: str
    proof: bytes


_senders: ShortMemory[str, Sender] = ShortMemory(KEPT_S)


def remember(owner: Owner, instance: str, authorization: str, token: str, *, since: float) -> None:
    """Keep the sender of a log. ``since``: monotonic time before its rights were read."""
    sender = Sender(owner, instance, _proof(authorization, token))
    _senders.keep(owner.log_key, sender, since=since)


def recall(log_key: str, authorization: str, token: str) -> Sender | None:
    """Return the sender with exactly this key and token, if it was read within ``KEPT_S``."""
    sender = _senders.get(log_key)
    return sender if sender and sender.proof == _proof(authorization, token) else None


def forget(log_key: str) -> None:
    """Drop the sender of a log whose job has news."""
    _senders.take(log_key)


def _proof(authorization: str, token: str) -> bytes:
    return hashlib.sha256(f"{authorization}\0{token}".encode()).digest()
