"""A VACC host with everything on it, as kinds see it."""

from collections.abc import Mapping
from typing import Any

from jobs.kinds.lib.base import AssetRef, Target

QWEN_7B, LLAMA_70B, R1 = (
    "deepseek-r1-distill-qwen-7b",
    "deepseek-r1-distill-llama-70b",
    "deepseek-r1",
)
QWEN_7B_NAME = "DeepSeek-R1-Distill-Qwen-7B"

# Sets of Params that plan on ``vacc_host()``: guide verbatim, corrected, and current.
EXACT = {"stack": "guide", "as_in_guide": True}
CURRENT = {"stack": "current"}
VACC_PARAMS: list[tuple[str, dict[str, Any]]] = [
    ("prepare-weights", {}),
    ("prepare-weights", {"model": R1, "source": "hfd", "connections": 10, **CURRENT}),
    ("prepare-weights", {"source": "modelscope", "checksums": False}),
    ("prepare-weights", {"source": "folder", "token": "", "folder": ""}),
    ("prepare-weights", {"revision": "main", **EXACT}),
    ("apply-modification", {"weights": "1"}),
    ("apply-modification", {"weights": "job:17", "only_show": True, **EXACT}),
    ("apply-modification", {"weights": "1", "undo": True, **CURRENT}),
    ("prepare-datasets", {"dataset": "c4"}),
    ("prepare-datasets", {"dataset": "sharegpt", "source": "hfd", **CURRENT}),
    ("prepare-datasets", {"dataset": "sonnet"}),
    ("prepare-datasets", {"dataset": "opencompass", **EXACT}),
    ("prepare-datasets", {"dataset": "opencompass"}),
    ("prepare-datasets", {"dataset": "ceval", "source": "folder"}),
    ("build-images", EXACT),
    ("build-images", {"no_cache": False}),
    ("build-images", CURRENT),
    ("build-images", {"registry_user": "me", "registry_password": "REGISTRY", **CURRENT}),
    ("prepare-opencompass", EXACT),
    ("prepare-opencompass", {"dataset_source": "modelscope"}),
    ("compile-vacc", {"weights": "1", **EXACT}),
    ("compile-vacc", {"weights": "1", "precision": "int8", "calibration": "5"}),
    ("compile-vacc", {"weights": "2", "precision": "int8", "tp": 8, **CURRENT}),
    ("deploy-build-in", {"artifact": "3"}),
    ("deploy-build-in", {"artifact": "job:18", **CURRENT}),
    ("deploy-vllm", {"weights": "6"}),
    ("deploy-vllm", {"weights": "6", **EXACT}),
    ("deploy-vllm", {"weights": "6", "api_key": "API_KEY", "port": 0, "mtp": True, **CURRENT}),
    ("benchmark-online", {"deployment": "8"}),
    ("benchmark-online", {"deployment": "8", **EXACT}),
    ("benchmark-online", {"deployment": "8", "dataset": "sharegpt", "concurrency": (1, 4)}),
    ("benchmark-online", {"deployment": "9", "dataset": "random", **CURRENT}),
    ("benchmark-online", {"deployment": "9", "as_in_guide": True, **CURRENT}),
    ("benchmark-throughput", {"weights": "6"}),
    ("benchmark-throughput", {"weights": "6", **EXACT}),
    ("benchmark-throughput", {"weights": "6", **CURRENT}),
    ("benchmark-latency", {"weights": "6"}),
    ("benchmark-latency", {"weights": "6", **EXACT}),
    ("benchmark-latency", {"weights": "6", **CURRENT}),
    ("evaluate-opencompass", {"deployment": "8"}),
    ("evaluate-opencompass", {"deployment": "8", "dataset_source": "modelscope", **EXACT}),
    ("evaluate-opencompass", {"deployment": "9", "mmlu": "ten", "limit": 20}),
    ("evaluate-evalscope", {"deployment": "9"}),
    ("evaluate-evalscope", {"deployment": "8", "datasets": ("mmlu",), "limit": 0}),
]
# A deployment of the full model, as the guide's stack serves it here.
SERVED = {
    "name": "DeepSeek-R1",
    "model_id": R1,
    "state": "ready",
    "url": "http://127.0.0.1:8000",
    "host": "127.0.0.1",
    "port": "8000",
    "dies": "0,1",
    "engine": "vllm",
    "stack": "guide",
    "container": "vllm-8",
    "tp": 32,
    "max_input": 32768,
    "max_total": 32768,
    "tokenizer": "/test/weights/DeepSeek-R1",
    "path": "/nfs/a {b} space/weights/DeepSeek-R1",
    "api_key": "",
}


