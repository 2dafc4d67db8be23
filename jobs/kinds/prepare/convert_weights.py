"""Convert weights for vLLM: a packaged GGUF file to a folder of safetensors."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from jobs.base.messages import Message
from jobs.kinds.lib.base import Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import gguf_choices, site
from jobs.kinds.lib.vacc import model_of_asset
from jobs.plans import Plan
from jobs.tools.lib.environments import VLLM_CPU
from jobs.tools.vllm import serve as vllm


class Params(KindParams):
    """Weights to convert."""

    weights: str = field(..., "Weights", "Model", asset="weights")
    """GGUF file, converted to BF16. Precision lost earlier is not restored."""


class ConvertWeights(Kind, params=Params):
    """Convert a packaged GGUF file to a folder of safetensors."""

    name = "convert-weights"
    title = "Convert weights for vLLM"
    reads = "readings.converted"
    progress = "tools.outputs.progress.tensors"
    family = "prepare"
    has_dies = False
    environment = VLLM_CPU
    leads_to = ("deploy-vllm", "benchmark-throughput", "benchmark-latency")
    programs = vllm.CPU_PROGRAMS

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        return (Message("convert:think_tokens"),)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        return gguf_choices(target) if field == "weights" else None

    def title_of(self, params: Params, target: Target) -> str:
        """ "SmolLM2-135M-Instruct, BF16 from Q4_1"."""
        model = model_of_asset(target.asset("weights", params.weights))
        return f"{model.name}, {_label(params, target)}"

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        return {
            "type": "weights",
            "model_id": target.asset("weights", params.weights).data["model_id"],
            "precision": _label(params, target),
            "path": _folder(params, target),
            "details": {"format": vllm.FORMAT},
        }

    def plan(self, params: Params, target: Target) -> Plan:
        return vllm.unpack_plan(_folder(params, target), _label(params, target), site(target))


def _label(params: Params, target: Target) -> str:
    return vllm.label_of(str(target.asset("weights", params.weights).data["precision"]))


def _folder(params: Params, target: Target) -> str:
    """Return the folder next to the source file, named after the model's hub ID."""
    model = model_of_asset(target.asset("weights", params.weights))
    root = PurePosixPath(site(target).weights, model.id)
    return str(root / f"{model.folder}.{vllm.PRECISION}")
