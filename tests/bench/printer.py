"""Prints MEGABYTES of log lines in blocks of 64 KiB, and works a while for each: MEGABYTES WORK.

A tool that prints as fast as it computes: what takes its processor away makes it slower. It leaves
``ready.json``, see :mod:`tests.bench.inside.queue_jobs`.
"""

import hashlib
import os
import sys
from pathlib import Path

BLOCK = 65536
LINE = b"2026-01-01 00:00:00 INFO step 123456 loss 0.12345 lr 1e-4 tokens 123456 it/s 12.3\n"

if __name__ == "__main__":
    megabytes, work = int(sys.argv[1]), int(sys.argv[2])
    block = (LINE * (BLOCK // len(LINE) + 1))[: BLOCK - 1] + b"\n"
    for _ in range(megabytes * 1_000_000 // BLOCK):
        for _ in range(work):
            hashlib.sha256(block).digest()
        os.write(1, block)
    Path("ready.json").write_text('{"seconds": 0}')
