"""Files of public data sets on a host: checks that look for them."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobs.catalog.data_sets import DataSet, OfEvalScope
from jobs.plans import Check, Plan, Step, literal
from jobs.tools.lib.site import Site

DATA_FOLDER = "datasets"  # below the host's workspace
CARD = "README.md"  # of a repository; names its parts


def files_plan(data_set: DataSet, site: Site, *, has_dies: bool) -> Plan:
    """Return a plan whose checks look for the set's files; its step is never run.

    ``has_dies``: OpenCompass's archives are on hosts with cards only.
    """
    checks = []
    if data_set.opencompass and has_dies:
        checks += [
            _check(str(PurePosixPath(site.workspace, "opencompass/data", file)), "OpenCompass")
            for file in data_set.opencompass.files
        ]
    if data_set.evalscope:
        # ModelScope's cache has another depth in each of its versions, and no dots in names.
        name = data_set.evalscope.repository.replace(".", "___")
        roots = [
            PurePosixPath(site.workspace, DATA_FOLDER, "modelscope", depth, name)
            for depth in ("datasets", "hub/datasets", "hub", ".")
        ]
        checks.append(_check("\n".join(map(str, roots)), "ModelScope"))
        folder = str(PurePosixPath(site.workspace, DATA_FOLDER))
        checks.append(folder_check(data_set.evalscope, folder, asks=True))
    return Plan(kind="data-set", steps=(Step("none", ("true",)),), checks=tuple(checks))


def _check(paths: str, tool: str) -> Check:
    return Check("data_files", (("paths", literal(paths)), ("tool", tool)), asks=True)


def folder_of(data_set: OfEvalScope, workspace: str) -> str:
    """Return the folder of the set's files among the host's data sets."""
    return str(PurePosixPath(workspace, DATA_FOLDER, data_set.name))


def folder_check(data_set: OfEvalScope, folder: str, *, asks: bool = False) -> Check:
    """Return the check that ``folder`` has a subfolder with the set's files, as EvalScope reads
    them."""
    args = (
        ("path", literal(str(PurePosixPath(folder, data_set.name)))),
        ("name", data_set.name),
        ("repository", data_set.repository),
        ("card", CARD if data_set.needs_card else ""),
        ("parts", ",".join(data_set.parts)),
        ("splits", ",".join(data_set.splits)),
    )
    return Check("data_set", args, asks=asks)
