"""Weights and data sets in the workspace of a VACC host: downloads, verification, vendor's patch.

Downloads from hubs: huggingface_hub's command, hfd.sh, ModelScope's. Each resumes an interrupted
one. Tokens are passed only in the environment, because anyone on the host can read command lines.

Data sets are those of the deployment guide. Their counts are those of published files; a partial
set is reported, not refused.

The VACC patch: the vendor's model files in the weights folder of a Qwen distill.
``config_vacc.json`` is generated on the host from its current ``config.json``, by the catalogue's
module, which the plan contains. A config stored by the dashboard could be older than the weights.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog import HubSource, ZooModel, modification
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, check, script, secret, tool_check
from jobs.tools.vacc.site import VaccSite

HF_MIRROR = "https://hf-mirror.com"  # the deployment guide's own
# Source -> its program on the host.
_PROGRAM_OF = {"hf": "hf", "hfd": "hfd.sh", "modelscope": "modelscope"}
_FOLLOW = "follow_download.py"
_EXPECTED = "expected.json"

WEIGHTS = "prepare-weights"
WEIGHTS_PROGRAMS = (*_PROGRAM_OF.values(), "python3")
_VERIFY_WEIGHTS = "verify_weights.py"

PATCH = "apply-modification"
PATCH_PROGRAMS = ("python3",)
PATCH_STEPS = {
    "show": pgettext_lazy("step", "show differences"),
    "apply": pgettext_lazy("step", "apply"),
    "undo": pgettext_lazy("step", "undo"),
}
_APPLY = "apply_modification.py"

DATA = "prepare-datasets"
DATA_PROGRAMS = ("python3", "unzip", "wget")
DATA_STEPS = {
    "download-core": pgettext_lazy("step", "download core"),
    "download-math": pgettext_lazy("step", "download MATH"),
    "unpack-core": pgettext_lazy("step", "unpack core"),
    "unpack-math": pgettext_lazy("step", "unpack MATH"),
}
_VERIFY_DATA = "verify_dataset.py"
OPENCOMPASS = "opencompass"
# The deployment guide, Pytorch Deploy, step 4.2.
CORE = "OpenCompassData-core-20240207.zip"
CORE_URL = f"https://github.com/open-compass/opencompass/releases/download/0.2.2.rc1/{CORE}"
MATH = "math.zip"
MATH_URL = f"http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/{MATH}"
# sonnet.txt of vLLM v0.7.2, which its image has as /workspace/vllm/benchmarks/sonnet.txt.
SONNET_URL = "https://raw.githubusercontent.com/vllm-project/vllm/v0.7.2/benchmarks/sonnet.txt"


@dataclass(frozen=True, slots=True)
class Download:
    """``params``: of ``prepare-weights`` or ``prepare-datasets``. ``program``: the host's name of
    huggingface_hub's command. ``files``: only these, of a data set; empty: the whole repository of
    a model. ``bytes``: approximate size, 0 if unknown."""

    params: Any
    repo: str
    folder: str
    program: str
    files: tuple[str, ...] = ()
    bytes: int = 0

    @property
    def tool(self) -> str:
        source = self.params.source
        return self.program if source == "hf" else _PROGRAM_OF[source]


def _download_step(wanted: Download, site: VaccSite) -> Step:
    known = ("--bytes", str(wanted.bytes)) if wanted.bytes else ()
    follow = (site.python_word, f"{FILES}/{_FOLLOW}", literal(wanted.folder), *known, "--")
    env: tuple[tuple[str, str], ...] = ()
    if wanted.params.source != "modelscope" and wanted.params.endpoint:
        env = (("HF_ENDPOINT", literal(wanted.params.endpoint)),)
    token = () if wanted.files else secret("HF_TOKEN", wanted.params.token)
    return Step("download", (*follow, *_command(wanted)), env=(*env, *token))


def _command(wanted: Download) -> tuple[str, ...]:
    repo, folder, files = literal(wanted.repo), literal(wanted.folder), map(literal, wanted.files)
    revision = "" if wanted.files else wanted.params.revision
    to_revision = ("--revision", literal(revision)) if revision else ()
    # Parallel files; of hfd.sh connections for each.
    connections = "8" if wanted.files else str(wanted.params.connections)
    if wanted.params.source == "hfd":
        return (
            *("hfd.sh", repo, *(("--dataset", "--include", *files) if wanted.files else ())),
            *("-x", connections, "--local-dir", folder, *to_revision),
        )
    if wanted.params.source == "modelscope":
        to = ("--local_dir", folder, *to_revision)
        return ("modelscope", "download", "--model", repo, *to, "--max-workers", connections)
    of_type = ("--repo-type", "dataset") if wanted.files else ()
    to = (*of_type, "--local-dir", folder, *to_revision)
    return (wanted.tool, "download", repo, *files, *to, "--max-workers", connections)


def program_of(facts: Mapping[str, Any]) -> str:
    """Return the name of huggingface_hub's command on this host (formerly huggingface-cli)."""
    names = {tool.get("name") for tool in facts.get("tools") or ()}
    return "huggingface-cli" if "huggingface-cli" in names and "hf" not in names else "hf"


