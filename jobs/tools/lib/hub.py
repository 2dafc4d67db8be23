"""Downloads from hubs of models and datasets: huggingface_hub's command, hfd.sh, ModelScope's.

Each resumes an interrupted download. Tokens are passed only in the environment, because anyone on
the host can read command lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.plans import Check, Step, literal
from jobs.tools.lib.site import FILES
from jobs.tools.vacc.site import VaccSite

HF_MIRROR = "https://hf-mirror.com"  # the deployment guide's own
# Source -> its program on the host.
_PROGRAM_OF = {"hf": "hf", "hfd": "hfd.sh", "modelscope": "modelscope"}
PROGRAMS = tuple(_PROGRAM_OF.values())
_FOLLOW = "follow_download.py"


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


def step(name: str, wanted: Download, site: VaccSite) -> Step:
    """Return the download step with a progress line; needs ``_FOLLOW``'s file."""
    command = {"hf": _hf, "hfd": _hfd, "modelscope": _modelscope}[wanted.source](wanted)
    known = ("--bytes", str(wanted.bytes)) if wanted.bytes else ()
    follow = (site.python_word, f"{FILES}/{_FOLLOW}", literal(wanted.folder), *known, "--")
    return Step(name, (*follow, *command), env=_environment(wanted))


def files_of_step() -> tuple[str, ...]:
    """Return names of the scripts of a download."""
    return (_FOLLOW,)


def program_of(facts: Mapping[str, Any]) -> str:
    """Return the name of huggingface_hub's command on this host (formerly huggingface-cli)."""
    names = {tool.get("name") for tool in facts.get("tools") or ()}
    return "huggingface-cli" if "huggingface-cli" in names and "hf" not in names else "hf"


def checks(wanted: Download) -> tuple[Check, ...]:
    """The program is there."""
    name = wanted.program or _PROGRAM_OF[wanted.source]
    return (Check("tool", (("name", name), ("version", ""))),)


def _hf(wanted: Download) -> tuple[str, ...]:
    return (
        *(wanted.program or "hf", "download", literal(wanted.repo)),
        *map(literal, wanted.files),
        *(("--repo-type", "dataset") if wanted.is_dataset else ()),
        *("--local-dir", literal(wanted.folder)),
        *_revision(wanted),
        *("--max-workers", str(wanted.connections)),
    )


def _hfd(wanted: Download) -> tuple[str, ...]:
    return (
        *("hfd.sh", literal(wanted.repo)),
        *(("--dataset",) if wanted.is_dataset else ()),
        *(("--include", *map(literal, wanted.files)) if wanted.files else ()),
        *("-x", str(wanted.connections), "--local-dir", literal(wanted.folder)),
        *_revision(wanted),
    )


def _modelscope(wanted: Download) -> tuple[str, ...]:
    flag = "--dataset" if wanted.is_dataset else "--model"
    return (
        *("modelscope", "download", flag, literal(wanted.repo)),
        *map(literal, wanted.files),
        *("--local_dir", literal(wanted.folder)),
        *_revision(wanted),
        *("--max-workers", str(wanted.connections)),
    )


def _revision(wanted: Download) -> tuple[str, ...]:
    return ("--revision", literal(wanted.revision)) if wanted.revision else ()


def _environment(wanted: Download) -> tuple[tuple[str, str], ...]:
    env: tuple[tuple[str, str], ...] = ()
    if wanted.source != "modelscope" and wanted.endpoint:
        env += (("HF_ENDPOINT", literal(wanted.endpoint)),)
    if wanted.token:
        env += (("HF_TOKEN", f"{{secret:{wanted.token}}}"),)
    return env
