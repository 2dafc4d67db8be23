"""Lost jobs, servers and hosts; also of a host of which a person says that it does not return."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import GatewayUse, Instance, Job
from jobs.schedule import agent_tasks
from jobs.services.hosts import HostAnswers, mark_lost
from jobs.services.intake import heartbeats
from jobs.services.upkeep import reaper
from tests.factories import heartbeat_body, make_deployment, make_host, make_job, make_user, stored

pytestmark = pytest.mark.django_db


def ago(seconds: float):
    return now() - timedelta(seconds=seconds)


def state_after_reaping(record) -> str:
    reaper.reap()
    record.refresh_from_db()
    return record.state


def test_a_job_is_lost_when_its_host_answers_without_it():
    job = make_job(state="running", missing_since=ago(31))

    assert state_after_reaping(job) == "lost"
    assert (job.message_id, job.message_args) == ("job:missing", {"host": job.host.name})
    for_a_moment = make_job(state="running", missing_since=ago(20))
    assert state_after_reaping(for_a_moment) == "running"


def test_use_of_the_gateway_is_kept_for_400_days():
    row = {"user": make_user(), "token_name": "ci", "model": "m"}
    for days in (1, 399, 401):
        GatewayUse.objects.create(**row, hour=now() - timedelta(days=days))

    reaper.reap()

    assert GatewayUse.objects.count() == 2


def test_away_is_not_lost():
    host = make_host(heartbeat_at=ago(3600))
    job = make_job(state="running", host=host, missing_since=ago(3600))
    deployment = make_deployment(host=host, missing_since=ago(3600))

    assert state_after_reaping(job) == "running"
    assert state_after_reaping(deployment) == "ready"


def test_what_a_host_that_stays_away_had_is_lost_in_the_end(settings):
    settings.HOST_LOST_AFTER_S = 24 * 3600.0
    host = make_host(heartbeat_at=ago(25 * 3600))
    job = make_job(state="running", host=host)
    deployment = make_deployment(host=host)

    assert state_after_reaping(job) == "lost"
    assert stored(deployment, "state") == "lost"
    assert job.message_args == {"host": host.name, "hours": 24}


@pytest.mark.postgresql
def test_after_downtime_hosts_get_time_to_report(settings):
    settings.HOST_LOST_AFTER_S = 24 * 3600.0
    Instance.objects.update_or_create(pk=1, defaults={"swept_at": ago(25 * 3600)})
    job = make_job(state="running", host=make_host(heartbeat_at=ago(25 * 3600)))

    assert reaper.claim_run()
    assert state_after_reaping(job) == "running"

    # The host sends no heartbeat in the following rounds.
    later = now() + reaper.EAR_FOR + timedelta(seconds=1)
    for seconds in range(10, 130, 10):
        assert reaper.claim_run(now() + timedelta(seconds=seconds))
    reaper.reap(later)
    assert stored(job, "state") == "lost"


def test_a_clock_that_was_put_back_does_not_stop_the_rounds():
    Instance.objects.update_or_create(pk=1, defaults={"swept_at": ago(-3600)})

    assert reaper.claim_run()
    assert not reaper.claim_run()


@pytest.mark.parametrize(("state", "after"), [("ready", "lost"), ("stopping", "stopped")])
def test_a_server_that_is_missing_is_lost_or_was_to_stop(state, after):
    deployment = make_deployment(state=state, missing_since=ago(31))

    assert state_after_reaping(deployment) == after


def test_an_unclaimed_job_is_hinted_again(monkeypatch):
    sent = []
    monkeypatch.setattr(agent_tasks, "send", lambda host, command, job: sent.append(job))
    old = make_job(state="starting", dispatched_at=ago(11))
    make_job(state="starting", dispatched_at=ago(2))
    make_job(state="starting", dispatched_at=ago(11), claim_id="n")

    reaper.reap()

    assert sent == [old.pk]
    assert Job.objects.get(pk=old.pk).state == "starting"


@pytest.mark.postgresql
def test_of_several_schedulers_one_has_the_round():
    assert [reaper.claim_run() for _ in range(3)] == [True, False, False]
    assert reaper.claim_run(now() + timedelta(seconds=10))


@pytest.mark.postgresql
def test_a_job_launched_after_a_failure_is_cancelled():
    made = {"table": "artifact"}
    first, second = make_job(state="failed", product=made), make_job(product=made)
    third = make_job()
    second.after.add(first)
    third.after.add(second)

    assert state_after_reaping(second) == "cancelled"
    assert stored(third, "state") == "cancelled"
    assert second.message_args == {"job": first.pk, "state": "failed"}


def test_a_job_that_its_host_does_not_accept_is_errored(monkeypatch):
    untaken = make_job(state="starting", dispatched_at=ago(301))
    taken = make_job(state="starting", dispatched_at=ago(301), claim_id="n")
    away = make_job(state="starting", dispatched_at=ago(301), host=make_host(heartbeat_at=ago(60)))

    assert state_after_reaping(untaken) == "errored"
    assert untaken.message_args == {"host": untaken.host.name, "minutes": 5}
    assert [state_after_reaping(job) for job in (taken, away)] == ["starting", "starting"]


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

    assert stored(job, "state") == "running"


def test_a_returning_host_ends_the_jobs_and_keeps_the_servers(away):
    job = make_job(state="running", host=away, claim_id="n")
    deployment = make_deployment(host=away)
    mark_lost(away.pk, make_user())
    serve = {"id": deployment.pk, "token": str(deployment.claim_token), "run": deployment.run}

    named = {"id": job.pk, "token": str(job.claim_token), "state": "running"}

    serves = [{**serve, "state": "running", "health": "ready", "port": 1}]
    orders = heartbeats.heartbeat(away, heartbeat_body(jobs=[named], serves=serves))

    deployment.refresh_from_db()
    assert (orders.cancel, orders.stop_serve, deployment.state) == ([job.pk], [], "ready")


def test_a_running_job_that_its_host_no_longer_names_is_asked_for_again():
    host = make_host()
    missing = make_job(state="running", host=host, claim_id="n")
    named = make_job(state="running", host=host, claim_id="n")
    make_job(state="starting", host=host)  # not claimed yet
    make_job(state="succeeded", host=host, claim_id="n")
    entry = {"id": named.pk, "token": str(named.claim_token), "state": "running"}

    orders = heartbeats.heartbeat(host, heartbeat_body(jobs=[entry]))

    assert orders.resend == [missing.pk]
    assert orders.to_json()["resend"] == [missing.pk]
