"""A computer with everything on it, as kinds see it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.kinds.lib.base import AssetRef, BaselineRun, LevelChoice, Target
from jobs.tools.evalscope.commands import rules_version

DATA = Path(__file__).parent.parent.parent / "data"

WEIGHTS = {
    "model_id": "smollm2-135m-instruct",
    "precision": "Q4_1",
    "path": "/data/host/weights/model.gguf",
    "bytes": 98362432,
    "sha256": "b1" * 32,
}
ARTIFACT = {
    "model_id": "smollm2-135m-instruct",
    "toolchain": "llama.cpp",
    "precision": "int8",
    "label": "Q8_0 from Q4_1",
    "source_precision": "Q4_1",
    "path": "/data/host/artifacts/it's {8} bits.gguf",
    "bytes": 144811072,
    "sha256": "7b" * 32,
}
DEPLOYMENT = {
    "name": "small-int8",
    "url": "http://127.0.0.1:9000",
    "host": "127.0.0.1",
    "model_id": "smollm2",
    "toolchain": "llama.cpp",
}

# Weights as vLLM loads them, and a deployment of vLLM's.
FOLDER = {
    **WEIGHTS,
    "precision": "BF16 from Q4_1",
    "path": "/data/host/weights/{8} bits",
    "format": "safetensors",
}
ON_CPU = {"stack": "vllm-cpu"}
SERVED_BY_VLLM = {
    **DEPLOYMENT,
    "model_id": "smollm2-135m-instruct",
    "toolchain": "vllm",
    "engine": "vllm",
    "stack": "vllm-cpu",
    "host": "127.0.0.1",
    "dies": "0,1",
    "port": "9000",
    "tokenizer": FOLDER["path"],
    "max_input": 2048,
    "max_total": 2048,
    "api_key": "",
}
_SMALL = {"weights": "4", "tp": 1, "max_length": 2048, **ON_CPU}
_SHORT = {"input_tokens": 128, "output_tokens": 64}

# An evaluation with which others may be compared while they run: all correct.
BASELINE = BaselineRun(
    17,
    "small-fp16, basics",
    142,
    f"evalscope 1.14.1, rules {rules_version()}",
    False,
    {"max_tokens": 64, "temperature": 0.0},
    lambda asked: {one.id: True for one in asked},
)

EARLY = {"max_tokens": 64, "stop_early": True, "baseline": "res-17", "margin": 5.0}

# One set of Params a kind (prepare: one for each thing that it prepares) that plans on ``here()``.
PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("prepare", {"what": "weights"}),
    ("prepare", {"what": "environment", "environment": "llama.cpp"}),
    ("prepare", {"what": "environment", "environment": "evalscope"}),
    ("compile", {"weights": "1", "precision": "fp16"}),
    ("compile", {"weights": "job:17", "precision": "int8"}),
    ("deploy", {"artifact": "2"}),
    ("deploy", {"artifact": "2", "reasoning": True, "name": "thinks", "threads": 3}),
    ("prepare", {"what": "environment", "environment": "vllm-cpu"}),
    ("convert-weights", {"weights": "1"}),
    ("convert-weights", {"weights": "job:17"}),
    ("collect-results", {"folder": "/data/a {b} host/runs/H800 结果"}),
    ("deploy-vllm", {"port": 0, **_SMALL}),
    ("deploy-vllm", {"reasoning": False, "name": "plain", **_SMALL}),
    ("benchmark-online", {"deployment": "5", "dataset": "random", **_SHORT, **ON_CPU}),
    ("benchmark-online", {"deployment": "5", "concurrency": (1, 4), **_SHORT, **ON_CPU}),
    ("benchmark-throughput", {**_SMALL, **_SHORT}),
    ("benchmark-latency", {**_SMALL, **_SHORT}),
    ("benchmark", {"deployment": "3"}),
    ("benchmark-guidellm", {"deployment": "3"}),
    ("find-limit", {"deployment": "3", "level": "1"}),
    ("find-limit", {"deployment": "3", "tool": "evalscope", "half_width": 5.0}),
    ("find-limit", {"deployment": "5", "tool": "vllm", "vary": "concurrency"}),
    ("evaluate", {"deployment": "3"}),
    ("evaluate", {"deployment": "3", **EARLY}),
    ("evaluate-evalscope", {"deployment": "3", "source": "folder"}),
    ("evaluate-evalscope", {"deployment": "5", "max_tokens": 64}),
    ("evaluate-opencompass-questions", {"deployment": "3"}),
    ("greedy-probe", {"deployment": "3", "reference": "5"}),
]

# What dispatch and host would fill in.
VALUES = {
    "job": "17",
    "job_dir": "/data/host/spool/17",
    "serve_dir": "/data/host/serve/4",
    "port": "9001",
    **{f"weights.{key}": str(value) for key, value in WEIGHTS.items()},
    **{f"artifact.{key}": str(value) for key, value in ARTIFACT.items()},
    **{f"deployment.{key}": str(value) for key, value in (SERVED_BY_VLLM | DEPLOYMENT).items()},
    **{f"reference.{key}": str(value) for key, value in SERVED_BY_VLLM.items()},
}


def here(facts: Mapping[str, Any] | None = None) -> Target:
    """A host of four cores whose folder has a space and braces in its name."""
    root = "/data/a {b} host"
    return Target(
        name="this-computer",
        type="this-computer",
        facts={
            "roots": {name: f"{root}/{name}" for name in ("weights", "artifacts", "environments")},
            "python": {"path": "/opt/venv/bin/python", "version": "3.12.0"},
            "cpu": {"cores": 4},
            "wheels_dir": None,
            **(facts or {}),
        },
        weights=(
            AssetRef("weights", "weights", id=1, data=WEIGHTS),
            AssetRef("weights", "promised", job=17, data=WEIGHTS),
            AssetRef("weights", "folder", id=4, data=FOLDER),
        ),
        artifacts=(AssetRef("artifact", "artifact", id=2, data=ARTIFACT),),
        deployments=(
            AssetRef("deployment", "deployment", id=3, data=DEPLOYMENT),
            AssetRef("deployment", "of vLLM", id=5, data=SERVED_BY_VLLM),
        ),
        baselines=lambda pk: (BASELINE,) if pk in (None, BASELINE.result) else (),
        levels=lambda: (LevelChoice("1", "chat", {"ttft_p99_ms": 450.0}),),
    )


def files_below(folder: Path) -> dict[str, bytes]:
    """A job's outputs as kinds get them: path below its work folder -> content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
