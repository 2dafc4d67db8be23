"""EvalScope: its performance test and its evaluation, both without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.catalog import Question
from jobs.plans import ACCURACY, CLIENT, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE, TOKENIZERS
from jobs.tools.lib.load import HttpLoad
from jobs.tools.lib.seeds import seeds_text
from jobs.tools.lib.site import FILES, Site, script
from jobs.tools.lib.thinking import Body

PROGRAMS = ("python",)
CLIENTS = ("ask_and_score.py", "ask_until_decided.py")
PERF_CLIENTS = ("send_cold.py",)

# No hub access; caches stay in the job's folder.
_ENV = (
    ("PYTHONUNBUFFERED", "1"),
    ("FORCE_COLOR", "1"),
    ("COLUMNS", "100"),
    ("HF_HUB_OFFLINE", "1"),
    ("HF_DATASETS_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache/huggingface"),
    ("MODELSCOPE_CACHE", "{job_dir}/work/cache/modelscope"),
    ("EVALSCOPE_CACHE", "{job_dir}/work/cache/evalscope"),
    ("XDG_CACHE_HOME", "{job_dir}/work/cache"),
    ("no_proxy", "127.0.0.1,localhost"),
)
# llama.cpp's server closes a connection after a stream without saying so first. A client that keeps
# connections sends its next request into one that is just being closed: 7 of 60 requests failed.
_HEADERS = ("--headers", "Connection=close")
# EvalScope's connection test may take as long as a request, six hours; an unresponsive deployment
# must fail immediately, request by request.
_NO_WAIT = ("--no-test-connection", "--total-timeout", "600")
# A question without an answer is skipped and reported, instead of ending the run.
_PATIENCE = {"timeout": 600, "retry_interval": 1}
# The client library would send each attempt three times.
ONE_CLIENT = ("--model-args", "max_retries=0")
# Every request is generated to full length without cache: a cached prompt would distort TTFT, and
# an early stop the rate.
_PERF_EXTRA = {"ignore_eos": True, "cache_prompt": False}
PAUSE_S = 1
# Prompts of sized.py, from files in the working folder.
_WRITTEN = ("--dataset", "written_lines", "--dataset-path", "{job_dir}/work")
# Adds a unique mark before each prompt, and records the start of each concurrency.
_SEND = "send_cold.py"
WINDOWS = "windows.jsonl"
BARE = "bare"  # a stream of JSON lines without events
PROGRESS = "client.jsonl"  # as jobs.tools.vllm.host_reader knows it

# Continue from answers of an earlier job. They are scored again, because EvalScope compares the
# settings of that job, which may name its folders.
CONTINUE = ("--use-cache", "eval", "--rerun-review")

# Benchmark of ask_and_score.py per question type.
BENCHMARKS = {"short": "short_answers", "choice": "choice_letters"}
LETTERS = "ABCDEFGHIJ"
# Read, not imported: it belongs to the host, where a watch uses it too.
_SCORING = Path(__file__).parent.parent.parent / "host" / "scoring.py"
_VERSION = re.compile(r"^VERSION = (\d+)$", re.MULTILINE)


def perf_plan(load: HttpLoad, site: Site) -> Plan:
    """Plan a benchmark of the deployment in the slots ``{deployment.url}`` and
    ``{deployment.name}``."""
    data = f"{FILES}/{load.prompts_file().name}"
    argv = (
        *(ENVIRONMENTS[EVALSCOPE].python(site), f"{FILES}/{_SEND}"),
        *("--seeds", seeds_text(load.seed, load.concurrency), "--windows", WINDOWS),
        *("--progress", PROGRESS, "--stream", "sse" if load.streamed else BARE, "perf"),
        *("--api", "openai", "--url", "{deployment.url}/v1/chat/completions"),
        *("--model", "{deployment.name}", *_HEADERS),
        *(("--dataset", "cold_lines", "--dataset-path", data) if not load.sized else _WRITTEN),
        *("--parallel", *map(str, load.concurrency)),
        *("--number", *(str(load.requests) for _ in load.concurrency)),
        *_NO_WAIT,
        *("--warmup-num", str(max(load.concurrency)), "--sleep-interval", str(PAUSE_S)),
        *("--max-tokens", str(load.output_tokens), "--temperature", "0"),
        *("--extra-args", literal(json.dumps(_PERF_EXTRA))),
        *("--outputs-dir", "perf", "--name", "run", "--no-timestamp"),
    )
    return Plan(
        kind="benchmark",
        steps=(
            *_sized(load, site),
            Step("measure", argv, env=(*_ENV, *_key("API_KEY", load.key))),
        ),
        files=(script(_SEND), *load.files()),
        outputs=(
            Output("summary", "perf/run/*/benchmark_summary.json"),
            Output("percentiles", "perf/run/*/benchmark_percentile.json"),
            Output("arguments", "perf/run/*/benchmark_args.json"),
            Output("timeline", "perf/run/*/workload_timeline.json", required=False),
            Output("windows", WINDOWS, required=False),
            Output("table", "perf/run/performance_summary.txt", required=False),
            Output("report", "perf/run/perf_report.html", required=False),
        ),
        watches=load.watches(
            Watch(
                CLIENT,
                reader="client",
                folder="{job_dir}/work",
                expected=tuple((str(level), load.requests) for level in load.concurrency),
            )
        ),
    )


def _sized(load: HttpLoad, site: Site) -> tuple[Step, ...]:
    """Return the step that writes random prompts for each concurrency and its warm-up."""
    if load.sized is None:
        return ()
    seeds = seeds_text(load.seed, load.concurrency)
    python = ENVIRONMENTS[TOKENIZERS].python(site)
    requests = load.requests + max(load.concurrency)
    return (load.sized.written(python, requests=requests, seeds=seeds),)


@dataclass(frozen=True, slots=True)
class QuestionRun:
    """Generation settings: concurrency ``batch``, at most ``max_tokens`` per answer, ``samples``
    answers per question, ``retries`` of a failed request.

    ``key``: name of the API key's secret. ``extra_body``: more fields of each request.
    """

    questions: tuple[Question, ...]
    max_tokens: int
    temperature: float
    batch: int
    samples: int = 1
    retries: int = 2
    key: str = ""
    extra_body: Body = field(default_factory=dict)


def eval_plan(asking: QuestionRun, site: Site, *, folder: str = "../files") -> Plan:
    """Plan an evaluation of the deployment in the slots ``{deployment.url}`` and
    ``{deployment.name}``.

    ``folder`` has the questions, relative to the work folder.
    """
    subsets = by_subset(asking.questions)
    datasets = _dataset_args(subsets, folder)
    generation = {
        "max_tokens": asking.max_tokens,
        "temperature": asking.temperature,
        **_PATIENCE,
        "retries": asking.retries + 1,  # attempts
        **extra_fields(asking.extra_body),
    }
    argv = (
        *(ENVIRONMENTS[EVALSCOPE].python(site), f"{FILES}/ask_and_score.py", "eval"),
        *("--eval-type", "openai_api", "--api-url", "{deployment.url}/v1"),
        *("--api-key", "" if asking.key else "none"),
        *("--model", "{deployment.name}", "--model-id", "model"),
        *("--datasets", *datasets),
        *("--dataset-args", literal(json.dumps(datasets, ensure_ascii=False))),
        *("--generation-config", literal(json.dumps(generation)), *ONE_CLIENT),
        *("--eval-batch-size", str(asking.batch)),
        *(("--repeats", str(asking.samples)) if asking.samples > 1 else ()),
        *("--ignore-errors", "--work-dir", "eval", "--no-timestamp"),
    )
    return Plan(
        kind="evaluate",
        steps=(Step("ask", argv, env=(*_ENV, *_key("EVALSCOPE_API_KEY", asking.key))),),
        files=(script("ask_and_score.py"), scoring_rules(), *questions_files(asking.questions)),
        outputs=(
            Output("report", "eval/reports/model/*.json"),
            Output("reviews", "eval/reviews/model/*.jsonl"),
            Output("predictions", "eval/predictions/model/*.jsonl", required=False),
            Output("page", "eval/reports/report.html", required=False),
        ),
        watches=(
            Watch(
                ACCURACY,
                interval_s=0.5,
                reader="evalscope",
                folder="{job_dir}/work/eval",
                expected=tuple(
                    (f"{BENCHMARKS[questions[0].sort]}/{subset}", asking.samples * len(questions))
                    for subset, questions in subsets.items()
                ),
            ),
        ),
    )


def extra_fields(extra_body: Body) -> dict[str, Any]:
    """Return EvalScope's setting of more fields in each request; {} for none."""
    return {"extra_body": extra_body} if extra_body else {}


