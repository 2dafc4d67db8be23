"""A host of which a person says that it does not come back."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.services.hosts import HostAnswers, mark_lost
from jobs.services.intake import heartbeats
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def away():
    return make_host("far", heartbeat_at=now() - timedelta(minutes=5))


def test_its_jobs_are_lost_and_dependents_cancelled(away):
    running = make_job(state="running", host=away, product={"type": "weights"})
    waiting = make_job(host=away)
    waiting.after.add(running)
    other = make_job(host=away)
    deployment = make_deployment(host=away)
    elsewhere = make_job(state="running", host=make_host("near"))

    assert mark_lost(away.pk, make_user("ada")) == 2

    for record in (running, waiting, other, deployment, elsewhere):
        record.refresh_from_db()
    assert (running.state, waiting.state, deployment.state) == ("lost", "cancelled", "lost")
    assert (other.state, elsewhere.state) == ("queued", "running")
    assert running.message_id == "job:given_up"
    assert running.message_args == {"host": "far", "user": "ada"}
    assert deployment.message_id == "deployment:given_up"


def test_an_online_host_is_not_marked_lost():
    host = make_host("near", heartbeat_at=now())
    job = make_job(state="running", host=host)

    with pytest.raises(HostAnswers):
        mark_lost(host.pk, make_user())

    job.refresh_from_db()
    assert job.state == "running"


def test_a_returning_host_ends_the_jobs_and_keeps_the_servers(away):
    job = make_job(state="running", host=away, claim_id="n")
    deployment = make_deployment(host=away)
    mark_lost(away.pk, make_user())
    serve = {"id": deployment.pk, "token": str(deployment.claim_token), "run": deployment.run}

    orders = heartbeats.heartbeat(
        away,
        {
            "boot_id": "b",
            "agent_started_at": 1.0,
            "now": 1.0,
            "load": {},
            "jobs": [{"id": job.pk, "token": str(job.claim_token), "state": "running"}],
            "serves": [{**serve, "state": "running", "health": "ready", "port": 1}],
        },
    )

    deployment.refresh_from_db()
    assert (orders.cancel, orders.stop_serve, deployment.state) == ([job.pk], [], "ready")


def test_a_running_job_that_its_host_no_longer_names_is_asked_for_again():
    host = make_host()
    report = {
        "boot_id": "b",
        "agent_started_at": 1.0,
        "now": 1.0,
        "load": {},
        "jobs": [],
        "serves": [],
    }
    missing = make_job(state="running", host=host, claim_id="n")
    named = make_job(state="running", host=host, claim_id="n")
    make_job(state="starting", host=host)  # not claimed yet
    make_job(state="succeeded", host=host, claim_id="n")
    entry = {"id": named.pk, "token": str(named.claim_token), "state": "running"}

    orders = heartbeats.heartbeat(host, {**report, "jobs": [entry]})

    assert orders.resend == [missing.pk]
    assert orders.to_json()["resend"] == [missing.pk]
