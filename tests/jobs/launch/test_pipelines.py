"""Full pipeline of a model as one chain."""

import json

import pytest

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS
from jobs.launch.launch import cancel
from jobs.launch.pipelines import (
    PIPELINES,
    Options,
    checks_of,
    drafts,
    launch_pipeline,
    pipelines_of,
    read_options,
    stages,
)
from jobs.models import Environment, Job
from jobs.plans import fill_text
from jobs.queries.jobs.job_page import dependents
from jobs.schedule import lifecycle
from jobs.schedule.capacity import startable_jobs
from jobs.schedule.targets import target_of
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_guide_weights, make_host, make_weights
from tests.refusals import refused_at

QWEN, LLAMA, R1 = (
    "deepseek-r1-distill-qwen-7b",
    "deepseek-r1-distill-llama-8b",
    "deepseek-r1",
)


SMALL = "smollm2-135m-instruct"


def launched(host, pipeline, model, **options):
    chosen = Options(**options)
    return launch_pipeline(pipeline, model, host=host, stack="guide", user=None, options=chosen)


def kinds(jobs):
    return [job.kind for job in jobs]


def jobs_again(jobs):
    return list(Job.objects.filter(chain=jobs[0].chain).order_by("pk"))


def before(jobs):
    """Kind -> kinds that it waits for."""
    return {job.kind: sorted(job.after.values_list("kind", flat=True)) for job in jobs}


def test_a_distill_goes_build_in_and_the_full_model_pytorch():
    assert [pipeline.id for pipeline in pipelines_of(MODELS[QWEN])] == ["build-in"]
    assert [pipeline.id for pipeline in pipelines_of(MODELS[R1])] == ["pytorch"]
    assert [pipeline.id for pipeline in pipelines_of(MODELS[SMALL])] == ["vllm-cpu"]


@pytest.mark.postgresql
def test_the_build_in_pipeline_is_one_chain_of_rows(host):
    jobs = launch_pipeline("build-in", QWEN, host=host, stack="current", user=None)

    assert kinds(jobs) == [
        "prepare-weights",
        "prepare-datasets",
        "apply-modification",
        "compile-vacc",
        "deploy-build-in",
        "prepare",
        "benchmark",
        "evaluate",
    ]
    assert len({job.chain for job in jobs}) == 1
    waits = before(jobs)
    assert waits["compile-vacc"] == ["apply-modification", "prepare-datasets", "prepare-weights"]
    assert waits["deploy-build-in"] == ["compile-vacc"]
    # In order: a benchmark that fails cancels no evaluation.
    assert waits["evaluate"] == ["benchmark", "deploy-build-in", "prepare"]
    assert {job.params["stack"] for job in jobs if "stack" in job.params} == {"current"}


@pytest.mark.parametrize(
    ("options", "kind"), [({}, "apply-modification"), ({"precision": "fp16"}, "prepare-datasets")]
)
def test_what_a_model_or_a_precision_does_not_need_is_left_out(host, options, kind):
    planned = drafts(PIPELINES["build-in"], MODELS[LLAMA], host, "guide", Options(**options))

    assert kind not in [draft.stage.job.kind for draft in planned]


def test_what_needs_the_dies_alone_comes_before_the_server(host):
    jobs = launched(host, "pytorch", R1)

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


def test_a_stack_without_opencompass_asks_our_own_questions(host):
    planned = drafts(PIPELINES["pytorch"], MODELS[R1], host, "current", Options())

    found = [draft.stage.job.kind for draft in planned]
    assert found[-3:] == ["benchmark-online", "prepare", "evaluate"]
    assert not {"prepare-opencompass", "evaluate-opencompass"} & set(found)


def test_what_is_on_the_host_is_used_and_not_made_again(host):
    weights = make_guide_weights(host=host)
    Environment.objects.create(host=host, name="image:vllm_vacc", fingerprint="x", path="vllm_vacc")

    jobs = launched(host, "pytorch", R1)

    assert not {"prepare-weights", "build-images"} & set(kinds(jobs))
    throughput = next(job for job in jobs if job.kind == "benchmark-throughput")
    assert throughput.inputs == {"weights": {"id": weights.pk}}
    assert list(throughput.after.all()) == []

    current = launch_pipeline("pytorch", R1, host=host, stack="current", user=None)
    assert "build-images" in kinds(current)


