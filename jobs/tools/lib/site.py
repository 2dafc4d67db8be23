"""Paths and sizes of a host for command lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.plans import Check, PlanFile, literal

TOOLS = Path(__file__).parent.parent
FILES = "{job_dir}/files"
DIRECT = "direct.py"  # beside each script that asks an engine


@dataclass(frozen=True, slots=True)
class Site:
    """Paths and sizes of one host. ``wheels_dir``: "" if packages come from an index.

    ``workspace``: folder of models, data sets and people's files. ``own_folders``: those of jobs,
    servers and environments, which may be below it.
    """

    python: str
    weights: str
    artifacts: str
    environments: str
    wheels_dir: str
    cpus: int
    workspace: str
    own_folders: tuple[str, ...]

    @property
    def spare_threads(self) -> int:
        """Return one fewer than the host's cores: with all cores, any other process halves the
        speed."""
        return max(1, self.cpus - 1)


def site_of(facts: Mapping[str, Any]) -> Site:
    """Return the site from a host's probe.

    Raises:
        KeyError: the host has not reported its folders yet.
    """
    roots = facts["roots"]
    cpu = facts.get("cpu") or {}
    return Site(
        python=str((facts.get("python") or {}).get("path") or "python3"),
        weights=str(roots["weights"]),
        artifacts=str(roots["artifacts"]),
        environments=str(roots["environments"]),
        wheels_dir=str(facts.get("wheels_dir") or ""),
        cpus=int(cpu.get("cores") or 1),
        # Hosts without cards report no workspace; their weights are in it.
        workspace=str(facts.get("workspace") or PurePosixPath(roots["weights"]).parent),
        own_folders=tuple(
            str(roots[name]) for name in ("spool", "serve", "environments") if name in roots
        ),
    )


def script(name: str) -> PlanFile:
    """Return a program of a tool's ``scripts/`` as a plan file."""
    return PlanFile(name, script_path(name).read_text(encoding="utf-8"))


def script_path(name: str) -> Path:
    """Return where a program of a tool's ``scripts/`` is. Its name is unique among all tools."""
    (path,) = TOOLS.glob(f"*/scripts/{name}")
    return path


def port_checks(port: int) -> tuple[Check, ...]:
    """Return the check that a port is free; 0 (any port) needs none."""
    return (Check("port", (("port", str(port)),)),) if port else ()


def path_in(root: str, *parts: str) -> str:
    """Return a path below a host folder as an argument, with braces escaped."""
    return literal(str(PurePosixPath(root, *parts)))
