"""Weights in the workspace of a VACC host: downloads from hubs, verification, the vendor's patch.

Downloads, also of data sets: huggingface_hub's command, hfd.sh, ModelScope's. Each resumes an
interrupted one. Tokens are passed only in the environment, because anyone on the host can read
command lines.

The VACC patch: the vendor's model files in the weights folder of a Qwen distill.
``config_vacc.json`` is generated on the host from its current ``config.json``, by the catalogue's
module, which the plan contains. A config stored by the dashboard could be older than the weights.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog import HubSource, ZooModel, modification
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, check, script, secret, tool_check
from jobs.tools.vacc.site import VaccSite

HF_MIRROR = "https://hf-mirror.com"  # the deployment guide's own
# Source -> its program on the host.
_PROGRAM_OF = {"hf": "hf", "hfd": "hfd.sh", "modelscope": "modelscope"}
DOWNLOAD_PROGRAMS = tuple(_PROGRAM_OF.values())
FOLLOW = "follow_download.py"

KIND = "prepare-weights"
PROGRAMS = (*DOWNLOAD_PROGRAMS, "python3")
_VERIFY = "verify_weights.py"
_EXPECTED = "expected.json"

PATCH = "apply-modification"
PATCH_PROGRAMS = ("python3",)
PATCH_STEPS = {
    "show": pgettext_lazy("step", "show differences"),
    "apply": pgettext_lazy("step", "apply"),
    "undo": pgettext_lazy("step", "undo"),
}
_APPLY = "apply_modification.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Download: source and target.

    ``files``: only these; empty: the whole repository. ``bytes``: approximate size, 0 if unknown.
    ``token``: name of a secret, "" for none. ``connections``: parallel files, or for hfd.sh
    connections per file.
    """

    source: str
    repo: str
    folder: str
    endpoint: str = HF_MIRROR
    revision: str = ""
    token: str = ""
    connections: int = 8
    files: tuple[str, ...] = ()
    bytes: int = 0
    is_dataset: bool = False
    program: str = ""  # what the host calls it, where that is another name


def download_step(wanted: Download, site: VaccSite) -> Step:
    known = ("--bytes", str(wanted.bytes)) if wanted.bytes else ()
    follow = (site.python_word, f"{FILES}/{FOLLOW}", literal(wanted.folder), *known, "--")
    env: tuple[tuple[str, str], ...] = ()
    if wanted.source != "modelscope" and wanted.endpoint:
        env = (("HF_ENDPOINT", literal(wanted.endpoint)),)
    argv = (*follow, *_command(wanted))
    return Step("download", argv, env=(*env, *secret("HF_TOKEN", wanted.token)))


def _command(wanted: Download) -> tuple[str, ...]:
    repo, folder, files = literal(wanted.repo), literal(wanted.folder), map(literal, wanted.files)
    revision = ("--revision", literal(wanted.revision)) if wanted.revision else ()
    workers = ("--max-workers", str(wanted.connections))
    if wanted.source == "hfd":
        return (
            *("hfd.sh", repo, *(("--dataset",) if wanted.is_dataset else ())),
            *(("--include", *files) if wanted.files else ()),
            *("-x", str(wanted.connections), "--local-dir", folder, *revision),
        )
    if wanted.source == "modelscope":
        flag = "--dataset" if wanted.is_dataset else "--model"
        to = ("--local_dir", folder, *revision)
        return ("modelscope", "download", flag, repo, *files, *to, *workers)
    of_type = ("--repo-type", "dataset") if wanted.is_dataset else ()
    to = (*of_type, "--local-dir", folder, *revision)
    return (wanted.program or "hf", "download", repo, *files, *to, *workers)


def program_of(facts: Mapping[str, Any]) -> str:
    """Return the name of huggingface_hub's command on this host (formerly huggingface-cli)."""
    names = {tool.get("name") for tool in facts.get("tools") or ()}
    return "huggingface-cli" if "huggingface-cli" in names and "hf" not in names else "hf"


def download_checks(wanted: Download, size: int) -> tuple[Check, ...]:
    return (
        tool_check(wanted.program or _PROGRAM_OF[wanted.source]),
        room_check(wanted.folder, size),
    )


def room_check(folder: str, size: int) -> Check:
    return check("disk", path=literal(folder), bytes=str(size), resumes="yes")


def prepare_plan(
    model: ZooModel, source: HubSource, site: VaccSite, *, wanted: Download, read_all: bool
) -> Plan:
    """Download the weights (``wanted.source`` "folder": they exist) and verify them. ``read_all``:
    checksum every shard, which takes minutes per 100 GB."""
    expected = {
        "model": model.name,
        "precision": source.precision,
        "config": model.architecture.config_values(),
        "shards": source.shards,
        "bytes": None if source.is_about else source.bytes,
    }
    argv = (
        *(site.python_word, f"{FILES}/{_VERIFY}", literal(wanted.folder)),
        *("--expected", f"{FILES}/{_EXPECTED}", *(("--sha256",) if read_all else ())),
    )
    verify = Step("verify", argv)
    files = (script(_VERIFY), _patch_module(), _json_file(expected))
    outputs = (Output("weights", "weights.json"),)
    if wanted.source == "folder":
        there = check("path", path=literal(wanted.folder), what=_("weights folder"))
        return Plan(kind=KIND, steps=(verify,), files=files, outputs=outputs, checks=(there,))
    return Plan(
        kind=KIND,
        steps=(download_step(wanted, site), verify),
        files=(script(FOLLOW), *files),
        outputs=outputs,
        checks=download_checks(wanted, source.bytes),
    )


def _json_file(expected: Mapping[str, Any]) -> PlanFile:
    return PlanFile(_EXPECTED, json.dumps(expected, indent=1) + "\n")


def _patch_module() -> PlanFile:
    return PlanFile("modification.py", Path(modification.__file__).read_text(encoding="utf-8"))


def patch_plan(model: ZooModel, site: VaccSite, *, undo: bool, only_show: bool) -> Plan:
    """Show changes, then apply them; or undo. The weights are in the slot."""
    source = literal(site.modification)
    files: tuple[PlanFile, ...] = (script(_APPLY), _patch_module())
    names: tuple[str, ...] = ("undo",)
    options: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    if not undo:
        names = ("show",) if only_show else ("show", "apply")
        options = ("--source", source, "--expected", f"{FILES}/{_EXPECTED}")
        files = (*files, _json_file(model.architecture.config_values()))
        what = _("vendor's patched model file")
        checks = (
            check("weights", path="{weights.path}"),
            *(
                check("path", path=f"{source}/{name}", what=what)
                for name in model.modification
                if name != modification.CONFIG_VACC
            ),
        )
    program = (site.python_word, f"{FILES}/{_APPLY}")
    return Plan(
        kind=PATCH,
        steps=tuple(Step(name, (*program, name, "{weights.path}", *options)) for name in names),
        files=files,
        outputs=(Output("modification", "modification.json"),),
        checks=checks,
    )
