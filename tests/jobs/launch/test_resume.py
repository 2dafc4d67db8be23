"""A stopped evaluation continues as a new job of the same parameters."""

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.base.errors import LaunchError
from jobs.launch.again import can_resume, resume_job
from jobs.launch.launch import launch
from jobs.models import AuditEntry, Environment, Job
from jobs.queries.jobs.durations import durations
from jobs.schedule.targets import target_of
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.site import site_of
from jobs.tools.lib.variants import TAKE_OVER
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopped():
    """A cancelled evaluation that ran."""
    host = make_host("near")
    for one in ENVIRONMENTS.values():
        about = {"fingerprint": one.fingerprint, "path": one.path(site_of(host.facts))}
        Environment.objects.create(host=host, name=one.name, **about)
    served = make_deployment(job=make_job(host=host, kind="deploy", state="succeeded"))
    raw = {"deployment": str(served.pk), "limit": 10}
    job = launch("evaluate", raw, host=host, user=make_user("anna"))
    over = {
        "state": "cancelled",
        "started_at": now(),
        "finished_at": now(),
        "values": {"job_dir": "/h/spool/7"},
    }
    Job.objects.filter(pk=job.pk).update(**over)
    return Job.objects.get(pk=job.pk)


@pytest.fixture
def client(client):
    client.force_login(make_user("bert"))
    return client


def test_the_new_job_takes_the_answers_of_the_old_one(stopped):
    job = resume_job(stopped.pk, make_user("carl"))

    assert (job.resumed, job.repeats, job.params) == (True, stopped, stopped.params)
    assert [step["name"] for step in job.plan["steps"]] == [TAKE_OVER, "ask"]
    assert "/h/spool/7/work/eval" in job.plan["steps"][0]["argv"]
    assert [step.name for step in job.steps.all()] == [TAKE_OVER, "ask"]


@pytest.mark.parametrize("state", ["failed", "lost", "cancelled"])
def test_every_stopped_evaluation_can_continue(stopped, state):
    stopped.state = state

    assert can_resume(stopped)


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "succeeded"},
        {"state": "running", "finished_at": None},
        {"started_at": None},
        {"values": {}},
        {"kind": "benchmark"},
        {"plan": {}},
    ],
)
def test_other_jobs_cannot_continue(stopped, changed):
    for name, value in changed.items():
        setattr(stopped, name, value)
    stopped.save()

    assert not can_resume(stopped)
    with pytest.raises(LaunchError, match="cannot be continued"):
        resume_job(stopped.pk, None)


def test_the_page_of_a_stopped_job_has_the_button(client, stopped):
    page = client.get(reverse("job-detail", args=[stopped.pk])).content.decode()

    assert reverse("job-resume", args=[stopped.pk]) in page


def test_the_button_leads_to_a_job_that_names_the_old_one(client, stopped):
    answer = client.post(reverse("job-resume", args=[stopped.pk]))

    page = client.get(answer.url).content.decode()
    assert f"continues #{stopped.pk}" in page
    assert AuditEntry.objects.get(action="job.repeat").detail["resumes"] == stopped.pk


def test_its_duration_is_no_reference(stopped):
    host = stopped.host
    fields = {"host": host, "kind": "evaluate", "title": stopped.title, "params": stopped.params}
    make_job(**fields, state="succeeded", duration_s=5.0, resumed=True)
    assert durations(stopped, host) is None

    make_job(**fields, state="succeeded", duration_s=50.0)

    assert durations(stopped, host).typical_s == 50.0
    assert target_of(host).deployments
