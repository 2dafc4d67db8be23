"""vamc, the Build_In compiler: YAML, command, expected output.

Fields: VastModelZOO's LLM yamls for vamc 3; defaults are those of its two files for the distills.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog import ZooModel
from jobs.catalog.stacks import BuildIn
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, check, script, yaml_text
from jobs.tools.vacc.site import VaccSite

PROGRAMS = ("python3", "vamc")
STEPS = {
    "note": pgettext_lazy("step", "list existing files"),
    "compile": pgettext_lazy("step", "compile"),
}
KIND = "compile-vacc"
NAME = "vamc"
_VERIFY = "verify_folder.py"
_BEFORE = "before.json"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration data: ``name`` is vamc's name of the format (c4, ceval, alpaca)."""

    name: str
    path: str
    samples: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiling:
    """Compile settings. Lengths in tokens; the result is ``folder``/``name``. None omits a field,
    so that the tool's default applies."""

    name: str
    checkpoint: str
    folder: str
    precision: str
    tp: int
    max_input: int
    max_length: int
    b2s: bool = True
    vacc_files: bool = True
    align_qkv: bool | None = None
    frontend_dtype: str = ""
    quantization: str = "w8a16_gptq"
    device: str = ""
    true_sequential: bool | None = None
    calibration: Calibration | None = None
    merge_params: bool = True
    remove_params: bool | None = None
    data_type: int = 0
    gather_data: bool = True
    workers: int = 4
    env_recheck: bool | None = None
    save_log: bool | None = None
    enable_ir: bool | None = None
    transformers: str = ""
    huggingface_hub: str = ""


def config(wanted: Compiling) -> dict[str, Any]:
    """Return the YAML as data, in the order of the vendor's files."""
    is_int8, data = wanted.precision == "int8", wanted.calibration
    quantize = _given(
        type=wanted.quantization,
        device=wanted.device or None,
        calib_args=_given(true_sequential=wanted.true_sequential) or None,
    )
    dataset = data and {
        "type": "huggingface",
        "name": data.name,
        "path": data.path,
        "nsamples": data.samples,
        "seqlen": data.length,
    }
    pins = {"transformers": wanted.transformers, "huggingface-hub": wanted.huggingface_hub}
    return _given(
        name=wanted.name,
        frontend=_given(
            checkpoint=wanted.checkpoint,
            type="huggingface",
            dtype=wanted.frontend_dtype or None,
            shape={"input_ids": [[wanted.max_input], [wanted.max_length]]},
            model_kwargs=_given(
                b2s=wanted.b2s,
                tp=wanted.tp,
                model_arch="vacc" if wanted.vacc_files else None,
                align_qkv=wanted.align_qkv,
            ),
            quantize=quantize if is_int8 else None,
        ),
        backend=_given(
            type="tvm_vacc",
            dtype=wanted.precision,
            merge_params=wanted.merge_params,
            remove_params=wanted.remove_params,
            compile={
                "data_type": wanted.data_type,
                "gather_data_vccl_dsp_enable": wanted.gather_data,
            },
        ),
        dataset=dataset if is_int8 else None,
        workspace=_given(
            path=wanted.folder,
            workers=wanted.workers,
            env_recheck=wanted.env_recheck,
            pyenv={name: version for name, version in pins.items() if version} or None,
            save_log=wanted.save_log,
            enable_ir=wanted.enable_ir,
        ),
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def compile_plan(
    tools: BuildIn,
    site: VaccSite,
    wanted: Compiling,
    *,
    model: ZooModel,
    exact: bool,
    stack_size: int,
    room_bytes: int,
) -> Plan:
    """Compile, then verify the result: exit code 0 alone proves nothing. ``exact``: the file's path
    and name are the guide's."""
    name = f"hf_ds_r1_distill_{wanted.precision}.yaml"
    place = f"build_in/build/{name}"  # of the guide, in vamc's working folder
    argument = f"./{place}" if exact else f"{FILES}/{name}"
    env = (("VACC_STACK_SIZE", str(stack_size)),) if stack_size else ()
    folder = f"{wanted.folder}/{wanted.name}"
    verify = (site.python_word, f"{FILES}/{_VERIFY}", literal(folder))
    at = f"{{job_dir}}/work/{place}" if exact else ""
    return Plan(
        kind=KIND,
        steps=(
            Step("note", (*verify, "--note", _BEFORE)),
            Step("compile", (*tools.compile_command, argument), env=env),
            Step("verify", (*verify, "--since", _BEFORE)),
        ),
        files=(PlanFile(name, yaml_text(config(wanted)), at=at), script(_VERIFY)),
        outputs=(Output("artifact", "artifact.json"),),
        checks=_checks(tools, wanted, model=model, room_bytes=room_bytes),
        writes=(deploy_folder(folder),),
    )


def deploy_folder(artifact: str) -> str:
    """Return the folder of llmdeploy's configuration; not every version of vamc makes one."""
    return f"{artifact}-none-dynamic-vacc"


def _checks(
    tools: BuildIn, wanted: Compiling, *, model: ZooModel, room_bytes: int
) -> tuple[Check, ...]:
    checks = [
        check("tool", name=tools.compiler, version="3.0+"),
        check("weights", path="{weights.path}"),
        check("disk", path=literal(wanted.folder), bytes=str(room_bytes)),
    ]
    if model.modification and wanted.vacc_files:
        checks.append(check("modification", path="{weights.path}"))
    if wanted.calibration and wanted.precision == "int8":
        data = literal(wanted.calibration.path)
        checks.append(check("path", path=data, what=_("calibration data")))
    return tuple(checks)
