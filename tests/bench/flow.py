"""A flow of Prefect that logs the lines of ``command.py tick``; runs in Prefect's environment.

``python -m tests.bench.flow``, order ``{"lines", "rate"}``: it prints its run's id, begins after a
line, and prints ``{"lines", "seconds"}``: what it has logged. It stops where it takes twice the
time that it has: a pace that Prefect cannot keep would last for minutes.
"""

import json
import sys
import time

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from tests.bench.command import line, paced


@flow
def ticks(lines: int, rate: int) -> None:
    log = get_run_logger()
    print(flow_run.id, flush=True)
    sys.stdin.readline()
    began, done = time.monotonic(), 0
    for _ in paced(lines, rate):
        log.info(line().decode().rstrip())
        done += 1
        if time.monotonic() > began + 2 * lines / rate:
            break
    print(json.dumps({"lines": done, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    ticks(**json.loads(sys.stdin.readline()))
