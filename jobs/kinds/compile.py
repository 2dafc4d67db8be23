"""Compile weights: to another precision, and for VACC with vamc."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, ZooModel
from jobs.catalog.limits import Wish
from jobs.kinds.lib import vacc
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import NAME, asset_choices, gguf_choices, site
from jobs.plans import Plan
from jobs.tools.lib.environments import LLAMA_CPP
from jobs.tools.llama_cpp import commands as llama_cpp
from jobs.tools.vacc import build_in
from jobs.tools.vacc.downloads import DATASETS


class CompileParams(KindParams):
    """Weights to convert, and the target precision."""

    weights: str = field(..., "Weights", "Model", asset="weights")
    """Weights to convert. Precision lost earlier is not restored."""
    precision: Literal["fp16", "int8"] = field("int8", "Precision", "Model")
    """fp16: 16 bits per weight. int8: 8 bits per weight, one scale per block of 32 (Q8_0)."""


class Compile(Kind, params=CompileParams):
    """Convert a model's weights to another precision."""

    name = "compile"
    title = "Compile"
    good_for = "Another precision for llama.cpp: int8 takes half of the memory of fp16."
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

    def title_of(self, params: CompileParams, target: Target) -> str:
        """ "SmolLM2-135M-Instruct, int8"."""
        model_id = str(target.asset("weights", params.weights).data["model_id"])
        model = MODELS.get(model_id)
        return f"{model.name if model else model_id}, {params.precision}"

    def product(self, params: CompileParams, target: Target) -> Mapping[str, Any] | None:
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

    def plan(self, params: CompileParams, target: Target) -> Plan:
        source = target.asset("weights", params.weights).data
        return llama_cpp.compile_plan(
            str(source["model_id"]), params.precision, str(source["precision"]), site(target)
        )


_INT8 = ("precision", "int8")
_VERSION: dict[str, Any] = {"max_length": 30, "pattern": r"^$|^[0-9][0-9A-Za-z.]*$"}


class VaccCompileParams(vacc.VaccParams):
    """Weights to compile, and the target. Lengths are in tokens."""

    weights: str = field(..., "Weights", "Model", asset="weights")
    """Weights of a distill; Qwen distills need the VACC patch."""
    precision: Literal["fp16", "int8"] = field("fp16", "Precision", "Model")
    """fp16: 16 bits per weight. int8: 8 bits per weight, 16 per activation (w8a16)."""
    name: str = field("", "Name", "Model", max_length=120, pattern=NAME)
    """Result folder and model name in the API. Empty: derived from the settings."""
    max_input: int = field(
        *(1024, "Prompt", "Shape", "tokens"), ge=16, le=131072, of_model=("build_in", "max_input")
    )
    """Max prompt length, fixed at compile time. A multiple of 16."""
    max_length: int = field(
        *(2048, "Prompt and output", "Shape", "tokens"),
        ge=16,
        le=131072,
        of_model=("build_in", "max_length"),
    )
    """Prompt and output, fixed at compile time. A multiple of 16."""
    tp: int = field(4, "Tensor parallel size", "Shape", "dies", ge=1, le=64)
    """Dies per copy of the model."""
    b2s: bool = field(True, "b2s", "Shape")
    """Batch to sequence: on for throughput, off for single-request latency."""
    align_qkv: Literal["auto", "on", "off"] = field("auto", "align_qkv", "Shape")
    """Needed if the dies cannot share the KV heads evenly. auto: as the model requires."""
    quantization: Literal["w8a16_gptq", "w16kv8"] = field(
        "w8a16_gptq", "Quantisation", "Calibration", when=_INT8
    )
    """Quantisation method of the weights; the vendor's distill files use gptq."""
    calibration: str = field("", "Calibration data", "Calibration", when=_INT8, asset="dataset")
    """Calibration data. Empty: vamc chooses its own."""
    samples: int = field(128, "Samples", "Calibration", ge=1, le=100_000, when=_INT8)
    """Number of calibration samples."""
    sample_tokens: int = field(
        0, "Sample length", "Calibration", "tokens", ge=0, le=131072, when=_INT8
    )
    """Sample length. 0: 1024 for c4, 128 for C-Eval, 512 for Alpaca."""
    device: str = field(
        *("", "Device", "Calibration"),
        max_length=16,
        pattern=r"^$|^cpu$|^cuda(:[0-9]{1,2})?$",
        when=_INT8,
    )
    """Calibration device: cuda:0, cpu. Empty: vamc's choice, a CUDA card."""
    true_sequential: bool = field(False, "true_sequential", "Calibration", when=_INT8)
    """Quantise the parts of a layer in sequence: slower, possibly more accurate."""
    vacc_files: bool = field(True, "Patched model files", "Compiler")
    """model_arch vacc: use the vendor's patched model files in the weights folder."""
    frontend_dtype: Literal["", "float16", "bfloat16", "float32"] = field(
        "", "frontend.dtype", "Compiler"
    )
    """frontend.dtype: data type for reading weights. Empty: omitted."""
    merge_params: bool = field(True, "merge_params", "Compiler")
    """backend.merge_params."""
    remove_params: bool = field(False, "remove_params", "Compiler")
    """backend.remove_params; omitted if off."""
    data_type: int = field(0, "data_type", "Compiler", ge=0, le=16)
    """backend.compile.data_type: 0 in all language model files."""
    gather_data: bool = field(True, "gather_data_vccl_dsp", "Compiler")
    """gather_data_vccl_dsp_enable: reduces memory during compilation."""
    workers: int = field(4, "Workers", "Compiler", ge=1, le=256)
    """workspace.workers: compile processes."""
    stack_size: int = field(0, "Stack size", "Compiler", ge=0, le=65536)
    """VACC_STACK_SIZE. 0: 256 for models of 32 billion parameters or more."""
    env_recheck: bool = field(False, "env_recheck", "Workspace")
    """workspace.env_recheck; omitted if off."""
    save_log: bool = field(False, "save_log", "Workspace")
    """workspace.save_log: vamc also writes its own log file."""
    enable_ir: bool = field(False, "enable_ir", "Workspace")
    """workspace.enable_ir; omitted if off."""
    transformers: str = field("", "transformers", "Workspace", **_VERSION)
    """workspace.pyenv: transformers version that vamc requires."""
    huggingface_hub: str = field("", "huggingface-hub", "Workspace", **_VERSION)
    """workspace.pyenv: huggingface-hub version that vamc requires."""


