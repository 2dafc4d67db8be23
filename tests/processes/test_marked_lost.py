"""A host that comes back after its jobs were given up, and a dashboard that was away meanwhile."""

import os
import signal
from pathlib import Path

import pytest

from tests.api import until

pytestmark = pytest.mark.processes

PRINTER = """
import itertools, pathlib, time
for number in itertools.count():
    print("line", number, "x" * 20_000, flush=True)
    time.sleep({pause})
    if pathlib.Path("enough").exists():
        raise SystemExit(3)
"""
# The reaper's round with a host offline for longer than HOST_LOST_AFTER.
A_DAY_LATER = """
from datetime import timedelta
from django.utils.timezone import now
from jobs.services.upkeep import reaper
print(reaper.reap(now() + timedelta(hours=25)))
"""


def memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def printing(shared, pause):
    """A job that prints 20 kB after each pause, in seconds; its number."""
    job = shared.stack.run_python(PRINTER.format(pause=pause))
    until(lambda: shared.job(job)["log_bytes"] > 100_000, "it prints")
    return job


def test_a_lost_job_s_whole_log_arrives_when_its_host_is_back(shared):
    job, agent = printing(shared, 0.02), shared.stack.children()["agent"]
    os.kill(agent, signal.SIGSTOP)
    before = len(shared.raw(f"jobs/{job}/log?from=0"))

    shared.stack.shell(A_DAY_LATER)

    lost = shared.job(job)
    assert (lost["state"], lost["message"]) == (
        "lost",
        "This computer has been offline for 24 hours.",
    )
    log = shared.spool(job) / "log"
    until(lambda: log.stat().st_size > before + 1_000_000, "it goes on by itself")
    os.kill(agent, signal.SIGCONT)
    until((shared.spool(job) / "acked").exists, "it is asked to stop, and all has arrived")
    assert "cancelled" in (shared.spool(job) / "exit.json").read_text()
    shown, kept = shared.log_sha256s(job)
    assert shown == kept
    assert shared.job(job)["message"] == lost["message"]


def test_an_offline_dashboard_gets_all_logs_and_its_host_has_not_grown(shared):
    job = printing(shared, 0.002)
    agent, web = shared.stack.children()["agent"], shared.stack.children()["web"]
    before_kb = memory_kb(agent)
    os.kill(web, signal.SIGSTOP)
    log = shared.spool(job) / "log"
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size + 40_000_000, "it prints on")
    (shared.spool(job) / "work" / "enough").touch()
    until((shared.spool(job) / "exit.json").exists, "it ends by itself")
    os.kill(web, signal.SIGCONT)

    assert shared.ended(job)["message"] == "Step print failed with exit code 3."

    shown, kept = shared.log_sha256s(job)
    assert shown == kept
    assert memory_kb(agent) < before_kb + 20_000
