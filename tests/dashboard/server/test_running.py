"""A command reports that no dashboard runs; it waits, or ends with an option."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management.base import CommandError

from dashboard.management import base
from dashboard.management.base import Watch, is_down
from tests.factories import make_artifact, make_host, make_job


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
    watch = Watch(output, grace_s=0.0, every_s=0.0)
    ran(0x7FFFFFFF)

    watch.update()
    watch.update()

    assert output.getvalue().count("The dashboard is not running") == 1
    ran(supervisor.pid)
    watch.update()
    assert output.getvalue().endswith("The dashboard is running again.\n")


@pytest.mark.django_db
def test_who_is_not_to_wait_ends_with_an_error(ran):
    job = make_job()
    ran(0x7FFFFFFF)
    watch = Watch(StringIO(), "end", grace_s=0.0, every_s=0.0)

    with pytest.raises(CommandError, match="start the dashboard with make run"):
        list(base.follow(job.pk, None, watch))


@pytest.mark.django_db
def test_a_field_that_is_missing_lists_its_choices():
    host = make_host()
    refusal = str(base.refused_launch(_missing(), "deploy", host))
    assert f"No choice on {host.name} yet." in refusal

    artifact = make_artifact(host=host)

    refusal = str(base.refused_launch(_missing(), "deploy", host))
    assert "artifact: Required. Choose one of:" in refusal
    assert f"    {artifact.pk}  " in refusal


def _missing():
    return base.InvalidParams({"artifact": "Required."})
