"""Commands that follow a job: without a running dashboard, and of a log that goes."""

import json
import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from dashboard.management import base
from dashboard.management.base import DashboardWatch, is_down
from jobs import logstore
from jobs.launch.launch import InvalidParams
from tests.factories import make_artifact, make_host, make_job
from tests.kept import DAY, LOG, ended

pytestmark = pytest.mark.django_db


@pytest.fixture
def ran(tmp_path, settings):
    """``run.json`` of a dashboard with this pid."""
    settings.DATA_DIR = tmp_path

    def write(pid):
        (tmp_path / "run.json").write_text(json.dumps({"pid": pid}))

    return write


@pytest.fixture
def supervisor():
    """A process that is called as the supervisor is."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, "dashboard.server.supervisor"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_dashboard_is_down_once_its_supervisor_is_gone(ran, supervisor):
    ran(supervisor.pid)
    assert not is_down()

    supervisor.kill()
    supervisor.wait()

    assert is_down()


def test_a_number_that_another_process_has_is_no_dashboard(ran):
    ran(os.getpid())

    assert is_down()


@pytest.mark.parametrize("text", [None, "", "[]", '{"pid": "x"}'])
def test_an_unknown_dashboard_is_not_reported_as_down(tmp_path, settings, text):
    settings.DATA_DIR = tmp_path
    if text is not None:
        (tmp_path / "run.json").write_text(text)

    assert not is_down()


def test_a_waiting_command_reports_once_and_again_when_it_runs(ran, supervisor):
    output = StringIO()
    watch = DashboardWatch(output, grace_s=0.0, every_s=0.0)
    ran(0x7FFFFFFF)

    watch.update()
    watch.update()

    assert output.getvalue().count("The dashboard is not running") == 1
    ran(supervisor.pid)
    watch.update()
    assert output.getvalue().endswith("The dashboard is running again.\n")


def test_who_is_not_to_wait_ends_with_an_error(ran):
    job = make_job()
    ran(0x7FFFFFFF)
    watch = DashboardWatch(StringIO(), "end", grace_s=0.0, every_s=0.0)

    with pytest.raises(CommandError, match="start the dashboard with make run"):
        list(base.follow(job.pk, None, watch))


def test_a_field_that_is_missing_lists_its_choices():
    host = make_host()
    missing = InvalidParams({"artifact": "Required."})
    refusal = str(base.refused_launch(missing, "deploy", host))
    assert f"No choice on {host.name} yet." in refusal

    artifact = make_artifact(host=host)

    refusal = str(base.refused_launch(missing, "deploy", host))
    assert "artifact: Required. Choose one of:" in refusal
    assert f"    {artifact.pk}  " in refusal


def test_the_command_log_says_what_is_damaged():
    job = ended(DAY)
    path = logstore.store().path(f"job/{job.pk}")
    path.unlink()
    path.with_suffix(".log.zst").write_bytes(b"no packed log at all")

    with pytest.raises(CommandError, match="is damaged"):
        call_command("log", str(job.pk))


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_the_log_command_fails_when_its_log_is_removed(monkeypatch, capsysbinary, follow):
    job = ended(DAY)
    read = logstore.LogStore.read

    def removed_then(self, key, start, end):
        piece = read(self, key, start, min(end, start + 2))
        self.remove(key)
        return piece

    monkeypatch.setattr(logstore.LogStore, "read", removed_then)

    with pytest.raises(CommandError, match="was removed during reading"):
        call_command("log", str(job.pk), "--raw", *follow)
    assert capsysbinary.readouterr().out == LOG[:2]
