"""After a job: the kinds that use its product, and no form that would refuse the product."""

import pytest

from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.launch.again import next_steps
from jobs.launch.launch import preview
from jobs.models import Job
from jobs.schedule.targets import register
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_artifact, make_deployment, make_host, make_job, make_weights

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

QWEN, LLAMA, R1, SMALL = (
    "deepseek-r1-distill-qwen-7b",
    "deepseek-r1-distill-llama-8b",
    "deepseek-r1",
    "smollm2-135m-instruct",
)


@pytest.fixture
def host():
    return make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8, type="vacc")


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


def kinds(job):
    return [step.kind for step in next_steps(job, job.created_by)]


def test_distill_weights_lead_to_the_host_s_compiler(host):
    job = prepared(host, LLAMA)

    (step, *_others) = next_steps(job, job.created_by)

    assert step.kind == "compile-vacc"
    assert step.raw == {"stack": "guide", "weights": f"job:{job.pk}"}
    assert preview(step.kind, step.raw, host).plan is not None


def test_weights_of_qwen_are_modified_and_then_compiled(host):
    weights = prepared(host, QWEN)
    amended = {**weights.product, "amends": True, "details": {"modification": True}}
    modified = done(host, "apply-modification", {"weights": f"job:{weights.pk}"}, amended)

    assert kinds(weights) == ["apply-modification"]
    assert kinds(modified) == ["compile-vacc"]


def test_the_full_model_is_served_and_never_compiled(host):
    launched = kinds(prepared(host, R1))

    assert launched == ["deploy-vllm", "benchmark-throughput", "benchmark-latency"]


def test_what_vamc_made_is_deployed_with_build_in(host):
    details = {"name": "llama-int8", "tp": 4, "max_input": 1024, "max_total": 2048}
    artifact = make_artifact(host=host, model_id=LLAMA, toolchain="vamc", details=details)
    product = {"type": "artifact", "path": artifact.path}
    params = {"weights": "1", "stack": "guide"}
    job = make_job(
        host=host, kind="compile-vacc", params=params, product=product, state="succeeded"
    )

    assert kinds(job) == ["deploy-build-in"]


def test_a_server_of_vllm_is_measured_as_the_guide_does(host):
    params = {"weights": "1", "stack": "guide"}
    product = {"type": "deployment", "name": "R1", "model_id": R1}
    job = done(host, "deploy-vllm", params, product)
    deployment = make_deployment(job=job, model_id=R1, details=SERVED, artifact=None)

    steps = {step.kind: step.raw for step in next_steps(job, job.created_by)}

    assert list(steps)[:2] == ["benchmark-online", "evaluate-opencompass"]
    assert steps["benchmark-online"]["deployment"] == str(deployment.pk)


def test_a_server_that_is_down_is_not_measured(host):
    product = {"type": "deployment", "name": "R1", "model_id": R1}
    job = done(host, "deploy-vllm", {"weights": "1"}, product)
    make_deployment(job=job, model_id=R1, state="stopped")

    assert kinds(job) == []


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

    assert kinds(job) == ["compile", "convert-weights"]


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
            assert kinds(prepared(host, model.id))[0] == first, model.id
