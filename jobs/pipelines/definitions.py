"""The pipelines: their jobs and dependencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.catalog import STACKS, ZooModel
from jobs.kinds.deploy.deploy_build_in import BATCH_SIZE
from jobs.pipelines.base import Pipeline, PipelineJob
from jobs.pipelines.existing import (
    dataset,
    environment,
    image,
    modified_weights,
    small_weights,
    weights_of,
)
from jobs.pipelines.options import Options
from jobs.toolchains.environments import VLLM_CPU
from jobs.toolchains.vllm.vllm_cpu import FORMAT


def _is_large(model: ZooModel) -> bool:
    """Return True for a model served by vLLM on dies, not the packaged small one."""
    return "vllm" in model.paths and model.package is None


def _is_small(model: ZooModel) -> bool:
    """Return True for a model served by vLLM on a processor, from packaged weights."""
    return "vllm" in model.paths and model.package is not None


def _build_in(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """Weights, VACC patch, calibration data, compile; then deploy, benchmark, evaluate. Precisions
    run in sequence, because other work disturbs a benchmark.
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
    jobs += [_compiled(precision) for precision in kinds]
    before = [f"artifact-{precision}" for precision in kinds]
    for precision in kinds:
        jobs += _served(precision, before, options)
        before = [f"benchmark-{precision}", f"evaluation-{precision}"]
    return jobs


def _compiled(precision: str) -> PipelineJob:
    """In verbatim mode vamc uses existing calibration data: it is prepared first."""
    calibration = {"calibration": "@dataset"} if precision == "int8" else {}
    return PipelineJob(
        f"artifact-{precision}",
        "compile-vacc",
        {"weights": "@weights", "precision": precision, **calibration},
        after=("modification", *(("dataset",) if calibration else ())),
    )


def _served(precision: str, before: Sequence[str], options: Options) -> list[PipelineJob]:
    deployment = {"deployment": f"@deployment-{precision}"}
    room = max([*options.concurrency, BATCH_SIZE])
    batch = {"batch_size": room} if room > BATCH_SIZE else {}
    return [
        PipelineJob(
            f"deployment-{precision}",
            "deploy-build-in",
            {"artifact": f"@artifact-{precision}", **batch},
            after=tuple(before),
        ),
        PipelineJob(f"benchmark-{precision}", "benchmark", {**deployment, **_load(options)}),
        # Dispatch separates both: a failed benchmark does not cancel the evaluation.
        PipelineJob(f"evaluation-{precision}", "evaluate", deployment),
    ]


def _load(options: Options) -> Mapping[str, Any]:
    return {"concurrency": options.concurrency} if options.concurrency else {}


def _pytorch(model: ZooModel, stack: str, options: Options) -> Sequence[PipelineJob]:
    """Image, weights, both offline benchmarks, then the server, because all need the same dies."""
    address: dict[str, Any] = {"bind": options.bind} if options.bind else {}
    # A port that is free now may be in use in some hours.
    if options.port or not options.as_in_guide:
        address["port"] = options.port

    def order(measured: str) -> tuple[str, ...]:
        """Return dependencies that only keep benchmarks in order.

        Verbatim benchmarks are known to fail, which would cancel dependent jobs. There the queue
        keeps the order, because each needs all dies.
        """
        return () if options.as_in_guide and stack == "guide" else (measured,)

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
            after=("image", *order("throughput")),
        ),
        PipelineJob(
            "deployment",
            "deploy-vllm",
            {"weights": "@weights", **address},
            after=("image", *order("latency")),
        ),
        PipelineJob("online", "benchmark-online", {"deployment": "@deployment", **_load(options)}),
        *(
            _opencompass(order("online"))
            if STACKS[stack].evaluation.opencompass
            else _own_questions(order("online"))
        ),
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


def _opencompass(order: tuple[str, ...]) -> Sequence[PipelineJob]:
    """The guide's evaluation, its tool and its data."""
    return (
        PipelineJob("opencompass", "prepare-opencompass", there=environment("opencompass")),
        PipelineJob(
            "dataset",
            "prepare-datasets",
            {"dataset": "opencompass"},
            dataset("opencompass"),
            after=("opencompass",),  # unpacked in the checkout, like in the guide
        ),
        PipelineJob(
            "evaluation",
            "evaluate-opencompass",
            {"deployment": "@deployment"},
            after=(*order, "opencompass", "dataset"),
        ),
    )


def _own_questions(order: tuple[str, ...]) -> Sequence[PipelineJob]:
    """Return the evaluation with built-in questions, which need no hub."""
    return (PipelineJob("evaluation", "evaluate", {"deployment": "@deployment"}, after=order),)


PIPELINES: dict[str, Pipeline] = {
    pipeline.id: pipeline
    for pipeline in (
        Pipeline(
            "build-in",
            "Build_In",
            lambda model: "build_in" in model.paths,
            _build_in,
            options=("as_in_guide", "precision", "calibration", "concurrency"),
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
