"""Scraped points of a job: many stored ones, then more as they come.

Order: ``{"job", "points", "hz"}``. It says ``ready`` when ``points`` are stored; after a line it
adds one at a time until the next line.
"""

import json
import math
import select
import sys
import time

from jobs.models import Job
from jobs.services.intake.streams import append_points

AT_ONCE = 1000


def line(at: float, n: int) -> bytes:
    """One point as a host writes it: a vLLM server under load."""
    values = {
        "vllm:generation_tokens_total": 50.0 * n + 20 * math.sin(n / 50),
        "vllm:prompt_tokens_total": 40.0 * n,
        "vllm:num_requests_running": float(n % 9),
        "vllm:num_requests_waiting": float(n % 4),
    }
    return json.dumps({"t": at, "w": "engine", "v": values}).encode() + b"\n"


def main() -> None:
    order = json.loads(sys.stdin.readline())
    job, every = Job.objects.get(pk=order["job"]), 1.0 / order["hz"]
    began, offset, n = time.time() - order["points"] * every, 0, 0
    while n < order["points"]:
        numbers = range(n, min(order["points"], n + AT_ONCE))
        data = b"".join(line(began + k * every, k) for k in numbers)
        offset, n = append_points(job, offset=offset, data=data), numbers.stop
    print("ready", flush=True)
    sys.stdin.readline()
    due = time.monotonic()
    while True:
        offset = append_points(job, offset=offset, data=line(time.time(), n))
        n, due = n + 1, due + every
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            return


if __name__ == "__main__":
    main()
