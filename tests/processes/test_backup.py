"""A backup of a running dashboard, with a job on another host; then the dashboard is lost."""

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


def rows(file):
    """Rows of the tables that nothing but people and jobs change."""
    with closing(sqlite3.connect(file)) as opened:
        return {
            table: opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("auth_user", "jobs_host", "jobs_job", "jobs_apitoken")
        }


@pytest.fixture
def lost(tmp_path):
    """A dashboard with a job on another host, its backup, and the folder of that host."""
    copy, environ = tmp_path / "copy", {"VALKEY_LISTEN": f"127.0.0.1:{free_port()}"}
    with (
        running(tmp_path / "data", environ=environ) as stack,
        separate_host(stack, tmp_path, "far", 23000) as host,
    ):
        api = Api(stack)
        until(lambda: api.ask("hosts/far")["facts"], "the host has reported")
        stack.run_python(PRINTER, host="far")
        until(lambda: api.job(1)["log_bytes"] > 100_000, "it prints")
        yield api, copy, host / "spool" / "1"


def restore(stack, copy):
    before = rows(stack.data_dir / "db.sqlite3")
    key = stack.data_dir / KEY
    key.rename(copy.with_name("key"))
    shutil.rmtree(stack.data_dir)
    stack.manage("restore", str(copy), "--key", str(copy.with_name("key")))
    assert rows(stack.data_dir / "db.sqlite3") == before


def assert_whole(api, spool):
    assert api.ended(1)["message"] == "Step print failed with exit code 3."
    with api.open("jobs/1/log?from=0") as shown, (spool / "log").open("rb") as kept:
        assert digest(shown) == digest(kept)


def test_a_lost_dashboard_continues_from_its_backup_without_a_gap_in_a_log(lost):
    api, copy, spool = lost
    person = LoggedIn(api.stack)
    assert person.page("jobs/") == "/jobs/"

    api.stack.manage("backup", str(copy))

    kept = (copy / "logs" / "job" / "1.log").stat().st_size
    assert kept > 0
    until(lambda: api.job(1)["log_bytes"] > kept + 1_000_000, "it prints on")
    assert api.stack.stop() == 0
    restore(api.stack, copy)
    (spool / "work" / "enough").touch()
    until((spool / "exit.json").exists, "it ends while no dashboard is there")
    api.stack.start()
    api.stack.wait_ready()
    assert_whole(api, spool)
    assert person.page("jobs/") == "/login/?next=/jobs/"
    assert LoggedIn(api.stack).page("jobs/") == "/jobs/"


def test_a_job_that_ended_after_the_backup_is_sent_again(lost):
    api, copy, spool = lost
    api.stack.manage("backup", str(copy))
    (spool / "work" / "enough").touch()
    assert_whole(api, spool)
    until((spool / "acked").exists, "the dashboard has all of it")
    assert api.stack.stop() == 0
    restore(api.stack, copy)

    api.stack.start()
    api.stack.wait_ready()

    assert_whole(api, spool)
    until((spool / "acked").exists, "the restored dashboard has all of it")
