"""Compile for VACC: vamc compiles a distill for one shape and number of dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, Stack, ZooModel
from jobs.catalog.limits import Wish
from jobs.catalog.stacks_schema import BuildIn
from jobs.kinds.lib import limits
from jobs.kinds.lib.base import AssetRef, Choice, Target
from jobs.kinds.lib.common import asset_choices, name_field
from jobs.kinds.lib.vacc import OnVacc, VaccParams, is_exact, model_of_asset, stack_of, vacc_site
from jobs.plans import Plan
from jobs.tools.vacc import vamc
from jobs.tools.vacc.datasets import DATASETS
from jobs.tools.vacc.vamc import Calibration, Compiling

# vamc's samples, by calibration data.
_CALIBRATION_LENGTHS = {"c4": 1024, "ceval": 128, "alpaca": 512}
# Of fields that count only for int8.
_INT8: dict[str, Any] = {"group": "Calibration", "when": ["precision", "int8"]}
_FIELDS = {"path": "weights", "concurrency": "max_length"}


def _version_field(package: str) -> Any:
    return Field(
        "",
        max_length=30,
        pattern=r"^$|^[0-9][0-9A-Za-z.]*$",
        description=f"workspace.pyenv: {package} version that vamc requires.",
        json_schema_extra={"label": package, "group": "Workspace"},
    )


class Params(VaccParams):
    """Weights to compile, and the target. Lengths are in tokens."""

    weights: str = Field(
        description="Weights of a distill; Qwen distills need the VACC patch.",
        json_schema_extra={"label": "Weights", "group": "Model", "asset": "weights"},
    )
    precision: Literal["fp16", "int8"] = Field(
        "fp16",
        description="fp16: 16 bits per weight. int8: 8 bits per weight, 16 per activation (w8a16).",
        json_schema_extra={"label": "Precision", "group": "Model"},
    )
    name: str = name_field(
        "Result folder and model name in the API. Empty: derived from the settings.", max_length=120
    )
    max_input: int = Field(
        1024,
        ge=16,
        le=131072,
        description="Max prompt length, fixed at compile time. A multiple of 16.",
        json_schema_extra={
            "label": "Prompt",
            "unit": "tokens",
            "group": "Shape",
            "of_model": ["build_in", "max_input"],
        },
    )
    max_length: int = Field(
        2048,
        ge=16,
        le=131072,
        description="Prompt and output, fixed at compile time. A multiple of 16.",
        json_schema_extra={
            "label": "Prompt and output",
            "unit": "tokens",
            "group": "Shape",
            "of_model": ["build_in", "max_length"],
        },
    )
    tp: int = Field(
        4,
        ge=1,
        le=64,
        description="Dies per copy of the model.",
        json_schema_extra={"label": "Tensor parallel size", "unit": "dies", "group": "Shape"},
    )
    b2s: bool = Field(
        True,
        description="Batch to sequence: on for throughput, off for single-request latency.",
        json_schema_extra={"label": "b2s", "group": "Shape"},
    )
    align_qkv: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Needed if the dies cannot share the KV heads evenly. auto: as the model "
        "requires.",
        json_schema_extra={"label": "align_qkv", "group": "Shape"},
    )
    quantization: Literal["w8a16_gptq", "w16kv8"] = Field(
        "w8a16_gptq",
        description="Quantisation method of the weights; the vendor's distill files use gptq.",
        json_schema_extra={"label": "Quantisation", **_INT8},
    )
    calibration: str = Field(
        "",
        description="Calibration data. Empty: vamc chooses its own.",
        json_schema_extra={"label": "Calibration data", **_INT8, "asset": "dataset"},
    )
    samples: int = Field(
        128,
        ge=1,
        le=100_000,
        description="Number of calibration samples.",
        json_schema_extra={"label": "Samples", **_INT8},
    )
    sample_tokens: int = Field(
        0,
        ge=0,
        le=131072,
        description="Sample length. 0: 1024 for c4, 128 for C-Eval, 512 for Alpaca.",
        json_schema_extra={"label": "Sample length", "unit": "tokens", **_INT8},
    )
    device: str = Field(
        "",
        max_length=16,
        pattern=r"^$|^cpu$|^cuda(:[0-9]{1,2})?$",
        description="Calibration device: cuda:0, cpu. Empty: vamc's choice, a CUDA card.",
        json_schema_extra={"label": "Device", **_INT8},
    )
    true_sequential: bool = Field(
        False,
        description="Quantise the parts of a layer in sequence: slower, possibly more accurate.",
        json_schema_extra={"label": "true_sequential", **_INT8},
    )
    vacc_files: bool = Field(
        True,
        description="model_arch vacc: use the vendor's patched model files in the weights folder.",
        json_schema_extra={"label": "Patched model files", "group": "Compiler"},
    )
    frontend_dtype: Literal["", "float16", "bfloat16", "float32"] = Field(
        "",
        description="frontend.dtype: data type for reading weights. Empty: omitted.",
        json_schema_extra={"label": "frontend.dtype", "group": "Compiler"},
    )
    merge_params: bool = Field(
        True,
        description="backend.merge_params.",
        json_schema_extra={"label": "merge_params", "group": "Compiler"},
    )
    remove_params: bool = Field(
        False,
        description="backend.remove_params; omitted if off.",
        json_schema_extra={"label": "remove_params", "group": "Compiler"},
    )
    data_type: int = Field(
        0,
        ge=0,
        le=16,
        description="backend.compile.data_type: 0 in all language model files.",
        json_schema_extra={"label": "data_type", "group": "Compiler"},
    )
    gather_data: bool = Field(
        True,
        description="gather_data_vccl_dsp_enable: reduces memory during compilation.",
        json_schema_extra={"label": "gather_data_vccl_dsp", "group": "Compiler"},
    )
    workers: int = Field(
        4,
        ge=1,
        le=256,
        description="workspace.workers: compile processes.",
        json_schema_extra={"label": "Workers", "group": "Compiler"},
    )
    stack_size: int = Field(
        0,
        ge=0,
        le=65536,
        description="VACC_STACK_SIZE. 0: 256 for models of 32 billion parameters or more.",
        json_schema_extra={"label": "Stack size", "group": "Compiler"},
    )
    env_recheck: bool = Field(
        False,
        description="workspace.env_recheck; omitted if off.",
        json_schema_extra={"label": "env_recheck", "group": "Workspace"},
    )
    save_log: bool = Field(
        False,
        description="workspace.save_log: vamc also writes its own log file.",
        json_schema_extra={"label": "save_log", "group": "Workspace"},
    )
    enable_ir: bool = Field(
        False,
        description="workspace.enable_ir; omitted if off.",
        json_schema_extra={"label": "enable_ir", "group": "Workspace"},
    )
    transformers: str = _version_field("transformers")
    huggingface_hub: str = _version_field("huggingface-hub")


class CompileVacc(OnVacc, params=Params):
    """Compile a distill with vamc, for one shape and number of dies."""

    name = "compile-vacc"
    title = "Compile for VACC"
    reads = "readings.compiled_for_vacc"
    progress = "tools.outputs.progress.compiled"
    family = "compile"
    programs = vamc.PROGRAMS
    steps = vamc.STEPS

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field == "weights":
            return asset_choices(
                ref for ref in target.weights if _can_be_compiled(str(ref.data["model_id"]))
            )
        if field == "calibration":
            there = asset_choices(ref for ref in target.datasets if ref.data.get("calibrates"))
            return [Choice("", _("None")), *there]
        return super().choices(field, target)

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        """Return notes on differences from the guide, and on known risks."""
        model, stack = _model(params, target), stack_of(params)
        folder = vacc_site(target).artifacts
        wish = _wish(params, model, stack)
        if is_exact(params):
            return [
                Message("guide:yaml_filled", {"folder": folder}),
                Message("guide:folder_looked_at"),
                *map(_as_printed, limits.violated(model, stack, wish)),
                *_replaced(f"{folder}/{_name(params, model)}", target),
            ]
        notes = [Message("guide:yaml_made", {"folder": folder}), Message("guide:folder_looked_at")]
        if wish.align_qkv and params.align_qkv == "auto":
            heads = model.architecture.num_key_value_heads
            notes.append(Message("guide:align_qkv_set", {"heads": heads, "tp": params.tp}))
        if wish.stack_size:
            notes.append(Message("guide:stack_size_set", {"size": wish.stack_size}))
        if params.precision == "int8" and params.device != "cpu":
            notes.append(Message("guide:int8_cuda"))
        if params.precision == "int8" and not params.calibration:
            notes.append(Message("guide:no_calibration"))
        notes += limits.asked(model, stack, wish)
        return [*notes, *_replaced(f"{folder}/{_name(params, model)}", target)]

    def title_of(self, params: Params, target: Target) -> str:
        """The folder of the result."""
        return _name(params, _model(params, target))

    def inputs(self, params: Params, target: Target) -> Mapping[str, AssetRef]:
        """The weights, and the data to calibrate with."""
        refs = {"weights": target.asset("weights", params.weights)}
        if _calibrates(params):
            refs["dataset"] = target.asset("dataset", params.calibration, "calibration")
        return refs

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        """An artifact, with the folder that it will have."""
        model, source = _model(params, target), target.asset("weights", params.weights).data
        folder = _name(params, model)
        return {
            "type": "artifact",
            "model_id": model.id,
            "toolchain": vamc.NAME,
            "precision": params.precision,
            "label": label_of(params),
            "source_precision": source["precision"],
            "path": f"{vacc_site(target).artifacts}/{folder}",
            "details": details_of(params, folder),
        }

    def plan(self, params: Params, target: Target) -> Plan:
        """Compile, then verify the artifact."""
        model, stack = _model(params, target), stack_of(params)
        wish, exact = _wish(params, model, stack), is_exact(params)
        if not exact:
            limits.refuse(model, stack, wish, _FIELDS)
        return vamc.compile_plan(
            _tools(stack),
            vacc_site(target),
            _compiling(params, target, model, align_qkv=wish.align_qkv),
            model=model,
            exact=exact,
            stack_size=wish.stack_size,
            # The weights once more, plus intermediate files.
            room_bytes=2 * model.source.bytes,
        )

    def successors(self, params: Params) -> Sequence[str]:
        """Serve it."""
        return ("deploy-build-in",)


def _replaced(path: str, target: Target) -> list[Message]:
    """Note that the folder is named by model, precision and lengths: other settings overwrite
    it."""
    there = any(ref.data.get("path") == path for ref in target.artifacts)
    return [Message("guide:folder_replaced", {"path": path})] if there else []


def _as_printed(finding: Message) -> Message:
    """In verbatim mode no flag can be set: a violated limit says how the command fails."""
    fails = finding.id == "limit:align_qkv"
    return Message("guide:align_qkv_fails", finding.args) if fails else finding


def _compiling(params: Params, target: Target, model: ZooModel, *, align_qkv: bool) -> Compiling:
    """In verbatim mode: only the fields of the vendor's two files."""
    basis = Compiling(
        name=_name(params, model),
        checkpoint=str(target.asset("weights", params.weights).data["path"]),
        folder=vacc_site(target).artifacts,
        precision=params.precision,
        tp=params.tp,
        max_input=params.max_input,
        max_length=params.max_length,
    )
    return basis if is_exact(params) else _chosen(basis, params, target, align_qkv=align_qkv)


