"""The pipelines: their jobs and dependencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.catalog import STACKS, ZooModel
from jobs.catalog.evaluations import EVALUATION_PRESETS
from jobs.catalog.workloads import WORKLOADS
from jobs.kinds.compile.compile_vacc import Params as CompileParams
from jobs.kinds.deploy.deploy_build_in import BATCH_SIZE
from jobs.kinds.lib.lengths import RANDOM
from jobs.launch.pipelines.base import Pipeline, PipelineJob
from jobs.launch.pipelines.existing import (
    dataset,
    environment,
    image,
    modified_weights,
    small_weights,
    weights_of,
)
from jobs.launch.pipelines.options import Options
from jobs.tools.lib.environments import VLLM_CPU
from jobs.tools.vllm.cpu import FORMAT

TEMPLATE = 64  # tokens of a chat template around a random prompt, at most
_LENGTHS = frozenset({"max_answer", "max_length", "max_tokens"})


def _is_large(model: ZooModel) -> bool:
    """Return True for a model served by vLLM on dies, not the packaged small one."""
    return "vllm" in model.paths and model.package is None


def _is_small(model: ZooModel) -> bool:
    """Return True for a model served by vLLM on a processor, from packaged weights."""
    return "vllm" in model.paths and model.package is not None


def _build_in(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """Weights, VACC patch, calibration data; of each precision compile, deploy, benchmark,
    evaluate. Precisions run in sequence, because other work disturbs a benchmark.
    """
    kinds = options.precisions
    jobs = [PipelineJob("weights", "prepare-weights", {"model": model.id}, weights_of(model))]
    if "int8" in kinds:
        data = options.calibration
        jobs.append(PipelineJob("dataset", "prepare-datasets", {"dataset": data}, dataset(data)))
    if model.modification:
        jobs.append(
            PipelineJob(
                "modification",
                "apply-modification",
                {"weights": "@weights"},
                modified_weights(model),
            )
        )
    jobs += _evaluation_tools(options)
    measured: Sequence[str] = ()
    for precision in kinds:
        server, *measurements = _served(precision, options)
        jobs += [_compiled(precision, measured, options), server, *measurements]
        measured = [job.name for job in measurements]
    return jobs


def _compiled(precision: str, measured: Sequence[str], options: Options) -> PipelineJob:
    """In verbatim mode vamc uses existing calibration data: it is prepared first. ``measured``:
    measurements that a compile would disturb."""
    calibration = {"calibration": "@dataset"} if precision == "int8" else {}
    return PipelineJob(
        f"artifact-{precision}",
        "compile-vacc",
        {"weights": "@weights", "precision": precision, **calibration, **_shape(options)},
        after=("modification", *(("dataset",) if calibration else ()), *measured),
    )


def _shape(options: Options) -> Mapping[str, int]:
    """Return the compiled lengths that the chosen workload needs, if it needs longer ones."""
    if not options.workload:
        return {}
    workload, fields = WORKLOADS[options.workload], CompileParams.model_fields
    prompt = max(fields["max_input"].default, _stepped(max(workload.input_tokens) + TEMPLATE))
    answer = _stepped(max(workload.output_tokens))
    return {"max_input": prompt, "max_length": max(fields["max_length"].default, prompt + answer)}


def _stepped(tokens: int) -> int:
    """Return the next multiple of 16, which a compile needs."""
    return -(-tokens // 16) * 16


def _served(precision: str, options: Options) -> list[PipelineJob]:
    """The server, its measurements one after another, its evaluation."""
    deployment = {"deployment": f"@deployment-{precision}"}
    loads = _loads(options)
    room = max([BATCH_SIZE, *(level for load in loads for level in load.get("concurrency", ()))])
    batch = {"batch_size": room} if room > BATCH_SIZE else {}
    jobs = [
        PipelineJob(
            f"deployment-{precision}",
            "deploy-build-in",
            {"artifact": f"@artifact-{precision}", **batch},
        )
    ]
    for number, load in enumerate(loads, 1):
        name = f"benchmark-{precision}" if number == 1 else f"benchmark-{precision}-{number}"
        last = () if number == 1 else (jobs[-1].name,)
        jobs.append(PipelineJob(name, "benchmark", {**deployment, **load}, after=last))
    kind, values = _evaluation(options)
    after = (jobs[-1].name, *(job.name for job in _evaluation_tools(options)))
    jobs.append(PipelineJob(f"evaluation-{precision}", kind, {**deployment, **values}, after=after))
    return jobs


def _loads(options: Options) -> list[Mapping[str, Any]]:
    """Return the benchmarks of the chosen workload: a job for each pair of lengths."""
    if not options.workload:
        return [_load(options)]
    workload = WORKLOADS[options.workload]
    levels = options.concurrency or workload.concurrency
    requests = workload.requests or (workload.requests_each or 1) * max(levels)
    return [
        {
            "prompts": RANDOM,
            "input_tokens": prompt,
            "output_tokens": output,
            "concurrency": levels,
            "requests": requests,
        }
        for output in workload.output_tokens
        for prompt in workload.input_tokens
    ]


def _evaluation(options: Options) -> tuple[str, Mapping[str, Any]]:
    """Return kind and values of the chosen evaluation."""
    if not options.evaluation:
        return "evaluate", {}
    kind, values = next(iter(EVALUATION_PRESETS[options.evaluation].kinds.items()))
    # Their lengths follow the deployment, whose context was compiled.
    values = {name: value for name, value in values.items() if name not in _LENGTHS}
    several = {"datasets": values["datasets"].split(", ")} if "datasets" in values else {}
    return kind, {**values, **several}


def _evaluation_tools(options: Options) -> Sequence[PipelineJob]:
    """Return the jobs that prepare the chosen evaluation, beside its environment."""
    kind, _values = _evaluation(options)
    return _opencompass_tools() if kind == "evaluate-opencompass" else ()


def _load(options: Options) -> Mapping[str, Any]:
    return {"concurrency": options.concurrency} if options.concurrency else {}


def _pytorch(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """Image, weights, both offline benchmarks, then the server, because all need the same dies."""
    address: dict[str, Any] = {"bind": options.bind} if options.bind else {}
    # A port that is free now may be in use in some hours.
    if options.port or not options.as_in_guide:
        address["port"] = options.port

    return [
        PipelineJob("image", "build-images", there=image(stack)),
        PipelineJob("weights", "prepare-weights", {"model": model.id}, weights_of(model)),
        PipelineJob(
            "throughput", "benchmark-throughput", {"weights": "@weights"}, after=("image",)
        ),
        PipelineJob(
            "latency",
            "benchmark-latency",
            {"weights": "@weights"},
            after=("image", "throughput"),
        ),
        PipelineJob(
            "deployment",
            "deploy-vllm",
            {"weights": "@weights", **address},
            after=("image", "latency"),
        ),
        PipelineJob("online", "benchmark-online", {"deployment": "@deployment", **_load(options)}),
        *(_opencompass() if STACKS[stack].evaluation.opencompass else _own_questions()),
    ]


def _vllm_cpu(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """The vLLM pipeline of a VACC host, on a processor and without a container."""
    tool = {"what": "environment", "environment": VLLM_CPU}
    unpacked = small_weights(model, FORMAT)
    return [
        PipelineJob("environment", "prepare", tool, environment(VLLM_CPU)),
        PipelineJob(
            "file", "prepare", {"what": "weights", "model": model.id}, small_weights(model, "")
        ),
        PipelineJob(
            "weights", "convert-weights", {"weights": "@file"}, unpacked, after=("environment",)
        ),
        PipelineJob("throughput", "benchmark-throughput", {"weights": "@weights"}),
        # In sequence, because they would disturb each other.
        PipelineJob("latency", "benchmark-latency", {"weights": "@weights"}, after=("throughput",)),
        PipelineJob("deployment", "deploy-vllm", {"weights": "@weights"}, after=("latency",)),
        PipelineJob(
            "online",
            "benchmark-online",
            {"deployment": "@deployment", "concurrency": options.concurrency or (1, 4)},
        ),
    ]


def _opencompass() -> Sequence[PipelineJob]:
    """The guide's evaluation, its tool and its data."""
    tools = _opencompass_tools()
    return (
        *tools,
        PipelineJob(
            "evaluation",
            "evaluate-opencompass",
            {"deployment": "@deployment"},
            after=("online", *(job.name for job in tools)),
        ),
    )


