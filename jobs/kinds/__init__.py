"""The kinds of job, written out: a new kind is a module and a name here."""

from __future__ import annotations

from jobs.kinds import (
    apply_modification,
    benchmark,
    benchmark_latency,
    benchmark_online,
    benchmark_throughput,
    build_images,
    compile,
    compile_vacc,
    convert_weights,
    deploy,
    deploy_build_in,
    deploy_vllm,
    evaluate,
    evaluate_evalscope,
    evaluate_opencompass,
    prepare,
    prepare_datasets,
    prepare_opencompass,
    prepare_weights,
)
from jobs.kinds.base import Kind

KINDS: dict[str, Kind] = {
    "prepare": prepare,
    "prepare-weights": prepare_weights,
    "apply-modification": apply_modification,
    "prepare-datasets": prepare_datasets,
    "build-images": build_images,
    "prepare-opencompass": prepare_opencompass,
    "convert-weights": convert_weights,
    "compile": compile,
    "compile-vacc": compile_vacc,
    "deploy": deploy,
    "deploy-build-in": deploy_build_in,
    "deploy-vllm": deploy_vllm,
    "benchmark": benchmark,
    "benchmark-online": benchmark_online,
    "benchmark-throughput": benchmark_throughput,
    "benchmark-latency": benchmark_latency,
    "evaluate": evaluate,
    "evaluate-opencompass": evaluate_opencompass,
    "evaluate-evalscope": evaluate_evalscope,
}