def _chosen(basis: Compiling, params: Params, target: Target, *, align_qkv: bool) -> Compiling:
    """Omit switched-off fields, so that the file has only requested ones."""
    return replace(
        basis,
        b2s=params.b2s,
        vacc_files=params.vacc_files,
        align_qkv=align_qkv or None,
        frontend_dtype=params.frontend_dtype,
        quantization=params.quantization,
        device=params.device,
        true_sequential=params.true_sequential or None,
        calibration=_calibration(params, target),
        merge_params=params.merge_params,
        remove_params=params.remove_params or None,
        data_type=params.data_type,
        gather_data=params.gather_data,
        workers=params.workers,
        env_recheck=params.env_recheck or None,
        save_log=params.save_log or None,
        enable_ir=params.enable_ir or None,
        transformers=params.transformers,
        huggingface_hub=params.huggingface_hub,
    )


def _calibration(params: Params, target: Target) -> Calibration | None:
    if not _calibrates(params):
        return None
    data = target.asset("dataset", params.calibration, "calibration").data
    dataset = str(data["name"])
    if dataset not in DATASETS or not DATASETS[dataset].calibrates:
        raise LaunchError(_("vamc does not support this calibration data."), "calibration")
    length = params.sample_tokens or _CALIBRATION_LENGTHS[dataset]
    return Calibration(dataset, str(data["path"]), params.samples, length)


