"""Protocol 1, which called a message a sentence: an upgrade loses no verdict."""

from __future__ import annotations

import pytest

from jobs.models import Deployment
from tests.dashboard.lib.host_caller import LOG, STARTED, ended, events, taken_job
from tests.factories import make_deployment

pytestmark = pytest.mark.django_db


def of_protocol_1(event):
    names = {"message_id": "sentence_id", "message_args": "sentence_args"}
    return {names.get(name, name): value for name, value in event.items()}


@pytest.fixture
def older(caller):
    caller.headers["X-Protocol"] = "1"
    return caller


def test_a_job_begun_before_the_upgrade_ends_with_its_cause(older, kind):
    job = taken_job(older)
    args = {"step": "fetch", "exit_code": 7}
    last = ended("failed", message_id="work:exit", message_args=args, exit_code=7)

    older.stream(job, "log", 0, LOG)
    answer = older.stream(job, "events", 0, events(STARTED, of_protocol_1(last)))

    assert answer.status_code == 200
    job.refresh_from_db()
    assert (job.state, job.message_id) == ("failed", "work:exit")
    assert args.items() <= job.message_args.items()


def test_a_server_begun_before_the_upgrade_ends_with_its_cause(older):
    deployment = make_deployment(host=older.host, state="ready")
    last = ended("failed", message_id="work:server_ended", message_args={"exit_code": 9})
    last |= {"log_bytes": 0, "exit_code": 9}

    answer = older.stream(deployment, "events", 0, events(of_protocol_1(last)))

    assert answer.status_code == 200
    row = Deployment.objects.get(pk=deployment.pk)
    assert (row.state, row.message_id) == ("failed", "work:server_ended")
    assert row.message_args["exit_code"] == 9
