"""Adds a file to a job's log as the intake does, in another process than the web server's.

Order: ``{"job", "path", "offset", "lines_per_s"}``; lines are of 100 bytes, and without a rate it
goes as fast as it can. It says ``ready``, begins after a
line, and says ``{"began_at", "ended_at"}`` (monotonic clock).
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from jobs.models import Job
from jobs.services.intake.streams import append_log

CHUNK_BYTES = 256 * 1024
LINE_BYTES = 100
TICK_S = 0.05


def main() -> None:
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    job = Job.objects.get(pk=order["job"])
    with Path(order["path"]).open("rb") as file:
        file.seek(order["offset"])
        # The reader of progress, which stands by in a web server, starts.
        append_log(job, offset=order["offset"], data=b"")
        print("ready", flush=True)
        sys.stdin.readline()
        began_at, offset = time.monotonic(), order["offset"]
        rate = order.get("lines_per_s", 0)
        chunk = int(rate * TICK_S) * LINE_BYTES or CHUNK_BYTES
        while data := file.read(chunk):
            offset = append_log(job, offset=offset, data=data)
            due = began_at + (offset - order["offset"]) / LINE_BYTES / rate if rate else 0.0
            time.sleep(max(0.0, due - time.monotonic()))
    print(json.dumps({"began_at": began_at, "ended_at": time.monotonic()}), flush=True)


if __name__ == "__main__":
    main()