def test_the_stages_say_what_exists_before_a_launch(host):
    Environment.objects.create(host=host, name="opencompass", fingerprint="x", path="/e")

    listed = stages(PIPELINES["pytorch"], MODELS[R1], target_of(host), "guide")
    existing = {stage.job.name: stage.there for stage in listed}

    assert existing["opencompass"] is not None
    assert existing["weights"] is None
    assert Job.objects.count() == 0


def test_an_impossible_pipeline_launches_no_job():
    host = make_host("bare", facts={**GUIDE_FACTS, "registry": ""}, slots=8)

    with pytest.raises(LaunchError, match="registry"):
        launch_pipeline("pytorch", R1, host=host, stack="current", user=None)

    assert Job.objects.count() == 0


@pytest.mark.parametrize(("pipeline", "model"), [("pytorch", QWEN), ("x", R1), ("build-in", "x")])
def test_a_pipeline_of_another_model_is_refused(host, pipeline, model):
    with refused_at("pipeline"):
        launch_pipeline(pipeline, model, host=host, stack="guide", user=None)


def test_vllm_on_the_processor_measures_in_turn_and_converts_what_is_no_folder():
    here = make_host()

    def launched_here():
        return launch_pipeline("vllm-cpu", SMALL, host=here, stack="vllm-cpu", user=None)

    jobs = launched_here()

    assert kinds(jobs) == [
        *("prepare", "prepare", "convert-weights", "benchmark-throughput", "benchmark-latency"),
        *("deploy-vllm", "benchmark-online"),
    ]
    waits = before(jobs)
    assert waits["convert-weights"] == ["prepare", "prepare"]
    assert "benchmark-throughput" in waits["benchmark-latency"]
    assert "benchmark-latency" in waits["deploy-vllm"]
    assert {job.params["tp"] for job in jobs if "tp" in job.params} == {1}
    make_weights(host=here, model_id=SMALL)
    folder = make_weights(host=here, model_id=SMALL, details={"format": "safetensors"})
    jobs = launched_here()
    assert "convert-weights" not in kinds(jobs)
    assert {job.params["weights"] for job in jobs if "weights" in job.params} == {str(folder.pk)}


WHOLE = [
    ("build-in", QWEN, "current", Options(precision="both", calibration="ceval")),
    ("build-in", LLAMA, "guide", Options(precision="fp16", as_in_guide=True)),
    ("pytorch", R1, "guide", Options(as_in_guide=True)),
    ("pytorch", R1, "current", Options(concurrency=(1, 4))),
]


@pytest.mark.parametrize(("pipeline", "model", "stack", "options"), WHOLE)
def test_the_preview_lists_exactly_the_jobs_that_are_launched(
    host, pipeline, model, stack, options
):
    previews = drafts(PIPELINES[pipeline], MODELS[model], host, stack, options)

    jobs = launch_pipeline(pipeline, model, host=host, stack=stack, user=None, options=options)

    assert [draft.stage.job.kind for draft in previews] == kinds(jobs)
    numbers = {job.pk: number for number, job in enumerate(jobs, 1)}
    for draft, job in zip(previews, jobs, strict=True):
        assert draft.preview.plan.sha256() == job.plan_sha256, job.kind
        waits = sorted(numbers[pk] for pk in job.after.values_list("pk", flat=True))
        assert [*draft.after] == waits, job.kind


