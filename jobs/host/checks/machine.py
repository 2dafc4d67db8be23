"""The machine itself: dies, processor, shared memory, programs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping

from jobs.host.base.config import Config
from jobs.host.checks.results import CheckResult, bad, good
from jobs.host.probe import probe, vacc


def dies(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The device files of these dies (``ids``, between commas) are there."""
    wanted = [number for number in args["ids"].split(",") if number]
    there = {str(die["id"]) for die in vacc.dies_below(config.root / "dev")}
    missing = [number for number in wanted if number not in there]
    if missing:
        return bad("dies_missing", dies=", ".join(missing))
    return good("dies", count=len(wanted))


def iommu(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The IOMMU is off."""
    return bad("iommu_on") if vacc.iommu_is_on(config.root) else good("iommu_off")


def avx512(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The processor has AVX-512."""
    cpu = probe.cpu(config.root)
    name = {"cpu": cpu["model"]}
    return good("avx512", **name) if cpu["avx512"] else bad("avx512_missing", **name)


def shm(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Shared memory can hold ``bytes``."""
    wanted = int(int(args["bytes"]) * config.scale)
    stat = os.statvfs(config.root / "dev/shm")
    total = stat.f_frsize * stat.f_blocks
    sizes = {"wanted": probe.size_text(wanted), "total": probe.size_text(total)}
    return good("shm", **sizes) if total >= wanted else bad("shm_small", **sizes)


def tool(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The program ``name`` is there, in ``version`` or newer where that is given."""
    name, wanted = args["name"], args.get("version", "").rstrip("+")
    if shutil.which(name) is None:
        return bad("tool_missing", tool=name)
    version = (probe.tool(name) or {}).get("version", "") if name in probe.TOOLS else ""
    if wanted and version and _numbers(version) < _numbers(wanted):
        return bad("tool_old", tool=name, version=version, wanted=wanted)
    return good("tool", tool=name, version=version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
