"""EvalScope with the data sets of a hub, or of a folder: VastModelZOO's evaluation by its command.

tools/evalscope/precision_llm.py of VastModelZOO (June 2026) builds the same task in Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from jobs.catalog.data_sets import BY_EVALSCOPE
from jobs.plans import ACCURACY, Check, Output, Plan, Step, Watch, literal
from jobs.tools.evalscope.commands import ONE_CLIENT, extra_fields
from jobs.tools.lib.data_files import DATA_FOLDER, folder_check
from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE
from jobs.tools.lib.site import Site, path_in
from jobs.tools.lib.thinking import Body

PROGRAMS = ("evalscope", "modelscope")
CLIENTS = ("evalscope",)
KIND = "evaluate-evalscope"
# Subsets of MMLU's 57 in VastModelZOO's short evaluation.
TEN_OF_MMLU = (
    *("abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge"),
    *("college_biology", "college_chemistry", "college_computer_science"),
    *("college_mathematics", "college_medicine"),
)
_TOP_K = 20  # the same script's
_PATIENCE = {"timeout": 6000, "retry_interval": 1}


@dataclass(frozen=True, slots=True)
class HubRun:
    """Evaluation settings. ``hub``: "modelscope" or "huggingface"; "" if ``folder`` has the data.

    ``limit``: questions per subset, 0 for all. ``samples``: answers to each question. ``retries``
    of a failed request. ``metrics``: counters of the engine to read. ``key``: name of the API key's
    secret. ``extra_body``: more fields of each request.
    """

    datasets: tuple[str, ...]
    ten_of_mmlu: bool
    hub: str
    folder: str
    endpoint: str
    limit: int
    max_tokens: int
    temperature: float
    top_p: float
    batch: int
    metrics: tuple[str, ...]
    samples: int = 1
    retries: int = 2
    key: str = ""
    extra_body: Body = field(default_factory=dict)


def evaluate_plan(asking: HubRun, site: Site) -> Plan:
    """Download the data if needed; generate and score."""
    argv = (
        *(ENVIRONMENTS[EVALSCOPE].program(site, "evalscope"), "eval"),
        *("--model", "{deployment.name}", "--model-id", "model"),
        *("--api-url", "{deployment.url}/v1", "--api-key", "" if asking.key else "EMPTY"),
        *("--eval-type", "openai_api", "--datasets", *asking.datasets),
        *(("--dataset-hub", asking.hub) if asking.hub else ()),
        *("--dataset-args", literal(json.dumps(_dataset_args(asking)))),
        *("--eval-batch-size", str(asking.batch)),
        *("--generation-config", literal(json.dumps(_generation(asking))), *ONE_CLIENT),
        *(("--limit", str(asking.limit)) if asking.limit else ()),
        *(("--repeats", str(asking.samples)) if asking.samples > 1 else ()),
        *("--ignore-errors", "--work-dir", "eval", "--no-timestamp"),
    )
    return Plan(
        kind=KIND,
        steps=(*_brought(asking, site), Step("ask", argv, env=_environment(asking, site))),
        outputs=(
            Output("report", "eval/reports/model/*.json"),
            Output("reviews", "eval/reviews/model/*.jsonl", required=False),
            Output("predictions", "eval/predictions/model/*.jsonl", required=False),
            Output("page", "eval/reports/report.html", required=False),
        ),
        watches=(
            Watch("engine", "{deployment.url}/metrics", asking.metrics, interval_s=1.0),
            Watch(
                ACCURACY,
                interval_s=1.0,
                reader="evalscope",
                folder="{job_dir}/work/eval",
                # EvalScope reports a set's size after loading.
                expected=tuple((name, 0) for name in asking.datasets),
            ),
        ),
        checks=(
            *_there(asking),
            Check("endpoint", (("url", "{deployment.url}"), ("model", "{deployment.name}"))),
        ),
    )


def _brought(asking: HubRun, site: Site) -> tuple[Step, ...]:
    """Existing files are only compared with the hub."""
    if asking.hub != "modelscope":
        return ()
    tool = ENVIRONMENTS[EVALSCOPE].program(site, "modelscope")
    return tuple(
        # ModelScope's command downloads, because EvalScope's library needs packages missing in the
        # environment.
        Step(
            f"download-{name}",
            (tool, "download", _repository(name), "--repo-type", "dataset"),
            env=_environment(replace(asking, key=""), site),
        )
        for name in asking.datasets
    )


def _there(asking: HubRun) -> tuple[Check, ...]:
    """Return the check of each set's folder; none for a hub."""
    if asking.hub:
        return ()
    sets = (BY_EVALSCOPE[name].evalscope for name in asking.datasets)
    return tuple(folder_check(one, asking.folder) for one in sets if one is not None)


def _repository(name: str) -> str:
    own = BY_EVALSCOPE[name].evalscope
    return own.repository if own else ""


def _dataset_args(asking: HubRun) -> dict[str, dict[str, Any]]:
    arguments: dict[str, dict[str, Any]] = {}
    for name in asking.datasets:
        if not asking.hub:
            arguments[name] = {"local_path": str(PurePosixPath(asking.folder, name))}
        if name == "mmlu" and asking.ten_of_mmlu:
            arguments.setdefault(name, {})["subset_list"] = list(TEN_OF_MMLU)
    return arguments


def _generation(asking: HubRun) -> dict[str, Any]:
    return {
        "max_tokens": asking.max_tokens,
        "temperature": asking.temperature,
        "top_p": asking.top_p,
        "top_k": _TOP_K,
        "n": 1,
        "stream": True,
        **_PATIENCE,
        "retries": asking.retries + 1,  # attempts
        **extra_fields(asking.extra_body),
    }


def _environment(asking: HubRun, site: Site) -> tuple[tuple[str, str], ...]:
    """Return the environment; downloads stay for the next job. Data of a folder needs no hub."""
    key = (("EVALSCOPE_API_KEY", f"{{secret:{asking.key}}}"),) if asking.key else ()
    endpoint = (("HF_ENDPOINT", literal(asking.endpoint)),) if asking.hub == "huggingface" else ()
    offline = (("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1")) if not asking.hub else ()
    return (
        *(("PYTHONUNBUFFERED", "1"), ("FORCE_COLOR", "1"), ("COLUMNS", "100")),
        ("HF_HOME", path_in(site.workspace, DATA_FOLDER, "huggingface")),
        ("MODELSCOPE_CACHE", path_in(site.workspace, DATA_FOLDER, "modelscope")),
        ("EVALSCOPE_CACHE", "{job_dir}/work/cache/evalscope"),
        ("XDG_CACHE_HOME", "{job_dir}/work/cache"),
        ("no_proxy", "127.0.0.1,localhost,{deployment.host}"),
        *offline,
        *endpoint,
        *key,
    )