def _download_checks(wanted: Download, size: int) -> tuple[Check, ...]:
    return tool_check(wanted.tool), _room_check(wanted.folder, size)


def _room_check(folder: str, size: int) -> Check:
    return check("disk", path=literal(folder), bytes=str(size), resumes="yes")


def weights_plan(
    model: ZooModel, source: HubSource, site: VaccSite, *, wanted: Download, read_all: bool
) -> Plan:
    """Download the weights (source "folder": they exist) and verify them. ``read_all``:
    checksum every shard, which takes minutes per 100 GB."""
    expected = {
        "model": model.name,
        "precision": source.precision,
        "config": model.architecture.config_values(),
        "shards": source.shards,
        "bytes": None if source.is_about else source.bytes,
    }
    argv = (
        *(site.python_word, f"{FILES}/{_VERIFY_WEIGHTS}", literal(wanted.folder)),
        *("--expected", f"{FILES}/{_EXPECTED}", *(("--sha256",) if read_all else ())),
    )
    verify = Step("verify", argv)
    files = (script(_VERIFY_WEIGHTS), _patch_module(), _json_file(expected))
    outputs = (Output("weights", "weights.json"),)
    if wanted.params.source == "folder":
        there = check("path", path=literal(wanted.folder), what=_("weights folder"))
        return Plan(kind=WEIGHTS, steps=(verify,), files=files, outputs=outputs, checks=(there,))
    return Plan(
        kind=WEIGHTS,
        steps=(_download_step(wanted, site), verify),
        files=(script(_FOLLOW), *files),
        outputs=outputs,
        checks=_download_checks(wanted, source.bytes),
    )


def _json_file(expected: Mapping[str, Any]) -> PlanFile:
    return PlanFile(_EXPECTED, json.dumps(expected, indent=1) + "\n")


def _patch_module() -> PlanFile:
    return PlanFile("modification.py", Path(modification.__file__).read_text(encoding="utf-8"))


def patch_plan(model: ZooModel, site: VaccSite, *, undo: bool, only_show: bool) -> Plan:
    """Show changes, then apply them; or undo. The weights are in the slot."""
    source = literal(site.modification)
    files: tuple[PlanFile, ...] = (script(_APPLY), _patch_module())
    names: tuple[str, ...] = ("undo",)
    options: tuple[str, ...] = ()
    checks: list[Check] = []
    if not undo:
        names = ("show",) if only_show else ("show", "apply")
        options = ("--source", source, "--expected", f"{FILES}/{_EXPECTED}")
        files = (*files, _json_file(model.architecture.config_values()))
        what = _("vendor's patched model file")
        own = [name for name in model.modification if name != modification.CONFIG_VACC]
        checks = [check("path", path=f"{source}/{name}", what=what) for name in own]
        checks.insert(0, check("weights", path="{weights.path}"))
    program = (site.python_word, f"{FILES}/{_APPLY}")
    return Plan(
        kind=PATCH,
        steps=tuple(Step(name, (*program, name, "{weights.path}", *options)) for name in names),
        files=files,
        outputs=(Output("modification", "modification.json"),),
        checks=tuple(checks),
    )


class DatasetPart(NamedTuple):
    """Files of a dataset: a glob below its folder, format, expected number of items."""

    path: str
    sort: str
    items: int | None = None


@dataclass(frozen=True, slots=True)
class DatasetDownload:
    """A dataset. ``repo``: hub repository; "" for other sources. ``calibrates``: usable for int8
    calibration. ``bytes``: approximate download size."""

    name: str
    title: str
    parts: tuple[DatasetPart, ...]
    bytes: int
    repo: str = ""
    calibrates: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(part.path for part in self.parts)