def vacc_host(facts: Mapping[str, Any] | None = None, *, root: str = "/nfs") -> Target:
    """A host of 32 dies whose workspace has a space and braces in its name."""
    workspace = f"{root}/a {{b}} space"
    roots = {
        "weights": f"{workspace}/weights",
        "artifacts": f"{workspace}/vacc_deploy",
        "environments": f"{workspace}/environments",
    }
    folder = f"{roots['artifacts']}/{QWEN_7B_NAME}-int8-tp4-1024-2048"
    return Target(
        name="va16",
        type="vacc",
        facts={
            "arch": "x86_64",
            "conda": "/opt/miniconda3",
            "cpu": {"cores": 64, "avx512": True},
            "dies": [{"id": number} for number in range(32)],
            "modification_dir": f"{workspace}/source_code",
            "mount": "/test",
            "python": {"path": "/usr/bin/python3", "version": "3.10.12"},
            "registry": "registry.lan:5000",
            "roots": roots,
            "tools": [{"name": "hf", "version": "", "path": "/usr/bin/hf"}],
            "workspace": workspace,
            **(facts or {}),
        },
        weights=(
            _weights(QWEN_7B, QWEN_7B_NAME, roots, id=1),
            _weights(LLAMA_70B, "DeepSeek-R1-Distill-Llama-70B", roots, id=2),
            _weights(R1, "DeepSeek-R1", roots, id=6),
            _weights(QWEN_7B, "promised", roots, job=17),
        ),
        artifacts=(
            AssetRef("artifact", "made", id=3, data=_artifact(folder, bytes=7_600_000_000)),
            AssetRef("artifact", "promised", job=18, data=_artifact(folder, bytes="")),
            AssetRef("artifact", "of another tool", id=4, data={"toolchain": "llama.cpp"}),
        ),
        datasets=(
            _dataset("c4", workspace, id=5, calibrates=True),
            _dataset("sonnet", workspace, id=7, calibrates=False),
        ),
        deployments=(
            _deployment(id=8),
            _deployment(
                id=9,
                stack="current",
                container="vllm-9",
                tokenizer="/weights/DeepSeek-R1",
                api_key="API_KEY",
            ),
            _deployment(id=10, engine="vastgenx", stack="current", container=""),
        ),
    )


def vacc_values(target: Target) -> dict[str, str]:
    """Values that dispatch and host would fill in."""
    weights, artifact = target.weights[0].data, target.artifacts[0].data
    return {
        "job": "17",
        "job_dir": "/data/host/spool/17",
        "serve_dir": "/data/host/serve/4",
        "port": "9001",
        "dies": "4,5,6,7",
        "deployment.id": "4",
        "secret:HF_TOKEN": "hf_not_a_real_one",
        "secret:API_KEY": "sk-not-{a}-real one",
        "secret:REGISTRY": "not-a-real-password",
        **{f"deployment.{key}": str(value) for key, value in SERVED.items()},
        **{f"weights.{key}": str(value) for key, value in weights.items()},
        **{f"artifact.{key}": str(value) for key, value in artifact.items()},
    }


def _deployment(*, id: int, **fields: Any) -> AssetRef:
    data = {**SERVED, **fields}
    return AssetRef("deployment", str(data["name"]), id=id, data=data)


def _weights(model_id: str, name: str, roots: Mapping[str, str], **number: int) -> AssetRef:
    data = {
        "model_id": model_id,
        "precision": "bf16",
        "path": f"{roots['weights']}/{name}",
        "bytes": 15_231_233_024,
    }
    return AssetRef("weights", name, data=data, **number)


def _artifact(folder: str, **fields: Any) -> dict[str, Any]:
    return {
        "model_id": QWEN_7B,
        "toolchain": "vamc",
        "precision": "int8",
        "label": "int8 tp4 1024/2048",
        "path": folder,
        "tp": 4,
        "max_input": 1024,
        "max_total": 2048,
        **fields,
    }


def _dataset(name: str, workspace: str, *, id: int, calibrates: bool) -> AssetRef:
    data = {"name": name, "path": f"{workspace}/datasets/{name}", "calibrates": calibrates}
    return AssetRef("dataset", name, id=id, data=data)