class CompileVacc(vacc.OnVacc, params=VaccCompileParams):
    """Compile a distill with vamc, for one shape and number of dies."""

    name = "compile-vacc"
    title = "Compile for VACC"
    good_for = "A distill for Build_In, for fixed lengths and a number of dies."
    reads = "readings.compiled_for_vacc"
    progress = "tools.outputs.progress.compiled"
    family = "compile"
    programs = build_in.COMPILE_PROGRAMS
    steps = build_in.COMPILE_STEPS
    leads_to = ("deploy-build-in",)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "weights":
            models = [(ref, MODELS.get(str(ref.data["model_id"]))) for ref in target.weights]
            return asset_choices(
                ref for ref, model in models if model is not None and "build_in" in model.paths
            )
        if field == "calibration":
            there = asset_choices(ref for ref in target.datasets if ref.data.get("calibrates"))
            return [Choice("", _("None")), *there]
        return super().choices(field, target)

    def notes(self, params: VaccCompileParams, target: Target) -> Sequence[Message]:
        model, exact = _model(params, target), vacc.is_exact(params)
        folder, wish = vacc.vacc_site(target).artifacts, _wish(params, model)
        notes = [
            Message("guide:yaml_filled" if exact else "guide:yaml_made", {"folder": folder}),
            Message("guide:folder_looked_at"),
        ]
        if not exact:
            if wish.align_qkv and params.align_qkv == "auto":
                heads = model.architecture.num_key_value_heads
                notes.append(Message("guide:align_qkv_set", {"heads": heads, "tp": params.tp}))
            if wish.stack_size:
                notes.append(Message("guide:stack_size_set", {"size": wish.stack_size}))
            if params.precision == "int8" and params.device != "cpu":
                notes.append(Message("guide:int8_cuda"))
            if params.precision == "int8" and not params.calibration:
                notes.append(Message("guide:no_calibration"))
        for limited in vacc.limit_notes(model, vacc.stack_of(params), wish, exact=exact):
            # In verbatim mode no flag can be set: the note says how the command fails.
            fails = exact and limited.id == "limit:align_qkv"
            notes.append(Message("guide:align_qkv_fails", limited.args) if fails else limited)
        # The folder is named by model, precision and lengths: other settings overwrite it.
        path = f"{folder}/{_name(params, model)}"
        if any(ref.data.get("path") == path for ref in target.artifacts):
            notes.append(Message("guide:folder_replaced", {"path": path}))
        return notes

    def title_of(self, params: VaccCompileParams, target: Target) -> str:
        return _name(params, _model(params, target))

    def inputs(self, params: VaccCompileParams, target: Target) -> Mapping[str, AssetRef]:
        refs = {"weights": target.asset("weights", params.weights)}
        if _calibrates(params):
            refs["dataset"] = target.asset("dataset", params.calibration, "calibration")
        return refs

    def product(self, params: VaccCompileParams, target: Target) -> Mapping[str, Any] | None:
        model = _model(params, target)
        folder = _name(params, model)
        return {
            "type": "artifact",
            "model_id": model.id,
            "toolchain": build_in.COMPILER,
            "precision": params.precision,
            "label": label_of(params),
            "source_precision": target.asset("weights", params.weights).data["precision"],
            "path": f"{vacc.vacc_site(target).artifacts}/{folder}",
            "details": details_of(params, folder),
        }

    def plan(self, params: VaccCompileParams, target: Target) -> Plan:
        """Compile, then verify the artifact. In verbatim mode, the file has only the fields of the
        vendor's two files."""
        model, exact = _model(params, target), vacc.is_exact(params)
        wish = _wish(params, model)
        if not exact:
            fields = {"path": "weights", "concurrency": "max_length"}
            vacc.refuse_limits(model, vacc.stack_of(params), wish, fields)
        settings, calibration = params, None
        if exact:
            kept = {"weights", "precision", "tp", "max_input", "max_length"}
            settings = VaccCompileParams(**params.model_dump(include=kept))
        elif _calibrates(params):
            data = target.asset("dataset", params.calibration, "calibration").data
            name = str(data["name"])
            if name not in DATASETS or not DATASETS[name].calibrates:
                message = _("vamc does not support this calibration data.")
                raise LaunchError(message, "calibration")
            calibration = (name, str(data["path"]))
        return build_in.compile_plan(
            *(vacc.build_in_of(params), settings, vacc.vacc_site(target)),
            model=model,
            name=_name(params, model),
            checkpoint=str(target.asset("weights", params.weights).data["path"]),
            calibration=calibration,
            align_qkv=wish.align_qkv,
            stack_size=wish.stack_size,
            exact=exact,
        )


