"""The command in the middle of a job: ``flood.py COUNTER GATE FIRST_MB LAST_MB LINES``.

It prints as fast as it is taken, then LINES in each twentieth of a second until the gate is open,
then fast again. COUNTER gets a line at its start and one at its end, so that a second run would be
seen. Standard library only.
"""

import os
import sys
import time
from pathlib import Path

COLOURS = ("\x1b[32mINFO\x1b[0m", "\x1b[33mWARN\x1b[0m", "完成", "\x1b[2K\r50%")
BLOCK_LINES = 2000


def main(counter: Path, gate: Path, first: int, last: int, lines: int) -> None:
    note(counter, f"start {os.getpid()}")
    number = print_bytes(0, first)
    while not gate.exists():
        number = print_lines(number, lines)
        time.sleep(0.05)
    print_bytes(number, last)
    note(counter, "end")


def note(counter: Path, line: str) -> None:
    with counter.open("a") as file:
        file.write(line + "\n")


def print_bytes(number: int, size: int) -> int:
    """Some ``size`` bytes; the number of the next line.

    A line counts as 80 and has 59 on average: of 8 MB and 2 MB that are asked for come 5.9 and
    1.5.
    """
    done = 0
    while done < size:
        before = number
        number = print_lines(number, BLOCK_LINES)
        done += 80 * (number - before)
    return number


def print_lines(number: int, count: int) -> int:
    lines = (
        f"{n:010d} {COLOURS[n % len(COLOURS)]} loss {n * 7919 % 100003} and words of no use in it\n"
        for n in range(number, number + count)
    )
    # No UTF-8: a log is bytes.
    data = "".join(lines).encode() + b"\xff\xfe raw\n"
    while data:
        data = data[os.write(1, data) :]
    return number + count


if __name__ == "__main__":
    first, last = (int(megabytes) * 1_000_000 for megabytes in sys.argv[3:5])
    main(Path(sys.argv[1]), Path(sys.argv[2]), first, last, int((*sys.argv, "2")[5]))
