"""A number keeps what it was measured with."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import DeploymentEvent, Environment
from jobs.plans import Plan, Step
from jobs.services import surroundings
from tests.factories import make_deployment, make_host, make_job

pytestmark = pytest.mark.django_db


def plan_with(command):
    return Plan(kind="benchmark", steps=(Step("measure", (command, "perf")),))


def test_a_result_keeps_the_environments_that_its_commands_ran_in_and_no_others():
    host = make_host(facts={"os": "Debian 13", "kernel": "6.1", "roots": {}})
    for name in ("used", "used-not"):
        Environment.objects.create(
            host=host, name=name, fingerprint=name, path=f"/envs/{name}", versions={"it": "1"}
        )
    job = make_job(host=host, plan=plan_with("/envs/used/bin/evalscope"))

    kept = surroundings.of_job(job)

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

    kept = surroundings.of_job(make_job(host=host, plan=plan_with("true")), [server])

    assert [made["name"] for made in kept["environments"]] == ["engine"]


def beside(job, **fields):
    return surroundings.beside(job, **{"under_test": None, "duration_s": 60.0, **fields})


@pytest.fixture
def measured():
    """A job that ran for a minute, ten minutes ago."""
    return make_job(state="running", started_at=now() - timedelta(minutes=10))


def test_a_host_was_quiet_when_all_else_ended_before_or_began_after(measured):
    start = measured.started_at
    before = {"started_at": start - timedelta(minutes=5), "duration_s": 300.0}
    # Its log arrived long after it had ended.
    make_job(host=measured.host, state="succeeded", **before)
    make_job(host=measured.host, state="running", started_at=start + timedelta(seconds=61))
    make_job(host=measured.host)
    make_job(state="running", started_at=start)

    assert beside(measured) == {"jobs": [], "deployments": []}


def test_jobs_that_ran_meanwhile_are_named(measured):
    late = measured.started_at + timedelta(seconds=50)
    other = make_job(host=measured.host, state="running", started_at=late)

    assert beside(measured)["jobs"] == [other.pk]


def test_servers_that_were_up_are_named_but_for_the_one_under_test(measured):
    own, other, gone = (make_deployment(host=measured.host) for _ in range(3))
    for server in (own, other, gone):
        at = measured.started_at - timedelta(minutes=5)
        DeploymentEvent.objects.create(deployment=server, run=1, state="ready", at=at)
    gone.state, gone.stopped_at = "stopped", measured.started_at - timedelta(minutes=1)
    gone.save()

    assert beside(measured, under_test=own)["deployments"] == [other.name]


def test_a_job_that_never_started_says_nothing():
    assert beside(make_job()) is None
