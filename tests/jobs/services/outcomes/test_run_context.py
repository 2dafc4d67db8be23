"""Run context stored with a result."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import Conversation, DeploymentEvent, Environment, Turn
from jobs.plans import Plan, Step
from jobs.services.intake.heartbeats import load_remarks
from jobs.services.outcomes import stored_results
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = pytest.mark.django_db


def plan_with(command):
    return Plan(kind="benchmark", steps=(Step("measure", (command, "perf")),))


def test_a_result_stores_only_its_own_environments():
    host = make_host(facts={"os": "Debian 13", "kernel": "6.1", "roots": {}})
    for name in ("used", "used-not"):
        Environment.objects.create(
            host=host, name=name, fingerprint=name, path=f"/envs/{name}", versions={"it": "1"}
        )
    job = make_job(host=host, plan=plan_with("/envs/used/bin/evalscope"))

    kept = stored_results.context_of(job)

    assert kept == {
        "host": {"os": "Debian 13", "kernel": "6.1"},
        "environments": [{"name": "used", "fingerprint": "used", "versions": {"it": "1"}}],
        "images": {},
        "programs": {},
        "dies": [],
        "load": {},
    }


def test_the_environment_of_the_server_under_test_is_kept_too():
    host = make_host()
    Environment.objects.create(host=host, name="engine", fingerprint="e", path="/envs/engine")
    server = make_job(host=host, plan=plan_with("/envs/engine/bin/python"))

    kept = stored_results.context_of(make_job(host=host, plan=plan_with("true")), [server])

    assert [made["name"] for made in kept["environments"]] == ["engine"]


def concurrent_load(job, **fields):
    return stored_results.concurrent_load(job, **{"under_test": None, "duration_s": 60.0, **fields})


@pytest.fixture
def measured():
    """Return a job that ran for a minute, ten minutes ago."""
    return make_job(state="running", started_at=now() - timedelta(minutes=10))


def test_work_before_or_after_a_run_does_not_disturb(measured):
    start = measured.started_at
    before = {"started_at": start - timedelta(minutes=5), "duration_s": 300.0}
    # The log arrived long after the end.
    make_job(host=measured.host, state="succeeded", **before)
    make_job(host=measured.host, state="running", started_at=start + timedelta(seconds=61))
    make_job(host=measured.host)
    make_job(state="running", started_at=start)

    assert concurrent_load(measured) == {"jobs": [], "deployments": [], "chats": 0}


def test_jobs_that_ran_meanwhile_are_named(measured):
    late = measured.started_at + timedelta(seconds=50)
    other = make_job(host=measured.host, state="running", started_at=late)

    assert concurrent_load(measured)["jobs"] == [other.pk]


def test_other_running_deployments_are_named(measured):
    own, other, gone = (make_deployment(host=measured.host) for _ in range(3))
    for server in (own, other, gone):
        at = measured.started_at - timedelta(minutes=5)
        DeploymentEvent.objects.create(deployment=server, run=1, state="ready", at=at)
    gone.state, gone.stopped_at = "stopped", measured.started_at - timedelta(minutes=1)
    gone.save()

    assert concurrent_load(measured, under_test=own)["deployments"] == [other.name]


def test_a_job_that_never_started_says_nothing():
    assert concurrent_load(make_job()) is None


def answered(deployment, at, *, state=Turn.State.DONE, seconds=10.0):
    chat = Conversation.objects.create(user=make_user())
    return Turn.objects.create(
        conversation=chat,
        index=0,
        deployment=deployment,
        prompt="?",
        state=state,
        stats={"total_ms": 1000 * seconds},
        created_at=at,
    )


@pytest.mark.postgresql
def test_chat_answers_during_the_run_are_counted(measured):
    own, start = make_deployment(host=measured.host), measured.started_at
    elsewhere = make_deployment()
    answered(own, start - timedelta(seconds=5))  # continued into the run
    answered(own, start + timedelta(seconds=20))
    answered(own, start - timedelta(seconds=30))  # ended before
    answered(own, start + timedelta(seconds=61))
    answered(elsewhere, start + timedelta(seconds=20))

    assert concurrent_load(measured, under_test=own)["chats"] == 2


def test_an_answer_that_is_still_written_counts(measured):
    server = make_deployment(host=measured.host)
    answered(server, measured.started_at - timedelta(minutes=2), state=Turn.State.STREAMING)

    assert concurrent_load(measured)["chats"] == 1


@pytest.mark.parametrize(
    ("mean", "cores", "ids"),
    [(6.5, 2, ["result:host_loaded"]), (3.0, 2, []), (6.5, 64, []), (6.5, None, [])],
)
def test_a_load_above_that_of_the_run_is_remarked(mean, cores, ids):
    load = {"load_1m": {"samples": 4, "mean": mean, "min": 0.1, "max": 9.0}}
    facts = {"cpu": {"cores": cores}} if cores else {}

    assert [remark.id for remark in load_remarks(load, facts)] == ids


def test_an_unreported_load_has_no_remark():
    assert load_remarks({}, {"cpu": {"cores": 2}}) == []
