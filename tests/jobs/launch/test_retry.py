"""Retry of a failed pipeline: succeeded jobs are used, the others run again."""

import uuid

import pytest

from jobs.base.errors import LaunchError
from jobs.launch.again import retry_failed_jobs
from jobs.launch.pipeline_definitions import Options
from jobs.launch.pipelines import launch_pipeline
from jobs.models import Deployment, Job
from jobs.queries.jobs.job_page import chain_of
from jobs.schedule import dispatch, lifecycle
from jobs.schedule.targets import register
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_host, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

LLAMA = "deepseek-r1-distill-llama-8b"


@pytest.fixture
def host():
    return make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8)


@pytest.fixture
def jobs(host):
    """Weights, data, compile, deploy, environment, benchmark, evaluate."""
    return launch_pipeline("build-in", LLAMA, host=host, stack="guide", user=None)


def kinds(jobs):
    return [job.kind for job in jobs]


def succeed(job):
    product = {**job.product, "bytes": 1, "sha256": "a" * 64, "files": 1}
    Job.objects.filter(pk=job.pk).update(state="running", product=product)
    job.refresh_from_db()
    register(job, product)
    lifecycle.finish_job(job.pk, "succeeded", message=dispatch.Message("job:running", {}))


def fail(job):
    lifecycle.finish_job(job.pk, "failed", message=dispatch.Message("job:running", {}))


def break_at_the_compile(jobs):
    weights, data, compiled, *_rest = jobs
    succeed(weights), succeed(data), fail(compiled)


def states(jobs):
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_a_retry_reruns_failures_and_dependents(host, jobs):
    break_at_the_compile(jobs)
    assert states(jobs)[2:4] == ["failed", "cancelled"]
    user = make_user("lin")

    again = retry_failed_jobs(jobs[0].chain, user)

    assert kinds(again) == ["compile-vacc", "deploy-build-in", "benchmark", "evaluate"]
    compiled, served, measured, asked = again
    assert {job.chain for job in again} == {jobs[0].chain}
    assert {job.created_by for job in again} == {user}
    assert [job.repeats_id for job in again] == [jobs[2].pk, jobs[3].pk, jobs[5].pk, jobs[6].pk]
    assert [job.plan_sha256 for job in again] == [
        old.plan_sha256 for old in (jobs[2], jobs[3], jobs[5], jobs[6])
    ]
    # Results of succeeded jobs are inputs at once; the others are awaited.
    assert set(compiled.inputs) == {"weights", "dataset"}
    assert all(set(ref) == {"id"} for ref in compiled.inputs.values())
    assert served.inputs == {"artifact": {"job": compiled.pk}}
    assert served.params["artifact"] == f"job:{compiled.pk}"
    assert measured.inputs == {"deployment": {"job": served.pk}}
    after = set(asked.after.values_list("pk", flat=True))
    assert {served.pk, measured.pk} <= after
    assert Deployment.objects.filter(job=served).exists()


def test_a_queued_environment_is_not_created_twice(jobs):
    break_at_the_compile(jobs)
    (tool,) = (job for job in jobs if job.kind == "prepare")
    assert Job.objects.get(pk=tool.pk).state == "queued"

    again = retry_failed_jobs(jobs[0].chain, None)

    assert Job.objects.filter(kind="prepare").count() == 1
    assert tool in again[2].after.all()


def test_a_chain_counts_the_last_attempt_in_place_of_the_first(jobs):
    break_at_the_compile(jobs)
    again = retry_failed_jobs(jobs[0].chain, None)
    fail(again[0])

    third = retry_failed_jobs(jobs[0].chain, None)

    chain = chain_of(jobs[0].chain)
    assert kinds(chain.jobs) == kinds(jobs)
    assert chain.jobs[2] == third[0]
    assert chain.earlier[third[0].pk] == (again[0], jobs[2])
    assert third[1].inputs == {"artifact": {"job": third[0].pk}}
    assert chain.broken == ()


def test_a_retry_reruns_cancelled_jobs_and_dependents(jobs):
    lifecycle.ask_cancel(jobs[0].pk, make_user())

    again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds(again) == [
        "prepare-weights",
        *("compile-vacc", "deploy-build-in", "benchmark", "evaluate"),
    ]


def test_an_environment_that_failed_is_made_again_once(jobs):
    (tool,) = (job for job in jobs if job.kind == "prepare")
    fail(tool)

    again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds(again) == ["prepare", "benchmark", "evaluate"]
    assert again[0] in again[1].after.all()


def test_a_chain_of_which_nothing_broke_is_not_started_again(jobs):
    with pytest.raises(LaunchError):
        retry_failed_jobs(jobs[0].chain, None)
    with pytest.raises(LaunchError):
        retry_failed_jobs(uuid.uuid4(), None)

    assert Job.objects.count() == len(jobs)


@pytest.mark.parametrize("state", ["stopped", "failed", "lost"])
def test_a_stopped_server_is_started_again_for_its_users(host, jobs, state):
    for job in jobs[:3]:
        succeed(job)
    served, measured, asked = jobs[3], jobs[5], jobs[6]
    Job.objects.filter(pk=served.pk).update(state="succeeded", finished_at=served.created_at)
    Deployment.objects.filter(job=served).update(state=state)
    old = Deployment.objects.get(job=served)
    measured.inputs = {"deployment": {"job": served.pk, "id": old.pk}}  # as when it was dispatched
    measured.save()
    fail(measured), fail(asked)

    again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds(again) == ["deploy-build-in", "benchmark", "evaluate"]
    assert [job.inputs["deployment"] for job in again[1:]] == [{"job": again[0].pk}] * 2
    assert set(again[0].inputs["artifact"]) == {"id"}


def test_a_server_that_is_up_is_used_as_it_is(host, jobs):
    for job in jobs[:3]:
        succeed(job)
    served, measured, asked = jobs[3], jobs[5], jobs[6]
    Job.objects.filter(pk=served.pk).update(state="succeeded", finished_at=served.created_at)
    Deployment.objects.filter(job=served).update(state="ready")
    fail(measured), fail(asked)

    again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds(again) == ["benchmark", "evaluate"]


def test_a_server_that_nothing_broken_uses_stays_down(jobs):
    served = jobs[3]
    for job in jobs[:3]:
        succeed(job)
    Job.objects.exclude(pk__in=[job.pk for job in jobs[:3]]).update(
        state="succeeded", finished_at=served.created_at
    )
    Deployment.objects.filter(job=served).update(state="stopped")

    with pytest.raises(LaunchError):
        retry_failed_jobs(jobs[0].chain, None)


def test_of_two_precisions_only_the_one_that_broke_runs_again(host):
    options = Options(precision="both")
    jobs = launch_pipeline("build-in", LLAMA, host=host, stack="guide", user=None, options=options)
    compiled = [job for job in jobs if job.kind == "compile-vacc"]
    for job in jobs[:2]:
        succeed(job)
    succeed(compiled[0])
    fail(compiled[1])

    again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds(again) == ["compile-vacc", "deploy-build-in", "benchmark", "evaluate"]
    assert again[0].params["precision"] == "int8"
    # The other server needs nothing of it.
    assert {job.state for job in Job.objects.filter(pk__in=[job.pk for job in jobs[3:7]])} == {
        "queued"
    }