def _opencompass_tools() -> Sequence[PipelineJob]:
    """OpenCompass and its data."""
    return (
        PipelineJob("opencompass", "prepare-opencompass", there=environment("opencompass")),
        PipelineJob(
            "opencompass-data",
            "prepare-datasets",
            {"dataset": "opencompass"},
            dataset("opencompass"),
            after=("opencompass",),  # unpacked in the checkout, like in the guide
        ),
    )


def _own_questions() -> Sequence[PipelineJob]:
    """Return the evaluation with built-in questions, which need no hub."""
    evaluated = {"deployment": "@deployment"}
    return (PipelineJob("evaluation", "evaluate", evaluated, after=("online",)),)


PIPELINES: dict[str, Pipeline] = {
    pipeline.id: pipeline
    for pipeline in (
        Pipeline(
            "build-in",
            "Build_In",
            lambda model: "build_in" in model.paths,
            _build_in,
            options=(
                "as_in_guide",
                "precision",
                "calibration",
                "concurrency",
                "workload",
                "evaluation",
            ),
        ),
        Pipeline(
            "pytorch",
            "PyTorch",
            _is_large,
            _pytorch,
            options=("as_in_guide", "concurrency", "port", "bind"),
        ),
        Pipeline(
            "vllm-cpu",
            "vLLM on this CPU",
            _is_small,
            _vllm_cpu,
            needs_dies=False,
            options=("concurrency",),
        ),
    )
}
