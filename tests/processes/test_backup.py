"""A backup of a running dashboard, with jobs on another host; then the dashboard is lost."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from jobs.backup import KEY
from tests.api import Api, digest, until
from tests.cluster import separate_host
from tests.dashboard.lib.logged_in import LoggedIn
from tests.stack import free_port, running

pytestmark = pytest.mark.processes

PRINTER = """
import itertools, pathlib, time
for number in itertools.count():
    print("line", number, "x" * 2_000, flush=True)
    time.sleep(0.002)
    if pathlib.Path("enough").exists():
        raise SystemExit(3)
"""
ENDED, RUNNING = 1, 2  # jobs


def rows(file):
    """Rows of the tables that nothing but people and jobs change."""
    with closing(sqlite3.connect(file)) as opened:
        return {
            table: opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("auth_user", "jobs_host", "jobs_job", "jobs_apitoken")
        }


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """A dashboard that was lost and restored, its host's spools, and a person of before.

    On another host one job ended after the backup, and one while there was no dashboard.
    """
    folder = tmp_path_factory.mktemp("backup")
    copy, environ = folder / "copy", {"VALKEY_LISTEN": f"127.0.0.1:{free_port()}"}
    with (
        running(folder / "data", environ=environ) as stack,
        separate_host(stack, folder, "far", 23000) as host,
    ):
        api, spools = Api(stack), host / "spool"
        until(lambda: api.ask("hosts/far")["facts"], "the host has reported")
        stack.shell("from jobs.models import Host; Host.objects.filter(name='far').update(slots=2)")
        stack.run_python(PRINTER, host="far", count=2)
        until(lambda: min(size(api, ENDED), size(api, RUNNING)) > 100_000, "both print")
        person = LoggedIn(stack)
        assert person.page("jobs/") == "/jobs/"

        stack.manage("backup", str(copy))

        kept = (copy / "logs" / "job" / f"{RUNNING}.log").stat().st_size
        assert kept > 0
        (spools / str(ENDED) / "work" / "enough").touch()
        assert_whole(api, spools, ENDED)
        until((spools / str(ENDED) / "acked").exists, "the dashboard has all of it")
        until(lambda: size(api, RUNNING) > kept + 1_000_000, "the other prints on")
        assert stack.stop() == 0
        restore(stack, copy)
        (spools / str(RUNNING) / "work" / "enough").touch()
        until((spools / str(RUNNING) / "exit.json").exists, "it ends while no dashboard is there")
        stack.start()
        stack.wait_ready()
        yield api, spools, person


def size(api, job):
    return api.job(job)["log_bytes"]


def restore(stack, copy):
    before = rows(stack.data_dir / "db.sqlite3")
    key = stack.data_dir / KEY
    key.rename(copy.with_name("key"))
    shutil.rmtree(stack.data_dir)
    stack.manage("restore", str(copy), "--key", str(copy.with_name("key")))
    assert rows(stack.data_dir / "db.sqlite3") == before


def assert_whole(api, spools, job):
    assert api.ended(job)["message"] == "Step print failed with exit code 3."
    log = spools / str(job) / "log"
    with api.open(f"jobs/{job}/log?from=0") as shown, log.open("rb") as kept:
        assert digest(shown) == digest(kept)


def test_a_lost_dashboard_continues_from_its_backup_without_a_gap_in_a_log(restored):
    api, spools, person = restored

    assert_whole(api, spools, RUNNING)
    assert person.page("jobs/") == "/login/?next=/jobs/"
    assert LoggedIn(api.stack).page("jobs/") == "/jobs/"


def test_a_job_that_ended_after_the_backup_is_sent_again(restored):
    api, spools, _person = restored

    assert_whole(api, spools, ENDED)
    until((spools / str(ENDED) / "acked").exists, "the restored dashboard has all of it")
