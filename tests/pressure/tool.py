"""The command of a job that prints too much: ``tool.py WHAT AMOUNT``.

It prints as fast as it is taken, and leaves ``ready.json``, by which its job counts as succeeded.
Standard library only.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MEGABYTE = 1_000_000
# Sequences that a terminal answers, obeys or breaks by: queries, titles, modes, 8-bit controls.
QUERIES = (
    b"\x1b[c\x1b[6n\x1b[>q\x1b]0;title\x07\x1b]52;c;aGVsbG8=\x07\x1bP$qm\x1b\\"
    b"\x1b[2J\x1b[H\x1b[?1049h\x9b31m\x9d0;t\x9c\x90q\x9c\x05\x0e\x0f"
)
MARKUP = b"<script>document.title='run'</script><img src=x onerror=document.title='run'>\n"


def flood(megabytes: int) -> Iterator[bytes]:
    """Lines of 100 bytes, no piece the same."""
    tail = b"loss 0.12345 lr 1e-4 tokens 123456 \x1b[32mit/s\x1b[0m 12.3 and words of no use\n"
    line = b"%s " + tail.rjust(83)
    body = b"".join(line % b"%016d" for _ in range(10_000))
    for number in range(megabytes):
        yield body % tuple(range(number * 10_000, (number + 1) * 10_000))


def line(megabytes: int) -> Iterator[bytes]:
    """One line, then usual ones."""
    yield b"before\n"
    for number in range(megabytes):
        yield (b"%08d" % number) * (MEGABYTE // 8)
    yield b"\n"
    for number in range(10_000):
        yield b"line %d after the long one\n" % number


def endless(megabytes: int) -> Iterator[bytes]:
    """A line that never ends: digits, in which a number might begin anywhere."""
    yield b"before\n"
    for _ in range(megabytes):
        yield b"0123456789" * (MEGABYTE // 10)


def garbage(megabytes: int) -> Iterator[bytes]:
    """Bytes of no meaning; now and then what means something to a terminal or to a browser."""
    for _ in range(megabytes):
        yield random.randbytes(MEGABYTE)
        yield QUERIES + MARKUP


def carriage_returns(thousands: int) -> Iterator[bytes]:
    """A bar that overwrites itself on one line, which ends after the last update."""
    for thousand in range(thousands):
        first = thousand * 1000
        yield b"".join(b"\rstep %10d |####    |" % n for n in range(first, first + 1000))
    yield b"\n"


def folds(thousands: int) -> Iterator[bytes]:
    """Rows that two lines draw, one over the other."""
    for thousand in range(thousands):
        first = thousand * 1000
        yield b"".join(
            b"bar %d begun\n\x1b[Abar %d has ended\n" % (n, n) for n in range(first, first + 1000)
        )


def ticks(lines: int) -> Iterator[bytes]:
    """A line every 100 ms that says when it was printed."""
    for _ in range(lines):
        yield b"at %.3f\n" % time.time()
        time.sleep(0.1)


def quiet(_amount: int) -> Iterator[bytes]:
    """One line."""
    yield b"another job\n"


WHAT = {
    each.__name__: each
    for each in (flood, line, endless, garbage, carriage_returns, folds, quiet, ticks)
}


def main(what: str, amount: int) -> None:
    for piece in WHAT[what](amount):
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view) :]
    Path("ready.json").write_text('{"seconds": 0}')


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
