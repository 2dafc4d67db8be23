"""Prepare datasets for calibration, benchmarks and evaluations of the guide."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.kinds.lib.base import Choice, Target, field
from jobs.kinds.lib.common import PATH
from jobs.kinds.lib.vacc import (
    OnVacc,
    VaccParams,
    endpoint_field,
    folder_or,
    is_exact,
    source_choices,
    vacc_site,
)
from jobs.plans import Plan
from jobs.tools.vacc import downloads
from jobs.tools.vacc.downloads import DATASETS, OPENCOMPASS, Dataset, Download


class Params(VaccParams):
    """Dataset, and its source."""

    dataset: Literal["c4", "ceval", "alpaca", "sharegpt", "sonnet", "opencompass"] = field(
        "c4", "Dataset", "Dataset"
    )
    """Dataset to prepare and verify."""
    source: Literal["hf", "hfd", "folder"] = field("hf", "Source", "Dataset")
    """Download tool for hub datasets (sonnets and OpenCompass use wget), or a folder that has the
    data."""
    folder: str = field("", "Folder", "Dataset", max_length=255, pattern=PATH)
    """Folder of the dataset. Empty: datasets in the workspace."""
    endpoint: str = endpoint_field()


class PrepareDatasets(OnVacc, params=Params):
    """Prepare datasets for calibration, benchmarks and evaluations of the guide."""

    name = "prepare-datasets"
    title = "Prepare datasets"
    reads = "readings.data_set"
    progress = "tools.outputs.progress.brought"
    family = "prepare"
    programs = downloads.DATA_PROGRAMS
    steps = downloads.DATA_STEPS
    mends = ("calibration-data-missing", "dataset-missing", "archive-missing")
    brings = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "dataset":
            return [Choice(item.name, item.title) for item in DATASETS.values()]
        if field == "source":
            return source_choices("hf", "hfd", "folder")
        return super().choices(field, target)

    def notes(self, params: Params, target: Target) -> Sequence[Message]:
        if params.source == "folder":
            names = ["nothing_printed"]
        elif params.dataset != OPENCOMPASS:
            names = ["dataset_linked", "verify_added"]
        elif is_exact(params):
            names = ["comments_run", "unzip_asks", "verify_added"]
        else:
            names = ["comments_run", "wget_resumes", "unzip_overwrites", "verify_added"]
        return [Message(f"guide:{name}") for name in names]

    def title_of(self, params: Params, target: Target) -> str:
        return DATASETS[params.dataset].title

    def product(self, params: Params, target: Target) -> Mapping[str, Any] | None:
        dataset = DATASETS[params.dataset]
        return {
            "type": "dataset",
            "name": dataset.name,
            "path": _folder(params, dataset, target),
            "details": {"calibrates": dataset.calibrates},
        }

    def plan(self, params: Params, target: Target) -> Plan:
        dataset, site = DATASETS[params.dataset], vacc_site(target)
        folder = _folder(params, dataset, target)
        if params.source == "folder":
            return downloads.check_plan(dataset, site, folder)
        if dataset.name == OPENCOMPASS:
            if params.folder:
                message = _(
                    "OpenCompass reads data only from its own checkout. Leave this field empty."
                )
                raise LaunchError(message, "folder")
            return downloads.opencompass_plan(dataset, site, exact=is_exact(params))
        if not dataset.repo:
            return downloads.sonnet_plan(dataset, site, folder)
        wanted = Download(
            source=params.source,
            repo=dataset.repo,
            folder=folder,
            endpoint=params.endpoint,
            files=dataset.files,
            is_dataset=True,
            program=downloads.program_of(target.facts) if params.source == "hf" else "",
        )
        return downloads.hub_plan(dataset, site, wanted)

    def successors(self, params: Params) -> Sequence[str]:
        if params.dataset == OPENCOMPASS:
            return ("evaluate-opencompass",)
        return ("compile-vacc",) if DATASETS[params.dataset].calibrates else ("benchmark-online",)


def _folder(params: Params, dataset: Dataset, target: Target) -> str:
    site = vacc_site(target)
    return folder_or(downloads.folder_of(dataset, site), params.folder, site)
