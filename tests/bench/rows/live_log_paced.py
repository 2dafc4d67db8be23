"""A command that prints 10,000 lines a second, read on 100 sockets: how old is a line there?

The full pipeline: command, log on the host, shipper, intake, log store, hub, socket.
"""

import sys
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

from tests.bench.harness import Bench, Goal, Readings, percentile, until
from tests.bench.programs import program
from tests.bench.stacks import dashboard, inside, until_closed
from tests.stack import ROOT

NAME = "live-log-paced"
WHAT = "live log at 10,000 lines/s to 100 sockets"
BESIDE = "a line's emission to its receipt"
GOALS = (Goal("p50", "ms", 10), Goal("p99", "ms", 30), Goal("lost", "sockets", 0))
LIMIT_S = 120
SOCKETS = 100
LINE_BYTES = 100
RATE = 10_000
WARM_S = 2.0  # at the beginning, not counted
EVERY = 50  # of how many lines one is looked at, on each socket


def measure(bench: Bench) -> Readings:
    """Each line says when it was printed; the readers note when each frame came."""
    seconds = bench.size(20, 6)
    lines = seconds * RATE
    argv = [sys.executable, str(ROOT / "tests/bench/ticker.py"), str(lines), str(RATE)]
    with dashboard(bench.folder) as stack:
        headers = {"Cookie": inside(stack.data_dir, "page")["cookie"], "Origin": stack.url}
        job = inside(stack.data_dir, "queue_jobs", argv=argv)["jobs"][0]
        order = {
            "url": f"ws://127.0.0.1:{stack.port}/ws/log/job/{job}/?from=0",
            "headers": headers,
            "sockets": SOCKETS,
            "bytes": lines * LINE_BYTES,
            "frames": True,
        }
        spool = stack.data_dir / "host" / "spool" / str(job)
        until(lambda: (spool / "log").exists(), "the command runs", 30)
        with program("sockets", order) as pages:
            pages.hear()  # its first line, on all sockets
            (spool / "work" / "go").touch()
            answer = pages.answer()
        until_closed(stack.data_dir, [job])
        ages = line_ages(stack.data_dir / "logs" / "job" / f"{job}.log", answer["frames"])
    return {
        "p50": (percentile(ages, 0.50) * 1000, None),
        "p99": (percentile(ages, 0.99) * 1000, None),
        "lost": (float(SOCKETS - answer["complete"]), None),
    }


def line_ages(log: Path, frames: Sequence[Sequence[float]]) -> list[float]:
    """Seconds from the printing of a line to its arrival, on every socket, of every 50th line."""
    printed = [float(line[:20]) for line in log.read_bytes().splitlines()]
    arrived: dict[int, list[tuple[int, float]]] = {}
    for number, offset, size, at in frames:
        arrived.setdefault(int(number), []).append((int(offset + size), at))
    first = next(n for n, at in enumerate(printed) if at >= printed[1] + WARM_S)
    ages = []
    for ends in arrived.values():
        edges = [end for end, _ in ends]
        for number in range(first, len(printed), EVERY):
            at = ends[bisect_right(edges, number * LINE_BYTES + LINE_BYTES - 1)][1]
            ages.append(at - printed[number])
    return ages
