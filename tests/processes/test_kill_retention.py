"""A round of retention killed at any point is finished by the next."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.records import ROOT, Records
from tests.stack import clean_environment, make_tables

pytestmark = pytest.mark.processes

JOBS, OLD = 120, 100
SEED = f"""
from tests.factories import make_host
from tests.kept import DAY, ended
host = make_host("here")
for number in range({JOBS}):
    age = (100 if number < {OLD} else 10) * DAY
    ended(age, log=b"x" * 5000, files=2, points=2, host=host)
"""
ROUND = (
    "from jobs.services.upkeep import retention; print('begun', flush=True);"
    " retention.apply_retention()"
)
TELL = """
import json
from jobs import logstore
from jobs.models import Job
from jobs.services.outputs import outputs_folder
store = logstore.store()
print(json.dumps([
    {
        "removed": job.removed_at is not None,
        "finished": job.stored_bytes == 0,
        "log": store.disk_bytes(f"job/{job.pk}") > 0,
        "files": outputs_folder(job.pk).exists(),
        "points": job.point_blocks.exists(),
        "counted": job.removed_bytes > 0,
    }
    for job in Job.objects.order_by("pk")
]))
"""


@pytest.fixture
def records(tmp_path):
    make_tables(tmp_path / "data")
    made = Records(environment(tmp_path / "data"))
    yield made
    made.close()


def environment(data: Path) -> dict[str, str]:
    return clean_environment() | {"DATA_DIR": str(data), "RETENTION_AGE": "90d"}


def states_of(records: Records) -> list[dict[str, bool]]:
    states: list[dict[str, bool]] = json.loads(records.shell(TELL))
    return states


def test_a_killed_round_is_finished_by_the_next(records, tmp_path):
    records.shell(SEED)
    cut_short, random_s = 0, random.Random(7)

    for _ in range(5):
        removing = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", ROUND],
            cwd=ROOT,
            env=environment(tmp_path / "data"),
            stdout=subprocess.PIPE,
        )
        assert removing.stdout.readline() == b"begun\n"
        time.sleep(random_s.uniform(0.05, 0.4))
        os.kill(removing.pid, signal.SIGKILL)
        cut_short += removing.wait() == -signal.SIGKILL
        for job in states_of(records):
            # What has lost anything says so.
            assert job["removed"] or (job["log"] and job["files"] and job["points"])
            assert job["counted"] == job["removed"]

    assert cut_short > 0
    records.shell(ROUND)
    old, young = states_of(records)[:OLD], states_of(records)[OLD:]
    gone = {"removed": True, "finished": True, "log": False, "files": False, "points": False}
    there = {"removed": False, "finished": False, "log": True, "files": True, "points": True}
    assert old == [{**gone, "counted": True}] * OLD
    assert young == [{**there, "counted": False}] * (JOBS - OLD)
