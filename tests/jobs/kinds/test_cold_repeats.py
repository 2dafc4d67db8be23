"""A benchmark that is run again has the very plan that was previewed, and other seeds."""

import pytest

from jobs.launch.again import retry_job
from jobs.launch.launch import launch, preview
from jobs.models import Environment, Job
from jobs.plans import fill, from_json
from jobs.schedule import agent_tasks, dispatch
from jobs.tools.lib.environments import ENVIRONMENTS
from tests.factories import make_deployment, make_host, make_job

pytestmark = pytest.mark.django_db


def seeds(job):
    plan = fill(from_json(job.plan), {**job.values, "job_dir": "/j"})
    argv = plan.steps[0].argv
    return argv[argv.index("--seeds") + 1]


@pytest.mark.parametrize("seed", [None, 7])
def test_preview_run_and_repeat_are_one_plan(monkeypatch, seed):
    monkeypatch.setattr(agent_tasks, "send", lambda *args: None)
    host = make_host(slots=9)
    environment = ENVIRONMENTS["evalscope"]
    Environment.objects.create(
        host=host, name="evalscope", fingerprint=environment.fingerprint, path="/e/evalscope-1"
    )
    served = make_deployment(job=make_job(host=host, state="succeeded"))
    raw = {"deployment": str(served.pk), "concurrency": [1, 4], "overlap": True, "seed": seed}

    previewed = preview("benchmark", raw, host)
    first = launch("benchmark", raw, host=host, user=None)
    again = retry_job(first.pk, None)
    dispatch.run()

    first, again = (Job.objects.get(pk=job.pk) for job in (first, again))
    assert first.plan_sha256 == again.plan_sha256 == previewed.plan.sha256()
    if seed is None:
        assert seeds(first) == f"1={first.pk}01,4={first.pk}02"
        assert seeds(again) == f"1={again.pk}01,4={again.pk}02"
    else:
        assert seeds(first) == seeds(again) == "1=7,4=7"
