"""Files of public data sets on a host: checks that look for them."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobs.catalog.data_sets import DataSet
from jobs.plans import Check, Plan, Step, literal
from jobs.toolchains.vacc_site import VaccSite


def files_plan(data_set: DataSet, site: VaccSite) -> Plan:
    """Return a plan whose checks look for the set's files; its step is never run."""
    checks = []
    if data_set.opencompass:
        checks += [
            _check(str(PurePosixPath(site.workspace, "opencompass/data", file)), "OpenCompass")
            for file in data_set.opencompass.files
        ]
    if data_set.evalscope:
        # ModelScope's cache has another depth in each of its versions, and no dots in names.
        name = data_set.evalscope.repository.replace(".", "___")
        roots = [
            PurePosixPath(site.workspace, "datasets/modelscope", depth, name)
            for depth in ("datasets", "hub/datasets", "hub", ".")
        ]
        checks.append(_check("\n".join(map(str, roots)), "EvalScope"))
    return Plan(kind="data-set", steps=(Step("none", ("true",)),), checks=tuple(checks))


def _check(paths: str, tool: str) -> Check:
    return Check("data_files", (("paths", literal(paths)), ("tool", tool)), asks=True)
