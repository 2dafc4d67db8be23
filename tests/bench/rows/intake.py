"""Intake rate of one log, every chunk synced; beside it bare writes with a sync each."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.harness import Bench, Goal, Readings, interleaved
from tests.bench.programs import program
from tests.bench.rows.live_log import write_lines
from tests.bench.stacks import dashboard, environment, inside

NAME = "intake"
WHAT = "intake with sync, one shipper"
BESIDE = "bare 64 KiB write + fdatasync"
GOALS = (Goal("rate", "MB/s", 0.5, of="ratio", at_least=True),)
LIMIT_S = 120
BLOCK = 65536


def measure(bench: Bench) -> Readings:
    """The host's own shipper sends a complete log to a real web server."""
    path = bench.folder / "log"
    write_lines(path, bench.size(1_000_000, 200_000))
    with dashboard(bench.folder) as stack:

        def ours() -> Mapping[str, float]:
            job = inside(stack.data_dir, "claimed_job", spool=str(bench.folder), log=str(path))
            order = {"spool": job["spool"], "env": str(stack.data_dir / "host" / "host.env")}
            with program("ship", order, env=environment(stack.data_dir)) as shipper:
                shipper.hear()
                shipper.say()
                took = shipper.answer()["seconds"]
            return {"rate": path.stat().st_size / took / 1e6}

        sides = interleaved(bench.size(5, 3), ours=ours, bare=lambda: _bare(bench.folder, path))
    return {"rate": (sides["ours"]["rate"], sides["bare"]["rate"])}


def _bare(folder: Path, path: Path) -> dict[str, float]:
    data = memoryview(path.read_bytes())
    target = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        began = time.monotonic()
        for start in range(0, len(data), BLOCK):
            os.write(target, data[start : start + BLOCK])
            os.fdatasync(target)
        return {"rate": len(data) / (time.monotonic() - began) / 1e6}
    finally:
        os.close(target)
        (folder / "bare").unlink()