_C4 = (
    DatasetPart("en/c4-train.00000-of-01024.json.gz", "jsonl.gz", 356_317),
    DatasetPart("en/c4-validation.00000-of-00008.json.gz", "jsonl.gz", 45_576),
)
_CEVAL = (DatasetPart("ceval-exam.zip", "archive"),)
_ALPACA = (DatasetPart("alpaca_data_cleaned.json", "json", 51_760),)
_SHAREGPT = (DatasetPart("ShareGPT_V3_unfiltered_cleaned_split.json", "json", 94_145),)
_SHAREGPT_REPO = "anon8231489123/ShareGPT_Vicuna_unfiltered"
_SONNETS = (DatasetPart("sonnet.txt", "text", 518),)
_CORE = (
    DatasetPart("FewCLUE/cluewsc/dev_few_all.json", "jsonl", 159),
    DatasetPart("FewCLUE/cluewsc/test_public.json", "jsonl", 976),
    DatasetPart("math/test_prm800k_500.jsonl", "jsonl", 500),
    DatasetPart("mmlu/dev/*_dev.csv", "files", 57),
    DatasetPart("mmlu/test/*_test.csv", "files", 57),
)
_ALL = (
    DatasetDownload("c4", _("c4 (calibration)"), _C4, 360_000_000, "allenai/c4", calibrates=True),
    DatasetDownload(
        *("ceval", _("C-Eval (calibration)"), _CEVAL, 1_600_000, "ceval/ceval-exam"),
        calibrates=True,
    ),
    DatasetDownload(
        *("alpaca", _("Alpaca, cleaned (calibration)"), _ALPACA, 45_000_000),
        *("yahma/alpaca-cleaned",),
        calibrates=True,
    ),
    DatasetDownload(
        "sharegpt", _("ShareGPT (performance)"), _SHAREGPT, 680_000_000, _SHAREGPT_REPO
    ),
    DatasetDownload("sonnet", _("Sonnets (performance)"), _SONNETS, 25_000),
    DatasetDownload(OPENCOMPASS, _("OpenCompass core and MATH (accuracy)"), _CORE, 1_000_000_000),
)
DATASETS = {one.name: one for one in _ALL}


def folder_of(dataset: DatasetDownload, site: VaccSite) -> str:
    if dataset.name == OPENCOMPASS:
        return f"{site.workspace}/opencompass/data"
    return f"{site.workspace}/datasets/{dataset.name}"


def check_plan(dataset: DatasetDownload, site: VaccSite, folder: str) -> Plan:
    there = check("path", path=literal(folder), what=_("dataset folder"))
    return _plan(dataset, site, folder, (), (there,))


def hub_plan(dataset: DatasetDownload, site: VaccSite, wanted: Download) -> Plan:
    steps, checks = (_download_step(wanted, site),), _download_checks(wanted, dataset.bytes)
    return _plan(dataset, site, wanted.folder, steps, checks, script(_FOLLOW))


def sonnet_plan(dataset: DatasetDownload, site: VaccSite, folder: str) -> Plan:
    argv = ("wget", "--continue", "--directory-prefix", literal(folder), SONNET_URL)
    checks = (tool_check("wget"), _room_check(folder, dataset.bytes))
    return _plan(dataset, site, folder, (Step("download", argv),), checks)


def opencompass_plan(dataset: DatasetDownload, site: VaccSite, *, exact: bool) -> Plan:
    """Plan the download of two archives, unpacked in OpenCompass's checkout like in the guide.
    Not exact: interrupted downloads resume, and unzip overwrites without prompting, because the job
    is unattended."""
    checkout = site.at("opencompass")
    more, over = ((), ()) if exact else (("-c",), ("-o",))
    steps = (
        Step("download-core", ("wget", *more, CORE_URL), cwd=checkout),
        Step("download-math", ("wget", *more, MATH_URL), cwd=checkout),
        Step("unpack-core", ("unzip", *over, CORE), cwd=checkout),
        Step("unpack-math", ("unzip", "-o", MATH, "-d", "./data/"), cwd=checkout),
    )
    what = _("OpenCompass checkout; run “Prepare OpenCompass” first")
    checks = (
        *(tool_check("wget"), tool_check("unzip"), check("path", path=checkout, what=what)),
        _room_check(f"{site.workspace}/opencompass", dataset.bytes),
    )
    return _plan(dataset, site, folder_of(dataset, site), steps, checks)


def _plan(
    dataset: DatasetDownload,
    site: VaccSite,
    folder: str,
    steps: tuple[Step, ...],
    checks: tuple[Check, ...],
    *files: PlanFile,
) -> Plan:
    expected = {"name": dataset.name, "files": [part._asdict() for part in dataset.parts]}
    verify = (
        *(site.python_word, f"{FILES}/{_VERIFY_DATA}", literal(folder)),
        *("--expected", f"{FILES}/{_EXPECTED}"),
    )
    return Plan(
        kind=DATA,
        steps=(*steps, Step("verify", verify)),
        files=(*files, script(_VERIFY_DATA), _json_file(expected)),
        outputs=(Output("dataset", "dataset.json"),),
        checks=checks,
    )
