"""Folders of a VACC host for command lines, and their paths in containers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from jobs.tools.lib.site import Site, site_of

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


@dataclass(frozen=True, slots=True, kw_only=True)
class VaccSite(Site):
    """Folders of one VACC host. ``mount``: path of ``workspace`` in containers.

    ``conda`` is conda's own folder, ``registry`` the host name of the image registry, without which
    the current stack has no image, ``modification`` the folder with the vendor's changed model
    files ("" where none is set), ``jobs_folders`` those in which jobs and servers have their own,
    which are removed some days after their end.
    """

    mount: str
    conda: str
    registry: str
    modification: str
    arch: str
    avx512: bool
    jobs_folders: tuple[str, ...] = ()


def vacc_site_of(facts: Mapping[str, Any]) -> VaccSite:
    """Raise KeyError where folders are not reported yet, or it is no VACC host."""
    site, roots = site_of(facts), facts["roots"]
    own = {one.name: getattr(site, one.name) for one in fields(Site)}
    return VaccSite(
        **{**own, "workspace": str(facts["workspace"])},
        mount=str(facts["mount"]),
        conda=str(facts.get("conda") or ""),
        registry=str(facts.get("registry") or ""),
        modification=str(facts.get("modification_dir") or ""),
        arch=str(facts.get("arch") or "x86_64"),
        avx512=bool((facts.get("cpu") or {}).get("avx512", True)),
        jobs_folders=tuple(str(roots[name]) for name in ("spool", "serve") if name in roots),
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
