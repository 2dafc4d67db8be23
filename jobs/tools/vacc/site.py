"""Folders of a VACC host for command lines, and their paths in containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from jobs.plans import literal

# Virtual host of the deployment guide: only the paths of its printed commands.
GUIDE_FACTS: Mapping[str, Any] = {
    "arch": "x86_64",
    "cpu": {"cores": 64, "avx512": True},
    "dies": [{"id": number} for number in range(64)],
    "python": {"path": "python3", "version": "3.10.12"},
    "roots": {
        "weights": "/nfs/workspace/weights",
        "artifacts": "/nfs/workspace/vacc_deploy",
        "environments": "/nfs/workspace/environments",
        "spool": "/nfs/workspace/spool",
        "serve": "/nfs/workspace/serve",
    },
    "workspace": "/nfs/workspace",
    "mount": "/test",
    "conda": "/root/miniconda3",
    "registry": "registry.example",
    "modification_dir": "/nfs/workspace/build_in/source_code",
}


@dataclass(frozen=True, slots=True)
class VaccSite:
    """Folders of one VACC host. ``mount``: path of ``workspace`` in containers.

    ``conda`` is conda's own folder, ``registry`` the host name of the image registry, without which
    the current stack has no image, ``modification`` the folder with the vendor's changed model
    files ("" where none is set), ``jobs_folders`` those in which jobs and servers have their own,
    which are removed some days after their end.
    """

    python: str
    workspace: str
    mount: str
    weights: str
    artifacts: str
    conda: str
    registry: str
    modification: str
    arch: str
    avx512: bool
    cpus: int
    jobs_folders: tuple[str, ...] = ()

    @property
    def python_word(self) -> str:
        """The host's own interpreter, as an argument."""
        return literal(self.python)

    def at(self, *parts: str) -> str:
        """A path below the workspace, as an argument: braces in it are no slots."""
        return literal(str(PurePosixPath(self.workspace, *parts)))

    def inside(self, *parts: str) -> str:
        """Return the path in containers."""
        return literal(str(PurePosixPath(self.mount, *parts)))


def vacc_site_of(facts: Mapping[str, Any]) -> VaccSite:
    """Return the site from a host's probe.

    Raises:
        KeyError: folders not reported yet, or not a VACC host.
    """
    cpu = facts.get("cpu") or {}
    return VaccSite(
        python=str((facts.get("python") or {}).get("path") or "python3"),
        workspace=str(facts["workspace"]),
        mount=str(facts["mount"]),
        weights=str(facts["roots"]["weights"]),
        artifacts=str(facts["roots"]["artifacts"]),
        conda=str(facts.get("conda") or ""),
        registry=str(facts.get("registry") or ""),
        modification=str(facts.get("modification_dir") or ""),
        arch=str(facts.get("arch") or "x86_64"),
        avx512=bool(cpu.get("avx512", True)),
        cpus=int(cpu.get("cores") or 1),
        jobs_folders=tuple(
            str(facts["roots"][name]) for name in ("spool", "serve") if name in facts["roots"]
        ),
    )


def inside_of(facts: Mapping[str, Any], path: str) -> str:
    """Return a host path in containers; "" outside the workspace."""
    workspace, mount = facts.get("workspace"), facts.get("mount")
    if not workspace or not mount:
        return ""
    try:
        below = PurePosixPath(path).relative_to(str(workspace))
    except ValueError:
        return ""
    return str(PurePosixPath(str(mount), below))
