"""A host that comes back after its jobs were given up, and a dashboard that was away meanwhile."""

import os
import signal
from pathlib import Path

import pytest

from tests.api import Api, until
from tests.stack import running

pytestmark = pytest.mark.processes

PRINTER = """
import itertools, pathlib, time
for number in itertools.count():
    print("line", number, "x" * 20_000, flush=True)
    time.sleep(0.002)
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


@pytest.fixture
def api(tmp_path):
    """A dashboard with a job that prints."""
    with running(tmp_path / "data") as stack:
        client = Api(stack)
        until(lambda: client.ask("hosts/this-computer")["facts"], "the host has reported")
        stack.run_python(PRINTER)
        until(lambda: client.job(1)["log_bytes"] > 100_000, "it prints")
        yield client


def test_a_lost_job_s_whole_log_arrives_when_its_host_is_back(api):
    agent = api.stack.children()["agent"]
    os.kill(agent, signal.SIGSTOP)
    shown = len(api.raw("jobs/1/log?from=0"))

    api.stack.shell(A_DAY_LATER)

    job = api.job(1)
    assert (job["state"], job["message"]) == (
        "lost",
        "This computer has been offline for 24 hours.",
    )
    log = api.spool(1) / "log"
    until(lambda: log.stat().st_size > shown + 1_000_000, "it goes on by itself")
    os.kill(agent, signal.SIGCONT)
    until((api.spool(1) / "acked").exists, "it is asked to stop, and all has arrived")
    assert "cancelled" in (api.spool(1) / "exit.json").read_text()
    sha256s = api.log_sha256s(1)
    assert sha256s[0] == sha256s[1]
    assert api.job(1)["message"] == job["message"]


def test_an_offline_dashboard_gets_all_logs_and_its_host_has_not_grown(api):
    agent, web = api.stack.children()["agent"], api.stack.children()["web"]
    before_kb = memory_kb(agent)
    os.kill(web, signal.SIGSTOP)
    log = api.spool(1) / "log"
    size = log.stat().st_size
    until(lambda: log.stat().st_size > size + 40_000_000, "it prints on")
    (api.spool(1) / "work" / "enough").touch()
    until((api.spool(1) / "exit.json").exists, "it ends by itself")
    os.kill(web, signal.SIGCONT)

    assert api.ended(1)["message"] == "Step print failed with exit code 3."

    sha256s = api.log_sha256s(1)
    assert sha256s[0] == sha256s[1]
    assert memory_kb(agent) < before_kb + 20_000