def _calibrates(params: VaccCompileParams) -> bool:
    return bool(params.calibration) and params.precision == "int8" and not vacc.is_exact(params)


def _wish(params: VaccCompileParams, model: ZooModel) -> Wish:
    tools, exact = vacc.build_in_of(params), vacc.is_exact(params)
    uneven = model.architecture.num_key_value_heads % params.tp != 0
    large = model.parameters >= tools.stack_size_from_parameters
    aligns = params.align_qkv == "on" or (params.align_qkv == "auto" and uneven)
    return Wish(
        path="build_in",
        tp=params.tp,
        precision=params.precision,
        max_input=params.max_input,
        max_length=params.max_length,
        concurrency=1,
        compiles=True,
        align_qkv=aligns and not exact,
        stack_size=0 if exact else params.stack_size or (tools.stack_size if large else 0),
    )


def _name(params: VaccCompileParams, model: ZooModel) -> str:
    shape = f"{params.max_input}-{params.max_length}"
    return params.name or f"{model.folder}-{params.precision}-tp{params.tp}-{shape}"


def label_of(params: VaccCompileParams) -> str:
    """Return the artifact in words: "int8 tp4 2048/4096"."""
    return f"{params.precision} tp{params.tp} {params.max_input}/{params.max_length}"


def details_of(params: VaccCompileParams, folder: str) -> dict[str, Any]:
    return {
        "name": folder,
        "stack": params.stack,
        "tp": params.tp,
        "max_input": params.max_input,
        "max_total": params.max_length,
    }


def _model(params: VaccCompileParams, target: Target) -> ZooModel:
    model = vacc.model_of_asset(target.asset("weights", params.weights))
    if "build_in" not in model.paths:
        message = _("%(model)s needs no compilation. Deploy it directly.")
        raise LaunchError(message, "weights", model=model.name)
    return model
