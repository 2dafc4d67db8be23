"""Probe of a VACC host: dies, driver, folders, stacks. Reads files; asks no card.

The places are those that the vendor's own start script looks at (compose entry point of the R1
image, driver installer).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from jobs.host.base.config import Config
from jobs.host.probe.run_command import run_command

_DIE = re.compile(r"^vacc(\d+)$")
_DRIVER = re.compile(rb"Driver[^\n:]*:?\s*([^\n]+)")
_IOMMU_ON = re.compile(r"\b(?:intel_iommu|amd_iommu|iommu)=on\b")
TIMEOUT_S = 5.0
GUIDE_IMAGE = "vllm_vacc"


def facts(config: Config) -> dict[str, Any]:
    """The VACC part of the facts document; of a host without cards, empty lists and folders."""
    dies = dies_below(config.root / "dev")
    if not dies:
        return {"dies": []}
    images = docker_images()
    return {
        "dies": dies,
        "driver": driver(config.root / "dev/vastai0_version"),
        "iommu": iommu_is_on(config.root),
        "compiler": _first_line(config.root / "opt/vastai/vaststream/version.txt"),
        "workspace": str(config.workspace or config.dir),
        "mount": config.mount,
        "registry": config.registry,
        "modification_dir": str(config.modification_dir or ""),
        "conda": conda_prefix(),
        "images": images,
        "stacks": stacks(images),
    }


def dies_below(devices: Path) -> list[dict[str, Any]]:
    """One for each ``/dev/vaccN``: the id that every tool of the vendor takes."""
    names = [path.name for path in devices.iterdir()] if devices.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := _DIE.match(name))]
    return [{"id": number} for number in sorted(numbers)]


def driver(path: Path) -> str:
    """Return the driver's version, such as "00.25.12.30 d3_3_v2_9_a3_1"; "" if unknown."""
    try:
        match = _DRIVER.search(path.read_bytes())
    except OSError:
        return ""
    return match[1].decode(errors="replace").strip()[:200] if match else ""


def iommu_is_on(root: Path) -> bool:
    """True when the kernel was started with an IOMMU, or has groups of one: it must be off."""
    try:
        line = (root / "proc/cmdline").read_text(errors="replace")
    except OSError:
        line = ""
    groups = root / "sys/kernel/iommu_groups"
    return bool(_IOMMU_ON.search(line)) or (groups.is_dir() and any(groups.iterdir()))


def conda_prefix() -> str:
    """conda's own folder; "" where there is none."""
    path = shutil.which("conda")
    return str(Path(path).resolve().parent.parent) if path else ""


def docker_images() -> list[str]:
    """``name:tag`` of every image that docker has; empty where docker does not answer."""
    docker = shutil.which("docker")
    if docker is None:
        return []
    answer = run_command([docker, "images", "--format", "{{.Repository}}:{{.Tag}}"], TIMEOUT_S)
    return sorted(answer.out.split()) if answer.code == 0 else []


def stacks(images: list[str]) -> list[str]:
    """Return the generations of the vendor's tools on this host; both if unknown."""
    names = [image.rpartition("/")[2] for image in images]
    guide = any(name.startswith(f"{GUIDE_IMAGE}:latest") for name in names)
    current = any(name.startswith(f"{GUIDE_IMAGE}:VVI") for name in names)
    ids = []
    if guide or shutil.which("llmdeploy"):
        ids.append("guide")
    if current or shutil.which("vastgenx"):
        ids.append("current")
    return ids or ["guide", "current"]


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().strip()[:200]
    except OSError:
        return ""