def _calibrates(params: Params) -> bool:
    return bool(params.calibration) and params.precision == "int8" and not is_exact(params)


def _wish(params: Params, model: ZooModel, stack: Stack) -> Wish:
    tools, exact = _tools(stack), is_exact(params)
    uneven = model.architecture.num_key_value_heads % params.tp != 0
    large = model.parameters >= tools.stack_size_from_parameters
    needed = tools.stack_size if large else 0
    return Wish(
        path="build_in",
        tp=params.tp,
        precision=params.precision,
        max_input=params.max_input,
        max_length=params.max_length,
        concurrency=1,
        compiles=True,
        align_qkv=not exact
        and (params.align_qkv == "on" or (params.align_qkv == "auto" and uneven)),
        stack_size=0 if exact else params.stack_size or needed,
    )


def _tools(stack: Stack) -> BuildIn:
    if stack.build_in is None:
        raise LaunchError(_("This stack has no compiler."), "stack")
    return stack.build_in


def _name(params: Params, model: ZooModel) -> str:
    shape = f"{params.max_input}-{params.max_length}"
    return params.name or f"{model.folder}-{params.precision}-tp{params.tp}-{shape}"


def label_of(params: Params) -> str:
    """Return the artifact in words: "int8 tp4 2048/4096"."""
    return f"{params.precision} tp{params.tp} {params.max_input}/{params.max_length}"


def details_of(params: Params, folder: str) -> dict[str, Any]:
    """Return the details of the artifact in ``folder``."""
    return {
        "name": folder,
        "stack": params.stack,
        "tp": params.tp,
        "max_input": params.max_input,
        "max_total": params.max_length,
    }


def _can_be_compiled(model_id: str) -> bool:
    model = MODELS.get(model_id)
    return model is not None and "build_in" in model.paths


def _model(params: Params, target: Target) -> ZooModel:
    model = model_of_asset(target.asset("weights", params.weights))
    if "build_in" not in model.paths:
        raise LaunchError(
            _("%(model)s needs no compilation. Deploy it directly.") % {"model": model.name},
            "weights",
        )
    return model
