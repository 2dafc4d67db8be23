"""Jobs after a job: a failed pipeline retried, an evaluation continued, kinds that come next."""

import uuid

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.launch.again import can_resume, next_steps, resume_job, retry_failed_jobs
from jobs.launch.launch import launch, preview
from jobs.launch.pipelines import Options, launch_pipeline
from jobs.models import AuditEntry, Deployment, Job
from jobs.queries.jobs.durations import durations
from jobs.queries.jobs.job_page import chain_of
from jobs.schedule import dispatch, lifecycle
from jobs.schedule.targets import register, target_of
from jobs.tools.lib.variants import TAKE_OVER
from tests.factories import (
    make_artifact,
    make_deployment,
    make_environments,
    make_host,
    make_job,
    make_user,
    make_weights,
)

QWEN, LLAMA, R1, SMALL = (
    "deepseek-r1-distill-qwen-7b",
    "deepseek-r1-distill-llama-8b",
    "deepseek-r1",
    "smollm2-135m-instruct",
)


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


@pytest.mark.postgresql
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


def test_a_queued_environment_is_not_created_twice_and_one_that_failed_once_more(jobs):
    break_at_the_compile(jobs)
    (tool,) = (job for job in jobs if job.kind == "prepare")
    assert Job.objects.get(pk=tool.pk).state == "queued"

    again = retry_failed_jobs(jobs[0].chain, None)

    assert Job.objects.filter(kind="prepare").count() == 1
    assert tool in again[2].after.all()
    fail(tool)
    again = retry_failed_jobs(jobs[0].chain, None)
    assert kinds(again) == ["prepare", "benchmark", "evaluate"]
    assert again[0] in again[1].after.all()


@pytest.mark.postgresql
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


def test_a_retry_reruns_cancelled_jobs_and_dependents_if_there_are_any(jobs):
    for chain in (jobs[0].chain, uuid.uuid4()):
        with pytest.raises(LaunchError):
            retry_failed_jobs(chain, None)
    assert Job.objects.count() == len(jobs)
    lifecycle.ask_cancel(jobs[0].pk, make_user())

    again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds(again) == [
        "prepare-weights",
        *("compile-vacc", "deploy-build-in", "benchmark", "evaluate"),
    ]


@pytest.mark.parametrize("state", ["stopped", "failed", "lost", "ready"])
def test_a_server_that_is_down_is_started_again_for_its_users(jobs, state):
    for job in jobs[:3]:
        succeed(job)
    served, measured, asked = jobs[3], jobs[5], jobs[6]
    Job.objects.filter(pk=served.pk).update(state="succeeded", finished_at=served.created_at)
    Deployment.objects.filter(job=served).update(state=state)
    old = Deployment.objects.get(job=served)
    measured.inputs = {"deployment": {"job": served.pk, "id": old.pk}}  # as when it was dispatched
    measured.save()
    fail(measured), fail(asked)

    *servers, again, asked_again = retry_failed_jobs(jobs[0].chain, None)

    assert kinds([again, asked_again]) == ["benchmark", "evaluate"]
    assert kinds(servers) == ([] if state == "ready" else ["deploy-build-in"])
    for server in servers:
        assert again.inputs == asked_again.inputs == {"deployment": {"job": server.pk}}
        assert set(server.inputs["artifact"]) == {"id"}


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


@pytest.fixture
def stopped():
    """A cancelled evaluation that ran."""
    host = make_host("near")
    make_environments(host)
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


def test_a_button_leads_to_a_job_that_names_the_old_one(client, stopped):
    resume = reverse("job-resume", args=[stopped.pk])
    assert resume in client.get(reverse("job-detail", args=[stopped.pk])).content.decode()

    answer = client.post(resume)

    assert f"continues #{stopped.pk}" in client.get(answer.url).content.decode()
    assert AuditEntry.objects.get(action="job.repeat").detail["resumes"] == stopped.pk


def test_its_duration_is_no_reference(stopped):
    host = stopped.host
    fields = {"host": host, "kind": "evaluate", "title": stopped.title, "params": stopped.params}
    make_job(**fields, state="succeeded", duration_s=5.0, resumed=True)
    assert durations(stopped, host) is None

    make_job(**fields, state="succeeded", duration_s=50.0)

    assert durations(stopped, host).typical_s == 50.0
    assert target_of(host).deployments


SERVED = {
    "max_total": 32768,
    "path": "/nfs/workspace/weights/DeepSeek-R1",
    "container": "vllm_vacc",
    "engine": "vllm",
    "toolchain": "vllm",
    "stack": "guide",
}


def done(host, kind, params, product=None, **fields):
    job = make_job(
        host=host, kind=kind, params=params, product=product, state="succeeded", **fields
    )
    if product and product["type"] != "deployment":
        register(job, product)
    return job


