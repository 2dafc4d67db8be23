"""Build_In: vamc compiles a distill; llmdeploy (the guide's) or vastgenx (current) serves it.

Fields of vamc: VastModelZOO's LLM yamls for vamc 3; defaults are those of its two files for the
distills. llmdeploy's YAML follows its own sample, whose process ports exceed 65535.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog import ZooModel
from jobs.catalog.stacks import BuildIn
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import (
    DIRECT,
    FILES,
    READY,
    check,
    port_checks,
    ready_step,
    script,
    tool_check,
    yaml_text,
)
from jobs.tools.vacc.site import VaccSite

COMPILE = "compile-vacc"
COMPILE_PROGRAMS = ("python3", "vamc")
COMPILE_STEPS = {
    "note": pgettext_lazy("step", "list existing files"),
    "compile": pgettext_lazy("step", "compile"),
}
COMPILER = "vamc"
_VERIFY = "verify_folder.py"
_BEFORE = "before.json"

PROGRAMS = ("llmdeploy", "python3", "vastgenx")
CLIENTS = (READY,)
STEPS = {"configure": pgettext_lazy("step", "configure")}
KIND = "deploy-build-in"
_TEMPLATE = "llmdeploy.yaml"
# A server restarts from its own folder, because the job's may be removed.
_SERVER_FILES = "{serve_dir}/files"
_CONFIG = "{serve_dir}/llmdeploy.yaml"
_READY_TIMEOUT_S = 3600.0
_EVERYWHERE = "0.0.0.0"  # noqa: S104 -- the dashboard's chat must reach the server
# vamc's samples in tokens, by its name of the format of calibration data.
_CALIBRATION_LENGTHS = {"c4": 1024, "ceval": 128, "alpaca": 512}
Calibration: TypeAlias = tuple[str, str] | None  # vamc's name of the format, and path


def _vamc_config(
    params: Any, name: str, folder: str, checkpoint: str, calibration: Calibration, *, aligns: bool
) -> dict[str, Any]:
    """Return the YAML as data, in the order of the vendor's files. A field that is None is left
    out: the tool's default applies."""
    quantize = _given(
        type=params.quantization,
        device=params.device or None,
        calib_args=_given(true_sequential=params.true_sequential or None) or None,
    )
    dataset = calibration and {
        "type": "huggingface",
        "name": calibration[0],
        "path": calibration[1],
        "nsamples": params.samples,
        "seqlen": params.sample_tokens or _CALIBRATION_LENGTHS[calibration[0]],
    }
    pins = {"transformers": params.transformers, "huggingface-hub": params.huggingface_hub}
    return _given(
        name=name,
        frontend=_given(
            checkpoint=checkpoint,
            type="huggingface",
            dtype=params.frontend_dtype or None,
            shape={"input_ids": [[params.max_input], [params.max_length]]},
            model_kwargs=_given(
                b2s=params.b2s,
                tp=params.tp,
                model_arch="vacc" if params.vacc_files else None,
                align_qkv=aligns or None,
            ),
            quantize=quantize if params.precision == "int8" else None,
        ),
        backend=_given(
            type="tvm_vacc",
            dtype=params.precision,
            merge_params=params.merge_params,
            remove_params=params.remove_params or None,
            compile={
                "data_type": params.data_type,
                "gather_data_vccl_dsp_enable": params.gather_data,
            },
        ),
        dataset=dataset,
        workspace=_given(
            path=folder,
            workers=params.workers,
            env_recheck=params.env_recheck or None,
            pyenv={name: version for name, version in pins.items() if version} or None,
            save_log=params.save_log or None,
            enable_ir=params.enable_ir or None,
        ),
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def compile_plan(
    tools: BuildIn,
    params: Any,
    site: VaccSite,
    *,
    model: ZooModel,
    name: str,
    checkpoint: str,
    calibration: Calibration,
    align_qkv: bool,
    stack_size: int,
    exact: bool,
) -> Plan:
    """Compile, then verify the result: exit code 0 alone proves nothing. ``params``: of
    ``compile-vacc``. ``exact``: the file's path and name are the guide's."""
    file, folder = f"hf_ds_r1_distill_{params.precision}.yaml", f"{site.artifacts}/{name}"
    place = f"build_in/build/{file}"  # of the guide, in vamc's working folder
    argument = f"./{place}" if exact else f"{FILES}/{file}"
    config = _vamc_config(
        *(params, name, site.artifacts, checkpoint, calibration), aligns=align_qkv
    )
    verify = (site.python_word, f"{FILES}/{_VERIFY}", literal(folder))
    # The weights once more, plus intermediate files.
    room = check("disk", path=literal(site.artifacts), bytes=str(2 * model.source.bytes))
    checks = [check("tool", name=tools.compiler, version="3.0+")]
    checks += [check("weights", path="{weights.path}"), room]
    if model.modification and params.vacc_files:
        checks.append(check("modification", path="{weights.path}"))
    if calibration:
        checks.append(check("path", path=literal(calibration[1]), what=_("calibration data")))
    return Plan(
        kind=COMPILE,
        steps=(
            Step("note", (*verify, "--note", _BEFORE)),
            Step(
                *("compile", (*tools.compile_command, argument)),
                env=(("VACC_STACK_SIZE", str(stack_size)),) if stack_size else (),
            ),
            Step("verify", (*verify, "--since", _BEFORE)),
        ),
        files=(
            PlanFile(file, yaml_text(config), at=f"{{job_dir}}/work/{place}" if exact else ""),
            script(_VERIFY),
        ),
        outputs=(Output("artifact", "artifact.json"),),
        checks=tuple(checks),
        writes=(_deploy_folder(folder),),
    )


def _deploy_folder(artifact: str) -> str:
    """Return the folder of llmdeploy's configuration; not every version of vamc makes one."""
    return f"{artifact}-none-dynamic-vacc"


def _deploy_config(artifact: Mapping[str, Any]) -> str:
    """Return llmdeploy's file of an artifact."""
    name = PurePosixPath(artifact["path"]).name
    made = f"{_deploy_folder(artifact['path'])}/{name}_deploy.json"
    return str(artifact.get("deploy_config") or made)


def serve_plan(tools: BuildIn, params: Any, site: VaccSite, artifact: Mapping[str, Any]) -> Plan:
    """``params``: of ``deploy-build-in``. The artifact's folder is the model's name in the API."""
    python, files = site.python_word, [*map(script, (_VERIFY, READY, DIRECT))]
    before: tuple[Step, ...] = ()
    if tools.config:
        # llmdeploy needs a file; dies and port are set at each start.
        files += [script("fill_template.py"), PlanFile(_TEMPLATE, llmdeploy_text(params, artifact))]
        fill = (python, f"{_SERVER_FILES}/fill_template.py", f"{_SERVER_FILES}/{_TEMPLATE}")
        before = (Step("configure", (*fill, _CONFIG, "dies={dies}", "port={port}"), serves=True),)
        argv = (*tools.serve_command, _CONFIG)
    else:
        # VACC_VISIBLE_DEVICES is not set together with --llm_devices: the resulting numbering is
        # undocumented.
        argv = (
            *(*tools.serve_command, "--model", "{artifact.path}"),
            *("--host", params.bind or _EVERYWHERE, "--port", "{port}"),
            *("--batch_size", str(params.batch_size), "--llm_devices", "[{dies}]"),
        )
    # Only the size: a checksum of 70 GB takes longer than the server's start.
    verify = (python, f"{FILES}/{_VERIFY}", "{artifact.path}", "--bytes", "{artifact.bytes}")
    wait = ready_step(
        python,
        "http://127.0.0.1:{port}",
        timeout_s=_READY_TIMEOUT_S,
        # With another readiness path, /v1/models may not exist.
        model=literal(PurePosixPath(artifact["path"]).name)
        if params.ready_path == "/v1/models"
        else "",
        health=literal(params.ready_path),
    )
    serve = Step("serve", argv, serves=True, health=params.ready_path)
    config, what = literal(_deploy_config(artifact)), _("llmdeploy configuration of the artifact")
    return Plan(
        kind=KIND,
        steps=(Step("check", verify), *before, serve, wait),
        files=tuple(files),
        outputs=(Output("ready", "ready.json"),),
        dies=int(artifact["tp"]),
        checks=(
            *(tool_check(tools.server), check("dies", ids="{dies}"), Check("iommu")),
            check("path", path="{artifact.path}", what=_("artifact folder")),
            *port_checks(params.port),
            *((check("path", path=config, what=what),) if tools.config else ()),
        ),
        port=params.port or tools.port,
    )


def llmdeploy_text(params: Any, artifact: Mapping[str, Any]) -> str:
    """Return llmdeploy's YAML as a template. Values in angle brackets are filled at launch."""
    config: dict[str, dict[str, Any]] = {
        "model": {
            "model_name": PurePosixPath(artifact["path"]).name,
            "batch_size": params.batch_size,
            **({"prompt_template": params.prompt_template} if params.prompt_template else {}),
            "model_deploy_config": _deploy_config(artifact),
            "model_infer_type": "tp",
            "publish_port": params.publish_port,
            "subscribe_port": params.subscribe_port,
            "tp_device_ids_list": ["<dies>"],
            "tp_elf_path_list": [],
            "top_k": 1,
            "top_p": 1.0,
            "temperature": 0.0,
            "max_answer_tokens": int(artifact["max_total"]),
        },
        "api": {"server_host": params.bind or _EVERYWHERE, "server_port": "<port>"},
    }
    return yaml_text(config)