def test_both_precisions_are_measured_in_sequence(host):
    jobs = launched(host, "build-in", LLAMA, precision="both", concurrency=(1, 32))

    compiled = [job for job in jobs if job.kind == "compile-vacc"]
    served = [job for job in jobs if job.kind == "deploy-build-in"]
    asked = [job for job in jobs if job.kind == "evaluate"]
    assert [job.params["precision"] for job in compiled] == ["fp16", "int8"]
    assert [set(job.after.all()) for job in served] == [{compiled[0]}, {compiled[1]}]
    measured = [job for job in jobs if job.kind == "benchmark"]
    assert {measured[0], asked[0]} <= set(compiled[1].after.all())
    assert [job.params["batch_size"] for job in served] == [32, 32]
    assert len({job.params["publish_port"] for job in served}) == 2
    loads = [job.params["concurrency"] for job in jobs if job.kind == "benchmark"]
    assert loads == [[1, 32], [1, 32]]
    # Only int8 is calibrated.
    assert ["dataset" in job.inputs for job in compiled] == [False, True]


@pytest.mark.parametrize("name", ["c4", "ceval", "alpaca"])
def test_each_calibration_set_of_the_guide_can_be_chosen(host, name):
    planned = drafts(PIPELINES["build-in"], MODELS[LLAMA], host, "guide", Options(calibration=name))

    kinds_of = [draft.stage.job.kind for draft in planned]
    data = planned[kinds_of.index("prepare-datasets")]
    assert data.preview.params.dataset == name
    compiled = planned[kinds_of.index("compile-vacc")]
    assert 1 + kinds_of.index("prepare-datasets") in compiled.after


def test_one_switch_makes_every_command_verbatim(host):
    jobs = launched(host, "pytorch", R1, as_in_guide=True)

    switched = {job.kind: job.params["as_in_guide"] for job in jobs if "as_in_guide" in job.params}
    assert len(switched) > 6
    assert set(switched.values()) == {True}
    assert [job.kind for job in jobs if job.kind in switched and job.guide["plan"]] == []
    (served,) = (job for job in jobs if job.kind == "deploy-vllm")
    assert served.plan["port"] == 8000


@pytest.mark.parametrize("exact", [True, False])
def test_a_failing_benchmark_cancels_nothing_and_the_next_job_starts(host, exact):
    jobs = launched(host, "pytorch", R1, as_in_guide=exact)
    by_kind = {job.kind: job for job in jobs}
    latency = by_kind["benchmark-latency"]
    assert by_kind["deploy-vllm"].after.contains(latency)

    for job in jobs[:3]:
        lifecycle.finish_job(job.pk, "succeeded", message=Message("job:succeeded"))
    lifecycle.finish_job(latency.pk, "failed", message=Message("job:failed"))

    assert {job.state for job in jobs_again(jobs)[4:]} == {"queued"}
    assert by_kind["deploy-vllm"].pk in [one.id for one in startable_jobs(host)]


@pytest.mark.parametrize(
    ("kind", "needing"), [("benchmark", []), ("deploy-build-in", ["benchmark", "evaluate"])]
)
def test_cancelling_a_job_of_fp16_cancels_what_needs_it_and_no_job_of_int8(host, kind, needing):
    jobs = launched(host, "build-in", LLAMA, precision="both")
    first = next(job for job in jobs if job.kind == kind)

    named = dependents([first.pk])
    cancel(first.pk, None)

    assert kinds(named) == needing
    assert {*Job.objects.filter(state="cancelled")} == {first, *named}


def test_the_build_in_pipeline_measures_the_chosen_workload_and_evaluation(host):
    jobs = launched(host, "build-in", LLAMA, workload="customer-report", evaluation="guide")

    measured = [job for job in jobs if job.kind == "benchmark"]
    lengths = [(job.params["input_tokens"], job.params["output_tokens"]) for job in measured]
    assert lengths == [(1024, 1024), (4096, 1024), (16384, 1024)]
    assert {(*job.params["concurrency"], job.params["requests"]) for job in measured} == {
        (1, 2, 4, 40)
    }
    assert measured[1].after.contains(measured[0])
    asked = next(job for job in jobs if job.kind == "evaluate-opencompass")
    assert (asked.params["datasets"], asked.params["limit"]) == (
        ["cluewsc", "math_500", "mmlu"],
        0,
    )
    assert {"prepare-opencompass", "prepare-datasets"} <= set(kinds(jobs))


