"""Checks of a host before a job starts, by name.
Here: settings and arguments in, what was found out; seconds at most, nothing changed.
Not here: running a plan's checks (`host.claim.preflight`).

A check gets the host's settings and its arguments, and answers what it found. It changes nothing
and takes seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobs.host.base.config import Config
from jobs.host.checks import containers, data_sets, files, machine, network
from jobs.host.checks.results import CheckResult

CHECKS: dict[str, Callable[[Config, Mapping[str, str]], CheckResult]] = {
    "avx512": machine.avx512,
    "conda": files.conda,
    "container": containers.container,
    "data_files": data_sets.data_files,
    "data_set": data_sets.data_set,
    "dies": machine.dies,
    "disk": files.disk,
    "docker": containers.docker,
    "endpoint": network.endpoint,
    "image": containers.image,
    "iommu": machine.iommu,
    "modification": files.modification,
    "path": files.path,
    "port": network.port,
    "shm": machine.shm,
    "tool": machine.tool,
    "weights": files.weights,
}
