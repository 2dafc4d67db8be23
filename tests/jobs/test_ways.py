"""The whole way of a model as one chain."""

from __future__ import annotations

import pytest

from jobs.catalog import MODELS
from jobs.errors import LaunchError
from jobs.models import Environment, Job, Weights
from jobs.toolchains.vacc_site import GUIDE_FACTS
from jobs.ways import WAYS, launch_way, stages, ways_of
from tests.factories import make_host, make_weights

pytestmark = pytest.mark.django_db

QWEN, LLAMA, R1 = (
    "deepseek-r1-distill-qwen-7b",
    "deepseek-r1-distill-llama-8b",
    "deepseek-r1",
)


@pytest.fixture
def host():
    return make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8)


SMALL = "smollm2-135m-instruct"


def kinds(jobs):
    return [job.kind for job in jobs]


def before(jobs):
    """Kind -> kinds that it waits for."""
    return {job.kind: sorted(job.after.values_list("kind", flat=True)) for job in jobs}


def test_a_distill_goes_build_in_and_the_full_model_pytorch():
    assert [way.id for way in ways_of(MODELS[QWEN])] == ["build-in"]
    assert [way.id for way in ways_of(MODELS[R1])] == ["pytorch"]
    assert [way.id for way in ways_of(MODELS[SMALL])] == ["vllm-cpu"]


def test_the_build_in_way_is_one_chain_of_rows(host):
    jobs = launch_way("build-in", QWEN, host=host, stack="current", user=None)

    assert kinds(jobs) == [
        "prepare-weights",
        "prepare-datasets",
        "apply-modification",
        "compile-vacc",
        "deploy-build-in",
        "benchmark",
        "evaluate",
    ]
    assert len({job.chain for job in jobs}) == 1
    waits = before(jobs)
    assert waits["compile-vacc"] == ["apply-modification", "prepare-datasets", "prepare-weights"]
    assert waits["deploy-build-in"] == ["compile-vacc"]
    assert waits["evaluate"] == ["benchmark", "deploy-build-in", "prepare"]
    assert {job.params["stack"] for job in jobs if "stack" in job.params} == {"current"}


def test_a_model_that_needs_no_modification_gets_none(host):
    jobs = launch_way("build-in", LLAMA, host=host, stack="guide", user=None)

    assert "apply-modification" not in kinds(jobs)


def test_what_needs_the_dies_alone_comes_before_the_server(host):
    jobs = launch_way("pytorch", R1, host=host, stack="guide", user=None)

    order = kinds(jobs)
    assert order.index("benchmark-latency") < order.index("deploy-vllm")
    waits = before(jobs)
    assert waits["benchmark-throughput"] == ["build-images", "prepare-weights"]
    assert waits["deploy-vllm"] == ["benchmark-latency", "build-images", "prepare-weights"]
    assert waits["prepare-datasets"] == ["prepare-opencompass"]
    assert waits["evaluate-opencompass"] == [
        "benchmark-online",
        "deploy-vllm",
        "prepare-datasets",
        "prepare-opencompass",
    ]


def test_a_stack_without_opencompass_asks_the_questions_that_ship(host):
    jobs = launch_way("pytorch", R1, host=host, stack="current", user=None)

    assert kinds(jobs)[-2:] == ["benchmark-online", "evaluate"]
    assert not {"prepare-opencompass", "evaluate-opencompass"} & set(kinds(jobs))


def test_what_is_on_the_host_is_used_and_not_made_again(host):
    weights = Weights.objects.create(
        host=host,
        model_id=R1,
        path="/nfs/workspace/weights/DeepSeek-R1",
        precision="fp8",
        bytes=1,
        sha256="a" * 64,
    )
    Environment.objects.create(host=host, name="image:vllm_vacc", fingerprint="x", path="vllm_vacc")

    jobs = launch_way("pytorch", R1, host=host, stack="guide", user=None)

    assert not {"prepare-weights", "build-images"} & set(kinds(jobs))
    throughput = next(job for job in jobs if job.kind == "benchmark-throughput")
    assert throughput.inputs == {"weights": {"id": weights.pk}}
    assert list(throughput.after.all()) == []

    current = launch_way("pytorch", R1, host=host, stack="current", user=None)
    assert "build-images" in kinds(current)


def test_the_stages_say_what_is_there_before_anything_is_launched(host):
    Environment.objects.create(host=host, name="opencompass", fingerprint="x", path="/e")

    seen = stages(WAYS["pytorch"], MODELS[R1], host, "guide")
    found = {stage.link.name: stage.there for stage in seen}

    assert found["opencompass"] is not None
    assert found["weights"] is None
    assert Job.objects.count() == 0


def test_a_way_that_cannot_be_gone_whole_is_not_begun():
    host = make_host("bare", facts={**GUIDE_FACTS, "registry": ""}, slots=8)

    with pytest.raises(LaunchError, match="registry"):
        launch_way("pytorch", R1, host=host, stack="current", user=None)

    assert Job.objects.count() == 0


@pytest.mark.parametrize(("way", "model"), [("pytorch", QWEN), ("x", R1), ("build-in", "x")])
def test_a_way_that_a_model_has_not_is_refused(host, way, model):
    with pytest.raises(LaunchError) as caught:
        launch_way(way, model, host=host, stack="guide", user=None)

    assert caught.value.field == "way"


def test_vllm_on_the_processor_measures_one_thing_after_the_other():
    here = make_host()

    jobs = launch_way("vllm-cpu", SMALL, host=here, stack="vllm-cpu", user=None)

    assert kinds(jobs) == [
        *("prepare", "prepare", "convert-weights", "benchmark-throughput", "benchmark-latency"),
        *("deploy-vllm", "benchmark-online"),
    ]
    waits = before(jobs)
    assert waits["convert-weights"] == ["prepare", "prepare"]
    assert "benchmark-throughput" in waits["benchmark-latency"]
    assert "benchmark-latency" in waits["deploy-vllm"]
    assert {job.params["tp"] for job in jobs if "tp" in job.params} == {1}


def test_vllm_on_the_processor_takes_the_file_and_its_folder_for_what_they_are():
    here = make_host()
    file = make_weights(host=here, model_id=SMALL)
    folder = make_weights(host=here, model_id=SMALL, details={"format": "safetensors"})

    jobs = launch_way("vllm-cpu", SMALL, host=here, stack="vllm-cpu", user=None)

    assert "convert-weights" not in kinds(jobs)
    assert kinds(jobs).count("prepare") == 1  # the environment
    assert {job.params["weights"] for job in jobs if "weights" in job.params} == {str(folder.pk)}
    assert file.pk != folder.pk
