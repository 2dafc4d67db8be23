"""A host of protocol 1 finishes its running jobs, gets none, and is asked to upgrade."""

import hashlib

import pytest
from django.urls import reverse

from jobs.host.base import client as host_client
from jobs.models import Host, Job
from jobs.schedule import lifecycle
from tests.dashboard.lib.host_caller import LOG, STARTED, ended_in_protocol_1, events, taken_job
from tests.factories import make_deployment, make_job, make_plan, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def old(caller):
    """The host, which has a job that it took before the dashboard was upgraded."""
    caller.job = taken_job(caller)
    Host.objects.filter(pk=caller.host.pk).update(slots=2)
    caller.headers["X-Protocol"] = "1"
    caller.beat()
    return caller


def named(job):
    return {"id": job.pk, "token": str(job.claim_token), "state": "running", "log_bytes": 0}


def test_host_and_dashboard_speak_one_protocol():
    assert host_client.PROTOCOL == Host.PROTOCOL


def test_each_start_of_its_agent_is_asked_once_to_upgrade(caller, caplog):
    caller.headers["X-Protocol"] = "1"

    answers = [caller.beat(agent_started_at=float(at)) for at in (11, 11, 11, 12, 12)]

    assert [answer.get("upgrade_to") for answer in answers] == [2, None, None, 2, None]
    caller.host.refresh_from_db()
    assert (caller.host.protocol, caller.host.load) == (1, {"load_1m": 0.5})
    assert caplog.text.count("this-computer speaks host protocol 1: upgrade it to 2") == 2


def test_what_it_runs_is_taken_to_the_end(old, kind):
    raw = b'{"tok": 1}'
    output = {"name": "made", "path": "x.json", "bytes": len(raw)}
    output["sha256"] = hashlib.sha256(raw).hexdigest()
    point = b'{"t": 1.0, "w": "engine", "v": {"a": 1}}\n'

    assert old.beat(jobs=[named(old.job)])["start"] == []
    assert old.get(f"jobs/{old.job.pk}/streams").status_code == 200
    assert old.stream(old.job, "log", 0, LOG).status_code == 200
    assert old.stream(old.job, "points", 0, point).status_code == 200
    assert old.output(old.job, "x.json", raw).status_code == 200
    last = ended_in_protocol_1(points_bytes=len(point), outputs=[output])
    assert old.stream(old.job, "events", 0, events(STARTED, last)).status_code == 200

    old.job.refresh_from_db()
    assert (old.job.state, old.job.points_bytes) == ("succeeded", len(point))
    assert len(kind.outputs) == 1


def test_the_cause_of_its_failed_job_is_shown(old, kind, client):
    old.stream(old.job, "log", 0, LOG)
    reason = {"message_id": "work:exit", "message_args": {"step": "make", "exit_code": 3}}
    last = ended_in_protocol_1("failed", exit_code=3, **reason)
    old.stream(old.job, "events", 0, events(STARTED, last))

    client.force_login(make_user("ada"))
    page = client.get(reverse("job-detail", args=[old.job.pk])).text
    old.job.refresh_from_db()
    assert old.job.state == "failed"
    assert "exit code 3" in page


def test_what_it_runs_can_be_cancelled(old):
    Job.objects.filter(pk=old.job.pk).update(cancel_asked_at=old.job.created_at)

    assert old.beat(jobs=[named(old.job)])["cancel"] == [old.job.pk]


def test_nothing_new_is_given_to_it(old):
    leased = make_job(host=old.host, plan=make_plan(kind="fake"))
    lifecycle.lease_job(leased.pk, values={"job": str(leased.pk)})
    deployment = make_deployment(host=old.host, state="waiting", run=2)

    answer = old.beat(jobs=[named(old.job)])

    assert (answer["start"], answer["serve"], answer["checks"]) == ([], [], [])
    for path, body in (
        (f"jobs/{leased.pk}/claim", {"claim_id": "n"}),
        (f"deployments/{deployment.pk}/claim", {"run": 2}),
        ("checks/1", {"findings": []}),
    ):
        refused = old.post(path, body)
        assert (refused.status_code, refused.json()["upgrade_to"]) == (426, 2)
    leased.refresh_from_db()
    assert leased.state == "starting"


def test_its_queue_waits_until_it_is_upgraded(old, kind, client):
    queued = make_job(host=old.host, plan=make_plan(kind="fake"))
    client.force_login(make_user("ada"))

    old.beat()

    queued.refresh_from_db()
    assert queued.state == "queued"
    assert (
        "runs an earlier version and starts no jobs"
        in client.get(reverse("job-detail", args=[queued.pk])).text
    )
    page = client.get(reverse("host-detail", args=[old.host.name])).text
    assert "This host runs an earlier version." in page
    assert "outdated" in page

    old.headers["X-Protocol"] = "2"
    old.beat()

    queued.refresh_from_db()
    assert queued.state == "starting"
    page = client.get(reverse("host-detail", args=[old.host.name])).text
    assert "This host runs an earlier version." not in page


def test_what_its_disk_holds_is_read(old):
    sizes = {"weights": {"bytes": 5, "at": 1.0}}

    old.beat(load={"load_1m": 0.5, "made": sizes})

    old.host.refresh_from_db()
    assert old.host.load == {"load_1m": 0.5, "disk_usage": sizes}
