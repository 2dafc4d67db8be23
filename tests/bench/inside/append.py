"""Adds a file to a job's log as the intake does, in another process than the web server's.

Order: ``{"job", "path", "offset", "lines_per_s": 0}``. It says ``ready``, begins when it is told a
line, and says ``{"began_at", "ended_at"}`` (monotonic clock).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import tests.bench.inside  # noqa: F401 -- sets Django up, first
from jobs.models import Job
from jobs.services.intake import append_log

CHUNK_BYTES = 256 * 1024


def main() -> None:
    """Append all, as fast as it goes."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    job = Job.objects.get(pk=order["job"])
    with Path(order["path"]).open("rb") as file:
        file.seek(order["offset"])
        print("ready", flush=True)
        sys.stdin.readline()
        began_at, offset = time.monotonic(), order["offset"]
        while data := file.read(CHUNK_BYTES):
            offset = append_log(job, offset=offset, data=data)
    print(json.dumps({"began_at": began_at, "ended_at": time.monotonic()}), flush=True)


if __name__ == "__main__":
    main()
