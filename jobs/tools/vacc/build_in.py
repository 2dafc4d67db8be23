"""Build_In servers for vamc artifacts: llmdeploy (the guide's) and vastgenx (current).

llmdeploy's YAML follows its own sample, whose process ports exceed 65535.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

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

PROGRAMS = ("llmdeploy", "python3", "vastgenx")
CLIENTS = (READY,)
STEPS = {"configure": pgettext_lazy("step", "configure")}
KIND = "deploy-build-in"
_TEMPLATE = "llmdeploy.yaml"
# A server restarts from its own folder, because the job's may be removed.
_SERVER_FILES = "{serve_dir}/files"
_CONFIG = "{serve_dir}/llmdeploy.yaml"
READY_TIMEOUT_S = 3600.0


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
    python, files = site.python_word, [*map(script, ("verify_folder.py", READY, DIRECT))]
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
    verify = (python, f"{FILES}/verify_folder.py", "{artifact.path}", "--bytes", "{artifact.bytes}")
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
