"""Paths and sizes of a host for command lines; files and checks of plans."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from django.utils.translation import gettext_noop as _

from jobs.plans import Check, PlanFile, Step, literal

TOOLS = Path(__file__).parent.parent
FILES = "{job_dir}/files"
READY, DIRECT = "wait_ready.py", "direct.py"  # direct.py is beside each script that asks an engine
UNBUFFERED = (("PYTHONUNBUFFERED", "1"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Paths and sizes of one host. ``wheels_dir``: "" if packages come from an index.
    ``workspace``: folder of models, data sets and people's files. ``own_folders``: those of jobs,
    servers and environments, which may be below it."""

    python: str
    weights: str
    artifacts: str
    environments: str
    wheels_dir: str
    cpus: int
    workspace: str
    own_folders: tuple[str, ...]

    @property
    def python_word(self) -> str:
        return literal(self.python)

    @property
    def spare_threads(self) -> int:
        """One fewer than the host's cores: with all cores, any other process halves the speed."""
        return max(1, self.cpus - 1)

    def at(self, *parts: str) -> str:
        """A path below the workspace, as an argument: braces in it are no slots."""
        return path_in(self.workspace, *parts)


def site_of(facts: Mapping[str, Any]) -> Site:
    """Raise KeyError where the host has not reported its folders yet."""
    roots = facts["roots"]
    own = ("spool", "serve", "environments")
    return Site(
        python=str((facts.get("python") or {}).get("path") or "python3"),
        weights=str(roots["weights"]),
        artifacts=str(roots["artifacts"]),
        environments=str(roots["environments"]),
        wheels_dir=str(facts.get("wheels_dir") or ""),
        cpus=int((facts.get("cpu") or {}).get("cores") or 1),
        # Hosts without cards report no workspace; their weights are in it.
        workspace=str(facts.get("workspace") or PurePosixPath(roots["weights"]).parent),
        own_folders=tuple(str(roots[name]) for name in own if name in roots),
    )


def script(name: str) -> PlanFile:
    """Return a program of a tool's ``scripts/``; names are unique among all tools."""
    return PlanFile(name, script_path(name).read_text(encoding="utf-8"))


def script_path(name: str) -> Path:
    (path,) = TOOLS.glob(f"*/scripts/{name}")
    return path


def check(name: str, /, *, asks: bool = False, **args: str) -> Check:
    """Return a check with its arguments. ``asks``: a person may confirm its failure."""
    return Check(name, tuple(args.items()), asks=asks)


def tool_check(name: str) -> Check:
    return check("tool", name=name, version="")


def port_checks(port: int) -> tuple[Check, ...]:
    """Return the check that a port is free; 0 (any port) needs none."""
    return (check("port", port=str(port)),) if port else ()


def endpoint_check(engine: str = "deployment") -> Check:
    return check("endpoint", url=f"{{{engine}.url}}", model=f"{{{engine}.name}}")


def tokenizer_check(folder: str) -> Check:
    what = _("tokenizer of the model, needed to count lengths")
    return check("path", path=literal(folder), what=what)


def path_in(root: str, *parts: str) -> str:
    return literal(str(PurePosixPath(root, *parts)))


def secret(variable: str, name: str) -> tuple[tuple[str, str], ...]:
    return ((variable, f"{{secret:{name}}}"),) if name else ()


def ready_step(
    python: str,
    url: str,
    *,
    timeout_s: float,
    model: str = "",
    health: str = "",
    env: tuple[tuple[str, str], ...] = (),
) -> Step:
    """Wait until a server answers. ``python``, ``model``, ``health``: as arguments of a plan. With
    ``health``, the server's log is shown."""
    followed = ("--health", health, "--log", "{serve_dir}/log") if health else ()
    named = ("--model", model) if model else ()
    argv = (python, f"{FILES}/{READY}", url, *followed, *named, "--timeout", f"{timeout_s:g}")
    return Step("wait", argv, env=env)


class _Dumper(yaml.SafeDumper):
    """Writes lists on one line."""


_SEQUENCE = "tag:yaml.org,2002:seq"
_Dumper.add_representer(
    list, lambda dumper, items: dumper.represent_sequence(_SEQUENCE, items, flow_style=True)
)


def yaml_text(data: Mapping[str, Any]) -> str:
    """YAML in the vendor's style: one key per line, lists in brackets, original order."""
    options: dict[str, Any] = {"sort_keys": False, "default_flow_style": False}
    return str(yaml.dump(dict(data), Dumper=_Dumper, allow_unicode=True, width=1000, **options))