def test_the_server_gets_the_requested_or_a_free_port(host):
    def port(**options):
        previews = drafts(PIPELINES["pytorch"], MODELS[R1], host, "guide", Options(**options))
        (served,) = (draft for draft in previews if draft.stage.job.kind == "deploy-vllm")
        return served.ports["port"]

    assert port() == 0
    assert port(port=8123) == 8123
    assert port(as_in_guide=True) == 8000
    assert port(as_in_guide=True, port=8123) == 8123


def checked(host, pipeline, model, **options):
    """The checks of a pipeline's form: name → their arguments."""
    chosen = PIPELINES[pipeline]
    planned = drafts(chosen, MODELS[model], host, "guide", Options(**options))
    plan, _values = checks_of(chosen, planned)
    found = {}
    for check in plan.checks:
        found.setdefault(check.name, []).append(dict(check.args))
    return found


@pytest.mark.parametrize(
    ("options", "port"), [({"as_in_guide": True}, "8000"), ({"port": 8080}, "8080")]
)
def test_the_form_checks_the_port_of_a_later_server(host, options, port):
    assert checked(host, "pytorch", R1, **options)["port"] == [{"port": port}]


def test_the_form_checks_what_no_job_of_the_chain_makes(host):
    weights = make_guide_weights(host=host)

    found = checked(host, "pytorch", R1)

    assert found["weights"] == [{"path": weights.path}]
    assert "image" not in found  # built by the first job
    assert "endpoint" not in found  # served by a later one
    assert "conda" in found and {"env": "opencompass"} not in found["conda"]


def test_the_form_checks_no_configuration_that_a_compile_writes(host):
    found = checked(host, "build-in", QWEN, precision="both")

    assert not [one for one in found["path"] if one["path"].endswith("_deploy.json")]


@pytest.mark.parametrize(
    ("pipeline", "model", "options"),
    [("build-in", QWEN, {"precision": "both"}), ("pytorch", R1, {})],
)
def test_the_form_adds_up_the_room_that_all_jobs_need(host, pipeline, model, options):
    planned = drafts(PIPELINES[pipeline], MODELS[model], host, "guide", Options(**options))
    plans = [draft.preview.plan for draft in planned if draft.preview and draft.preview.plan]
    each = [dict(check.args) for plan in plans for check in plan.checks if check.name == "disk"]

    last = checked(host, pipeline, model, **options)["disk"][-1]

    before = json.loads(fill_text(last["before"], {}))
    rooms = [int(one["bytes"]) for one in (*before, last)]
    assert rooms == [int(one["bytes"]) for one in each]
    compiled = 30_462_466_048
    assert rooms.count(compiled) == (2 if pipeline == "build-in" else 0)


def test_options_are_read_as_a_form_has_them():
    given = {"precision": "both", "calibration": "alpaca", "concurrency": "1, 4，16"}

    found = read_options({**given, "as_in_guide": "1"}, PIPELINES["build-in"].options)

    chosen = {"precision": "both", "calibration": "alpaca", "concurrency": (1, 4, 16)}
    assert found == (Options(as_in_guide=True, **chosen), {})
    empty = read_options({}, PIPELINES["build-in"].options)
    assert read_options(given, ()) == empty == (Options(), {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("precision", "int4"),
        ("calibration", "sharegpt"),
        ("concurrency", "9999"),
        ("concurrency", "1, x"),
        ("concurrency", "0"),
        ("concurrency", "²"),
        ("concurrency", ",".join(map(str, range(1, 14)))),
        ("bind", "localhost"),
        ("bind", "10.0.0.256"),
        ("bind", "127.0.0.2"),
        ("bind", "169.254.169.254"),
        ("bind", "224.0.0.1"),
        ("port", "80"),
        ("port", "x"),
        ("port", "9" * 5000),
    ],
)
def test_an_option_that_cannot_be_is_refused_at_its_field(field, value):
    options, errors = read_options({field: value, "workload": "saturation"}, (field, "workload"))

    assert ([*errors], options) == ([field], Options(workload="saturation"))
