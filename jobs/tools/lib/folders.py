"""What is in folders of a host already: result files to collect, data sets to look for."""

from pathlib import PurePosixPath

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog.data_sets import DataSet, OfEvalScope
from jobs.plans import Check, Output, Plan, Step, literal
from jobs.tools.lib.site import FILES, Site, check, path_in, script

COLLECT = "collect-results"
COLLECT_PROGRAMS = ("python3",)
COLLECT_STEPS = {"collect": pgettext_lazy("step", "collect")}
ARCHIVE, REPORT = "collected.tar.gz", "collected.json"
_SCRIPT = "collect_results.py"

DATA_FOLDER = "datasets"  # below the host's workspace


def collect_plan(folder: str, site: Site) -> Plan:
    """Pack result files as one archive: so no file name of a host becomes a path here."""
    without = [word for path in site.own_folders for word in ("--without", literal(path))]
    argv = (
        *(site.python_word, f"{FILES}/{_SCRIPT}", literal(folder)),
        *("--inside", literal(site.workspace), *without),
    )
    return Plan(
        kind=COLLECT,
        steps=(Step("collect", argv),),
        files=(script(_SCRIPT),),
        outputs=(Output("archive", ARCHIVE), Output("report", REPORT)),
        checks=(check("path", path=literal(folder), what=_("folder with results")),),
    )


def files_plan(data_set: DataSet, site: Site, *, has_dies: bool) -> Plan:
    """Return a plan whose checks look for the set's files; its step is never run. ``has_dies``:
    OpenCompass's archives are on hosts with cards only."""
    checks = []
    if data_set.opencompass and has_dies:
        for file in data_set.opencompass.files:
            paths = site.at("opencompass/data", file)
            checks.append(check("data_files", paths=paths, tool="OpenCompass", asks=True))
    if data_set.evalscope:
        # ModelScope's cache has another depth in each of its versions, and no dots in names.
        name = data_set.evalscope.repository.replace(".", "___")
        paths = "\n".join(
            site.at(DATA_FOLDER, "modelscope", depth, name)
            for depth in ("datasets", "hub/datasets", "hub", ".")
        )
        checks.append(check("data_files", paths=paths, tool="ModelScope", asks=True))
        folder = str(PurePosixPath(site.workspace, DATA_FOLDER))
        checks.append(folder_check(data_set.evalscope, folder, asks=True))
    return Plan(kind="data-set", steps=(Step("none", ("true",)),), checks=tuple(checks))


def folder_of(data_set: OfEvalScope, workspace: str) -> str:
    return str(PurePosixPath(workspace, DATA_FOLDER, data_set.name))


def folder_check(data_set: OfEvalScope, folder: str, *, asks: bool = False) -> Check:
    """Check that ``folder`` has a subfolder with the set's files, as EvalScope reads them."""
    return check(
        "data_set",
        asks=asks,
        path=path_in(folder, data_set.name),
        name=data_set.name,
        repository=data_set.repository,
        # The card of a repository names its parts.
        card="README.md" if data_set.needs_card else "",
        parts=",".join(data_set.parts),
        splits=",".join(data_set.splits),
    )
