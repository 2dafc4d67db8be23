"""Datasets of the deployment guide: sources and expected content.

Counts are those of published files; a partial set is reported, not refused.
"""

import json
from dataclasses import dataclass

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, check, script, tool_check
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vacc.weights import FOLLOW, Download, download_checks, download_step, room_check

PROGRAMS = ("python3", "unzip", "wget")
STEPS = {
    "download-core": pgettext_lazy("step", "download core"),
    "download-math": pgettext_lazy("step", "download MATH"),
    "unpack-core": pgettext_lazy("step", "unpack core"),
    "unpack-math": pgettext_lazy("step", "unpack MATH"),
}
KIND = "prepare-datasets"
OPENCOMPASS = "opencompass"
_SCRIPT = "verify_dataset.py"
_EXPECTED = "expected.json"
# The deployment guide, Pytorch Deploy, step 4.2.
CORE = "OpenCompassData-core-20240207.zip"
CORE_URL = f"https://github.com/open-compass/opencompass/releases/download/0.2.2.rc1/{CORE}"
MATH = "math.zip"
MATH_URL = f"http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/{MATH}"
# sonnet.txt of vLLM v0.7.2, which its image has as /workspace/vllm/benchmarks/sonnet.txt.
SONNET_URL = "https://raw.githubusercontent.com/vllm-project/vllm/v0.7.2/benchmarks/sonnet.txt"


@dataclass(frozen=True, slots=True)
class Part:
    """Files of a dataset: a glob below its folder, format, expected number of items."""

    path: str
    sort: str
    items: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset. ``repo``: hub repository; "" for other sources. ``calibrates``: usable for int8
    calibration. ``bytes``: approximate download size."""

    name: str
    title: str
    parts: tuple[Part, ...]
    bytes: int
    repo: str = ""
    calibrates: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(part.path for part in self.parts)


DATASETS: dict[str, Dataset] = {
    item.name: item
    for item in (
        Dataset(
            "c4",
            _("c4 (calibration)"),
            (
                Part("en/c4-train.00000-of-01024.json.gz", "jsonl.gz", 356_317),
                Part("en/c4-validation.00000-of-00008.json.gz", "jsonl.gz", 45_576),
            ),
            bytes=360_000_000,
            repo="allenai/c4",
            calibrates=True,
        ),
        Dataset(
            "ceval",
            _("C-Eval (calibration)"),
            (Part("ceval-exam.zip", "archive"),),
            bytes=1_600_000,
            repo="ceval/ceval-exam",
            calibrates=True,
        ),
        Dataset(
            "alpaca",
            _("Alpaca, cleaned (calibration)"),
            (Part("alpaca_data_cleaned.json", "json", 51_760),),
            bytes=45_000_000,
            repo="yahma/alpaca-cleaned",
            calibrates=True,
        ),
        Dataset(
            "sharegpt",
            _("ShareGPT (performance)"),
            (Part("ShareGPT_V3_unfiltered_cleaned_split.json", "json", 94_145),),
            bytes=680_000_000,
            repo="anon8231489123/ShareGPT_Vicuna_unfiltered",
        ),
        Dataset(
            "sonnet", _("Sonnets (performance)"), (Part("sonnet.txt", "text", 518),), bytes=25_000
        ),
        Dataset(
            OPENCOMPASS,
            _("OpenCompass core and MATH (accuracy)"),
            (
                Part("FewCLUE/cluewsc/dev_few_all.json", "jsonl", 159),
                Part("FewCLUE/cluewsc/test_public.json", "jsonl", 976),
                Part("math/test_prm800k_500.jsonl", "jsonl", 500),
                Part("mmlu/dev/*_dev.csv", "files", 57),
                Part("mmlu/test/*_test.csv", "files", 57),
            ),
            bytes=1_000_000_000,
        ),
    )
}


def folder_of(dataset: Dataset, site: VaccSite) -> str:
    if dataset.name == OPENCOMPASS:
        return f"{site.workspace}/opencompass/data"
    return f"{site.workspace}/datasets/{dataset.name}"


def check_plan(dataset: Dataset, site: VaccSite, folder: str) -> Plan:
    there = check("path", path=literal(folder), what=_("dataset folder"))
    return _plan(dataset, site, folder, steps=(), checks=(there,))


def hub_plan(dataset: Dataset, site: VaccSite, wanted: Download) -> Plan:
    return _plan(
        dataset,
        site,
        wanted.folder,
        steps=(download_step(wanted, site),),
        files=(script(FOLLOW),),
        checks=download_checks(wanted, dataset.bytes),
    )


def sonnet_plan(dataset: Dataset, site: VaccSite, folder: str) -> Plan:
    argv = ("wget", "--continue", "--directory-prefix", literal(folder), SONNET_URL)
    checks = (tool_check("wget"), room_check(folder, dataset.bytes))
    return _plan(dataset, site, folder, steps=(Step("download", argv),), checks=checks)


def opencompass_plan(dataset: Dataset, site: VaccSite, *, exact: bool) -> Plan:
    """Plan the download of two archives, unpacked in OpenCompass's checkout like in the guide. Not
    exact: interrupted downloads resume, and unzip overwrites without prompting, because the job is
    unattended."""
    checkout, more = site.at("opencompass"), () if exact else ("-c",)
    over = () if exact else ("-o",)
    return _plan(
        dataset,
        site,
        folder_of(dataset, site),
        steps=(
            Step("download-core", ("wget", *more, CORE_URL), cwd=checkout),
            Step("download-math", ("wget", *more, MATH_URL), cwd=checkout),
            Step("unpack-core", ("unzip", *over, CORE), cwd=checkout),
            Step("unpack-math", ("unzip", "-o", MATH, "-d", "./data/"), cwd=checkout),
        ),
        checks=(
            *(tool_check("wget"), tool_check("unzip")),
            check(
                "path",
                path=checkout,
                what=_("OpenCompass checkout; run “Prepare OpenCompass” first"),
            ),
            room_check(f"{site.workspace}/opencompass", dataset.bytes),
        ),
    )


def _plan(
    dataset: Dataset,
    site: VaccSite,
    folder: str,
    *,
    steps: tuple[Step, ...],
    checks: tuple[Check, ...],
    files: tuple[PlanFile, ...] = (),
) -> Plan:
    parts = [{"path": p.path, "sort": p.sort, "items": p.items} for p in dataset.parts]
    expected = json.dumps({"name": dataset.name, "files": parts}, indent=1) + "\n"
    verify = (
        *(site.python_word, f"{FILES}/{_SCRIPT}", literal(folder)),
        *("--expected", f"{FILES}/{_EXPECTED}"),
    )
    return Plan(
        kind=KIND,
        steps=(*steps, Step("verify", verify)),
        files=(*files, script(_SCRIPT), PlanFile(_EXPECTED, expected)),
        outputs=(Output("dataset", "dataset.json"),),
        checks=checks,
    )
