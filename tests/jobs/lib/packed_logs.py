"""Shared by tests of packed logs."""

import random
from pathlib import Path

from jobs.base.errors import OffsetMismatch
from jobs.logstore import LogStore
from jobs.logstore.packed import FRAME_BYTES

KEY = "job/17"


def noise(count: int, seed: int = 1) -> bytes:
    """Lines of which no two are the same, and no frame is packed like another."""
    chance = random.Random(seed)
    lines: list[bytes] = []
    while count > 0:
        lines.append(
            b"%d %s\n" % (len(lines), chance.randbytes(chance.randint(0, 60)).hex().encode())
        )
        count -= len(lines[-1])
    return b"".join(lines)[:count] if count else b"".join(lines)


def keep_packed(logs: LogStore, size: int = FRAME_BYTES) -> bytes:
    """Make a packed log of this size; return its bytes."""
    data = noise(size)
    logs.append(KEY, 0, data)
    assert logs.pack(KEY)
    return data


def replay(root: Path, data: bytes, seed: int) -> None:
    """Send as a host's shipper does, which keeps only the size in the last answer."""
    logs, chance, at = LogStore(root), random.Random(seed), 0
    while at < len(data):
        try:
            at = logs.append(KEY, at, data[at : at + chance.randint(1, 9000)])
        except OffsetMismatch as error:
            at = error.size


def names(logs: LogStore) -> list[str]:
    """Names of the files in the log's folder."""
    return sorted(path.name for path in logs.path(KEY).parent.iterdir())


def packed_file(logs: LogStore) -> Path:
    """Path of the packed log."""
    return logs.path(KEY).with_name("17.log.zst")
