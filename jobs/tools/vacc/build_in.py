"""Build_In: vamc compiles a distill; llmdeploy (the guide's) or vastgenx (current) serves it.

Fields of vamc: VastModelZOO's LLM yamls for vamc 3; defaults are those of its two files for the
distills. llmdeploy's YAML follows its own sample, whose process ports exceed 65535.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

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
READY_TIMEOUT_S = 3600.0


class Calibration(NamedTuple):
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


def vamc_config(wanted: Compiling) -> dict[str, Any]:
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
        kind=COMPILE,
        steps=(
            Step("note", (*verify, "--note", _BEFORE)),
            Step("compile", (*tools.compile_command, argument), env=env),
            Step("verify", (*verify, "--since", _BEFORE)),
        ),
        files=(PlanFile(name, yaml_text(vamc_config(wanted)), at=at), script(_VERIFY)),
        outputs=(Output("artifact", "artifact.json"),),
        checks=_compile_checks(tools, wanted, model=model, room_bytes=room_bytes),
        writes=(deploy_folder(folder),),
    )


def deploy_folder(artifact: str) -> str:
    """Return the folder of llmdeploy's configuration; not every version of vamc makes one."""
    return f"{artifact}-none-dynamic-vacc"


def _compile_checks(
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInServer:
    """Server settings. ``name``: the artifact's folder, hence the model's name in the API.
    ``deploy_config``: llmdeploy's file of the artifact. ``port``: exact; 0: the tool's default if
    free, else any free one."""

    name: str
    tp: int
    max_length: int
    batch_size: int
    bind: str
    port: int
    ready_path: str
    deploy_config: str
    prompt_template: str = ""
    publish_port: int = 17810
    subscribe_port: int = 17110


def serve_plan(tools: BuildIn, serving: BuildInServer, site: VaccSite) -> Plan:
    python, files = site.python_word, [*map(script, (_VERIFY, READY, DIRECT))]
    before: tuple[Step, ...] = ()
    if tools.config:
        # llmdeploy needs a file; dies and port are set at each start.
        files += [script("fill_template.py"), PlanFile(_TEMPLATE, llmdeploy_text(serving))]
        fill = (python, f"{_SERVER_FILES}/fill_template.py", f"{_SERVER_FILES}/{_TEMPLATE}")
        before = (Step("configure", (*fill, _CONFIG, "dies={dies}", "port={port}"), serves=True),)
        argv = (*tools.serve_command, _CONFIG)
    else:
        # VACC_VISIBLE_DEVICES is not set together with --llm_devices: the resulting numbering is
        # undocumented.
        argv = (
            *(*tools.serve_command, "--model", "{artifact.path}"),
            *("--host", serving.bind, "--port", "{port}"),
            *("--batch_size", str(serving.batch_size), "--llm_devices", "[{dies}]"),
        )
    # Only the size: a checksum of 70 GB takes longer than the server's start.
    verify = (python, f"{FILES}/{_VERIFY}", "{artifact.path}", "--bytes", "{artifact.bytes}")
    wait = ready_step(
        python,
        "http://127.0.0.1:{port}",
        timeout_s=READY_TIMEOUT_S,
        # With another readiness path, /v1/models may not exist.
        model=literal(serving.name) if serving.ready_path == "/v1/models" else "",
        health=literal(serving.ready_path),
    )
    serve = Step("serve", argv, serves=True, health=serving.ready_path)
    return Plan(
        kind=KIND,
        steps=(Step("check", verify), *before, serve, wait),
        files=tuple(files),
        outputs=(Output("ready", "ready.json"),),
        dies=serving.tp,
        checks=_checks(tools, serving),
        port=serving.port or tools.port,
    )


def llmdeploy_text(serving: BuildInServer) -> str:
    """Return llmdeploy's YAML as a template. Values in angle brackets are filled at launch."""
    config: dict[str, dict[str, Any]] = {
        "model": {
            "model_name": serving.name,
            "batch_size": serving.batch_size,
            **({"prompt_template": serving.prompt_template} if serving.prompt_template else {}),
            "model_deploy_config": serving.deploy_config,
            "model_infer_type": "tp",
            "publish_port": serving.publish_port,
            "subscribe_port": serving.subscribe_port,
            "tp_device_ids_list": ["<dies>"],
            "tp_elf_path_list": [],
            "top_k": 1,
            "top_p": 1.0,
            "temperature": 0.0,
            "max_answer_tokens": serving.max_length,
        },
        "api": {"server_host": serving.bind, "server_port": "<port>"},
    }
    return yaml_text(config)


def _checks(tools: BuildIn, serving: BuildInServer) -> tuple[Check, ...]:
    config, what = literal(serving.deploy_config), _("llmdeploy configuration of the artifact")
    return (
        tool_check(tools.server),
        check("dies", ids="{dies}"),
        Check("iommu"),
        check("path", path="{artifact.path}", what=_("artifact folder")),
        *port_checks(serving.port),
        *((check("path", path=config, what=what),) if tools.config else ()),
    )