def _key(variable: str, name: str) -> tuple[tuple[str, str], ...]:
    return ((variable, f"{{secret:{name}}}"),) if name else ()


def questions_files(questions: Sequence[Question]) -> tuple[PlanFile, ...]:
    """Return a JSONL file for each subset, named after it."""
    return tuple(
        PlanFile(f"{subset}.jsonl", "".join(map(question_line, those)))
        for subset, those in by_subset(questions).items()
    )


def scoring_rules() -> PlanFile:
    """Return the scoring rules as a file next to the script."""
    return PlanFile("scoring.py", _SCORING.read_text(encoding="utf-8"))


def rules_version() -> str:
    """Return the version of the scoring rules, as a result's tool has it."""
    found = _VERSION.search(scoring_rules().text)
    return found[1] if found else ""


def by_subset(questions: Sequence[Question]) -> dict[str, list[Question]]:
    """Return questions by subset, in set order."""
    subsets: dict[str, list[Question]] = {}
    for question in questions:
        subsets.setdefault(question.subset, []).append(question)
    return subsets


def _dataset_args(
    subsets: Mapping[str, Sequence[Question]], folder: str
) -> dict[str, dict[str, object]]:
    """Return EvalScope's --dataset-args: files of the plan per benchmark."""
    arguments: dict[str, dict[str, object]] = {}
    for sort, benchmark in BENCHMARKS.items():
        names = [name for name, questions in subsets.items() if questions[0].sort == sort]
        if names:
            arguments[benchmark] = {"local_path": folder, "subset_list": names}
    return arguments


def question_line(question: Question) -> str:
    """Format a question for ask_and_score.py."""
    record: dict[str, object] = {
        "id": question.id,
        "language": question.language,
        "category": question.category,
        "question": question.question,
        **dict(zip(LETTERS, question.choices, strict=False)),
        "answers": list(question.answers),
        **({"not_in": list(question.not_in)} if question.not_in else {}),
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
