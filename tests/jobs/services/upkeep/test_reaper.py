from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import Instance, Job
from jobs.schedule import agent_tasks
from jobs.services.upkeep import reaper
from tests.factories import make_deployment, make_host, make_job

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


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


def test_a_job_that_has_been_missing_for_a_moment_is_not_lost():
    assert state_after_reaping(make_job(state="running", missing_since=ago(20))) == "running"


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
    deployment.refresh_from_db()
    assert deployment.state == "lost"
    assert job.message_args == {"host": host.name, "hours": 24}


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
    job.refresh_from_db()
    assert job.state == "lost"


def test_a_clock_that_was_put_back_does_not_stop_the_rounds():
    Instance.objects.update_or_create(pk=1, defaults={"swept_at": ago(-3600)})

    assert reaper.claim_run()
    assert not reaper.claim_run()


def test_a_server_that_is_missing_is_lost():
    deployment = make_deployment(missing_since=ago(31))

    assert state_after_reaping(deployment) == "lost"


def test_a_server_that_was_to_stop_and_is_missing_is_stopped():
    deployment = make_deployment(state="stopping", wanted=False, missing_since=ago(31))

    assert state_after_reaping(deployment) == "stopped"


def test_an_unclaimed_job_is_hinted_again(monkeypatch):
    sent = []
    monkeypatch.setattr(agent_tasks, "send", lambda host, command, job: sent.append(job))
    old = make_job(state="starting", dispatched_at=ago(11))
    make_job(state="starting", dispatched_at=ago(2))
    make_job(state="starting", dispatched_at=ago(11), claim_id="n")

    reaper.reap()

    assert sent == [old.pk]
    assert Job.objects.get(pk=old.pk).state == "starting"


def test_of_several_schedulers_one_has_the_round():
    assert [reaper.claim_run() for _ in range(3)] == [True, False, False]
    assert reaper.claim_run(now() + timedelta(seconds=10))


def test_a_job_launched_after_a_failure_is_cancelled():
    made = {"table": "artifact"}
    first, second, third = (
        make_job(state="failed", product=made),
        make_job(product=made),
        make_job(),
    )
    second.after.add(first)
    third.after.add(second)

    assert state_after_reaping(second) == "cancelled"
    third.refresh_from_db()
    assert third.state == "cancelled"
    assert second.message_args == {"job": first.pk, "state": "failed"}


def test_a_job_that_its_host_does_not_accept_is_errored(monkeypatch):
    untaken = make_job(state="starting", dispatched_at=ago(301))
    taken = make_job(state="starting", dispatched_at=ago(301), claim_id="n")
    away = make_job(state="starting", dispatched_at=ago(301), host=make_host(heartbeat_at=ago(60)))

    assert state_after_reaping(untaken) == "errored"
    assert untaken.message_args == {"host": untaken.host.name, "minutes": 5}
    assert [state_after_reaping(job) for job in (taken, away)] == ["starting", "starting"]
