"""A number keeps what it was measured with."""

import pytest

from jobs.models import Environment
from jobs.plans import Plan, Step
from jobs.services import surroundings
from tests.factories import make_host, make_job

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
    }


def test_the_environment_of_the_server_under_test_is_kept_too():
    host = make_host()
    Environment.objects.create(host=host, name="engine", fingerprint="e", path="/envs/engine")
    server = make_job(host=host, plan=plan_with("/envs/engine/bin/python"))

    kept = surroundings.of_job(make_job(host=host, plan=plan_with("true")), [server])

    assert [made["name"] for made in kept["environments"]] == ["engine"]
