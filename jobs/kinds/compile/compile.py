"""Compile: convert a model's weights to another precision."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jobs.catalog import MODELS
from jobs.kinds.lib.base import Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import gguf_choices, site
from jobs.plans import Plan
from jobs.tools.lib.environments import LLAMA_CPP
from jobs.tools.llama_cpp import commands as llama_cpp


class Params(KindParams):
    """Weights to convert, and the target precision."""

    weights: str = field(..., "Weights", "Model", asset="weights")
    """Weights to convert. Precision lost earlier is not restored."""
    precision: Literal["fp16", "int8"] = field("int8", "Precision", "Model")
    """fp16: 16 bits per weight. int8: 8 bits per weight, one scale per block of 32 (Q8_0)."""


class Compile(Kind, params=Params):
    """Convert a model's weights to another precision."""

    name = "compile"
    title = "Compile"
    reads = "readings.compiled"
    progress = "tools.outputs.progress.tensors"
    family = "compile"
    has_dies = False
    environment = LLAMA_CPP
    programs = llama_cpp.PROGRAMS
    steps = llama_cpp.STEPS
    leads_to = ("deploy",)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "precision":
            return [Choice("int8", "int8"), Choice("fp16", "fp16")]
        return gguf_choices(target) if field == "weights" else None

    def title_of(self, params: Params, target: Target) -> str:
        """ "SmolLM2-135M-Instruct, int8"."""
        model_id = str(target.asset("weights", params.weights).data["model_id"])
        model = MODELS.get(model_id)
        return f"{model.name if model else model_id}, {params.precision}"

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        """An artifact, whose label names the precision of its source too."""
        source = target.asset("weights", params.weights).data
        return {
            "type": "artifact",
            "model_id": source["model_id"],
            "toolchain": llama_cpp.NAME,
            "precision": params.precision,
            "label": f"{llama_cpp.FILE_TYPES[params.precision]} from {source['precision']}",
            "source_precision": source["precision"],
        }

    def plan(self, params: Params, target: Target) -> Plan:
        source = target.asset("weights", params.weights).data
        return llama_cpp.compile_plan(
            str(source["model_id"]), params.precision, str(source["precision"]), site(target)
        )
