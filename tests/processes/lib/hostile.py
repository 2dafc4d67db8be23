"""Streams of a hostile host, and the memory that they take."""

import json
import re
import time
from pathlib import Path


def lines(*items):
    """Events or points as a stream."""
    clock = {"at": time.time(), "mono": 1.0}
    return b"".join(
        json.dumps({"seq": n, **clock, **item}).encode() + b"\n" for n, item in enumerate(items)
    )


def peak_bytes(pid):
    """Highest memory of a process so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024
