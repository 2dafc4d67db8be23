"""A command that prints 100 MB/s, under launcher and shipper, beside the same with ``> file``."""

import subprocess
import sys
import time
from collections.abc import Mapping

from tests.bench.harness import Bench, Goal, Readings, interleaved
from tests.bench.stacks import dashboard, inside, until_closed
from tests.stack import ROOT

NAME = "launcher"
WHAT = "a command under launcher and shipper, 100 MB/s of output"
BESIDE = "the same command with > file"
GOALS = (Goal("wall", "s", 1.02, of="ratio"),)
LIMIT_S = 240
RATE = 100e6


def measure(bench: Bench) -> Readings:
    """The wall time of the command alone, both ways; each job is shipped before the next begins."""
    megabytes = bench.size(400, 100)
    work = _calibrated(bench)
    argv = [sys.executable, str(ROOT / "tests/bench/printer.py"), str(megabytes), str(work)]
    with dashboard(bench.folder) as stack:

        def ours() -> Mapping[str, float]:
            jobs = inside(stack.data_dir, "queue_jobs", argv=argv)["jobs"]
            facts = until_closed(stack.data_dir, jobs)
            return {"wall": facts[str(jobs[0])]["steps_s"]}

        def bare() -> Mapping[str, float]:
            return {"wall": _to_file(bench, argv)}

        sides = interleaved(bench.size(5, 3), ours=ours, bare=bare)
    return {"wall": (sides["ours"]["wall"], sides["bare"]["wall"])}


def _calibrated(bench: Bench) -> int:
    """Return the printer's work a block at which its rate is 100 MB/s here."""
    work = 8
    for _ in range(3):
        argv = [sys.executable, str(ROOT / "tests/bench/printer.py"), "50", str(work)]
        rate = 50e6 / _to_file(bench, argv)
        work = max(1, round(work * rate / RATE))
    return work


def _to_file(bench: Bench, argv: list[str]) -> float:
    """Seconds of the command with its output in a file; in a session, as the launcher's have."""
    path = bench.folder / "out"
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        began = time.monotonic()
        subprocess.run(argv, cwd=bench.folder, stdout=file, check=True, start_new_session=True)
        return time.monotonic() - began