def prepared(host, model, stack="guide", **details):
    product = {
        "type": "weights",
        "model_id": model,
        "precision": "bf16",
        "bytes": 1,
        "sha256": "a" * 64,
        "path": f"/nfs/workspace/weights/{model}",
        "details": details,
    }
    return done(host, "prepare-weights", {"model": model, "stack": stack}, product)


def kinds_of(job):
    return [step.kind for step in next_steps(job, job.created_by)]


def test_distill_weights_lead_to_the_host_s_compiler(host):
    job = prepared(host, LLAMA)

    (step, *_others) = next_steps(job, job.created_by)

    assert step.kind == "compile-vacc"
    assert step.raw == {"stack": "guide", "weights": f"job:{job.pk}"}
    assert preview(step.kind, step.raw, host).plan is not None


def test_weights_of_qwen_are_modified_and_compiled_and_the_full_model_is_served(host):
    weights = prepared(host, QWEN)
    amended = {**weights.product, "amends": True, "details": {"modification": True}}
    modified = done(host, "apply-modification", {"weights": f"job:{weights.pk}"}, amended)

    assert kinds_of(weights) == ["apply-modification"]
    assert kinds_of(modified) == ["compile-vacc"]
    launched = kinds_of(prepared(host, R1))
    assert launched == ["deploy-vllm", "benchmark-throughput", "benchmark-latency"]


def test_what_vamc_made_is_deployed_with_build_in(host):
    details = {"name": "llama-int8", "tp": 4, "max_input": 1024, "max_total": 2048}
    artifact = make_artifact(host=host, model_id=LLAMA, toolchain="vamc", details=details)
    product = {"type": "artifact", "path": artifact.path}
    params = {"weights": "1", "stack": "guide"}
    job = make_job(
        host=host, kind="compile-vacc", params=params, product=product, state="succeeded"
    )

    assert kinds_of(job) == ["deploy-build-in"]


def test_a_server_of_vllm_is_measured_as_the_guide_does_until_it_is_down(host):
    params = {"weights": "1", "stack": "guide"}
    product = {"type": "deployment", "name": "R1", "model_id": R1}
    job = done(host, "deploy-vllm", params, product)
    deployment = make_deployment(job=job, model_id=R1, details=SERVED, artifact=None)

    steps = {step.kind: step.raw for step in next_steps(job, job.created_by)}

    assert list(steps)[:2] == ["benchmark-online", "evaluate-opencompass"]
    assert steps["benchmark-online"]["deployment"] == str(deployment.pk)
    Deployment.objects.update(state="stopped")
    assert kinds_of(Job.objects.get(pk=job.pk)) == []


def test_calibration_data_leads_to_a_compile_that_calibrates(host):
    product = {
        "type": "dataset",
        "name": "c4",
        "path": "/nfs/workspace/datasets/c4",
        "files": 2,
        "bytes": 1,
        "details": {"calibrates": True},
    }
    job = done(host, "prepare-datasets", {"dataset": "c4"}, product)

    (step,) = next_steps(job, job.created_by)

    assert step.raw["precision"] == "int8"
    assert step.raw["calibration"] == f"job:{job.pk}"


def test_on_this_computer_llama_cpp_follows():
    here = make_host()
    weights = make_weights(host=here)
    product = {"type": "weights", "model_id": SMALL, "path": weights.path}
    job = make_job(host=here, kind="prepare", params={}, product=product, state="succeeded")

    assert kinds_of(job) == ["compile", "convert-weights"]


@pytest.mark.parametrize("state", [state for state in Job.State if state != "succeeded"])
def test_only_a_success_leads_on(host, state):
    job = prepared(host, LLAMA)
    Job.objects.filter(pk=job.pk).update(
        state=state, finished_at=None if state in Job.OPEN_STATES else job.finished_at
    )
    job.refresh_from_db()

    assert next_steps(job, job.created_by) == []


def test_params_of_an_older_version_lead_nowhere(host):
    job = prepared(host, LLAMA)
    job.params = {"no such field": 1}

    assert next_steps(job, job.created_by) == []


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_names_kinds_that_there_are(name):
    kind = KINDS[name]
    given = {field: "1" for field, info in kind.Params.model_fields.items() if info.is_required()}

    named = kind.successors(kind.Params.model_validate(given))

    assert set(named) <= KINDS.keys()
    assert name not in named


def test_each_model_of_the_catalogue_leads_along_its_pipeline(host):
    for model in MODELS.values():
        if model.package is None and "build_in" in model.paths:
            first = "apply-modification" if model.modification else "compile-vacc"
            assert kinds_of(prepared(host, model.id))[0] == first, model.id
