"""Commands of jobs that print: ``command.py print MEGABYTES WORK`` or ``tick LINES RATE``.

They leave ``ready.json``, see ``queue_jobs`` of :mod:`tests.bench.inside.orders`. Standard library
only.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BLOCK = 65536
LINE = b"2026-01-01 00:00:00 INFO step 123456 loss 0.12345 lr 1e-4 tokens 123456 it/s 12.3\n"
TICK_BYTES = 100
STAMP_BYTES = 20  # of them say when it was printed
TICK_S = 0.001


def print_blocks(megabytes: int, work: int) -> None:
    """Print blocks of 64 KiB, and work a while for each.

    A tool that prints as fast as it computes: what takes its processor away makes it slower.
    """
    block = (LINE * (BLOCK // len(LINE) + 1))[: BLOCK - 1] + b"\n"
    for _ in range(megabytes * 1_000_000 // BLOCK):
        for _ in range(work):
            hashlib.sha256(block).digest()
        os.write(1, block)


def tick(lines: int, rate: int) -> None:
    """Print lines of 100 bytes, ``rate`` a second.

    After the first one wait for the file ``go``.
    """
    os.write(1, line())
    while not Path("go").exists():
        time.sleep(0.02)
    for _ in paced(lines - 1, rate):
        os.write(1, line())


def paced(count: int, rate: int) -> Iterator[None]:
    """Yield ``count`` times, ``rate`` a second; without a pause where that many are late."""
    began, done = time.monotonic(), 0
    while done < count:
        due = min(count, int((time.monotonic() - began) * rate))
        for _ in range(due - done):
            yield
        done = max(done, due)
        time.sleep(TICK_S)


def line() -> bytes:
    """A line with the monotonic time at its begin."""
    return (b"%020.9f " % time.monotonic()).ljust(TICK_BYTES - 1, b".") + b"\n"


if __name__ == "__main__":
    {"print": print_blocks, "tick": tick}[sys.argv[1]](*map(int, sys.argv[2:]))
    Path("ready.json").write_text('{"seconds": 0}')
