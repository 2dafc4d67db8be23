"""Downloads from hubs of models and datasets: huggingface_hub's command, hfd.sh, ModelScope's.

Each goes on where an earlier one was cut off. A token is given by the environment alone: a command
line is for everybody on the host to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.plans import Check, Step, literal
from jobs.toolchains.site import FILES
from jobs.toolchains.vacc_site import VaccSite

HF_MIRROR = "https://hf-mirror.com"  # the deployment guide's own
# Source -> the program that it needs on the host.
_PROGRAM_OF = {"hf": "hf", "hfd": "hfd.sh", "modelscope": "modelscope"}
PROGRAMS = tuple(_PROGRAM_OF.values())
_FOLLOW = "follow_download.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What to bring where.

    ``files``: only these; empty: all of the repository. ``bytes``: about so many, 0 where nobody
    knows. ``token``: the name of a secret, "" for none. ``connections``: files at a time, or of
    hfd.sh connections a file.
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
    """The download, with a line of our own that tells how far it is; needs ``_FOLLOW``'s file."""
    command = {"hf": _hf, "hfd": _hfd, "modelscope": _modelscope}[wanted.source](wanted)
    known = ("--bytes", str(wanted.bytes)) if wanted.bytes else ()
    follow = (site.python_word, f"{FILES}/{_FOLLOW}", literal(wanted.folder), *known, "--")
    return Step(name, (*follow, *command), env=_environment(wanted))


def files_of_step() -> tuple[str, ...]:
    """Names of the programs that travel with a download."""
    return (_FOLLOW,)


def program_of(facts: Mapping[str, Any]) -> str:
    """What huggingface_hub's command is called on this host: it was huggingface-cli once."""
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
    sort = "--dataset" if wanted.is_dataset else "--model"
    return (
        *("modelscope", "download", sort, literal(wanted.repo)),
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
