"""Prints LINES lines of 100 bytes at RATE a second, each with the monotonic time at its begin.

It prints one and waits for the file ``go``; see :mod:`tests.bench.rows.live_log_paced`.
"""

import os
import sys
import time
from pathlib import Path

LINE_BYTES = 100
TICK_S = 0.001


def line() -> bytes:
    """One line, printed now."""
    return (b"%020.9f " % time.monotonic()).ljust(LINE_BYTES - 1, b".") + b"\n"


if __name__ == "__main__":
    lines, rate = int(sys.argv[1]), int(sys.argv[2])
    os.write(1, line())
    while not Path("go").exists():
        time.sleep(0.02)
    began, done = time.monotonic(), 1
    while done < lines:
        due = min(lines, 1 + int((time.monotonic() - began) * rate))
        for _ in range(due - done):
            os.write(1, line())
        done = max(done, due)
        time.sleep(TICK_S)
    Path("ready.json").write_text('{"seconds": 0}')
