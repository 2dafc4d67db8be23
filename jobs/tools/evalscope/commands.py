"""EvalScope: its performance test and its evaluations, on own questions or public data sets.

With own questions an evaluation may go in parts, and end when the comparison with a baseline is
decided. The questions are asked in a random order, the same share of each subset in each look. So a
look compares a random part of them, and not those that were answered first.

tools/evalscope/precision_llm.py of VastModelZOO (June 2026) builds the task of public data sets in
Python; here it is EvalScope's command.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.base import grouped
from jobs.catalog import Question
from jobs.catalog.data_sets import BY_EVALSCOPE
from jobs.catalog.questions import LETTERS, draw
from jobs.plans import ACCURACY, CLIENT, Output, Plan, PlanFile, Step, Watch, literal
from jobs.statistics import paired
from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE, TOKENIZERS
from jobs.tools.lib.folders import DATA_FOLDER, folder_check
from jobs.tools.lib.load import Body, HttpLoad
from jobs.tools.lib.site import FILES, UNBUFFERED, Site, endpoint_check, path_in, script, secret

PROGRAMS = ("python",)
CLIENTS = ("ask_and_score.py", "ask_until_decided.py")
PERF_CLIENTS = ("send_cold.py",)
SETS = "evaluate-evalscope"
SETS_PROGRAMS = ("evalscope", "modelscope")
SETS_CLIENTS = ("evalscope",)

_SHOWN = (*UNBUFFERED, ("FORCE_COLOR", "1"), ("COLUMNS", "100"))
_OFFLINE = (("HF_HUB_OFFLINE", "1"), ("HF_DATASETS_OFFLINE", "1"))
_CACHE = (
    ("EVALSCOPE_CACHE", "{job_dir}/work/cache/evalscope"),
    ("XDG_CACHE_HOME", "{job_dir}/work/cache"),
)
# No hub access; caches stay in the job's folder.
_ENV = (
    *(*_SHOWN, *_OFFLINE),
    ("HF_HOME", "{job_dir}/work/cache/huggingface"),
    ("MODELSCOPE_CACHE", "{job_dir}/work/cache/modelscope"),
    *_CACHE,
    ("no_proxy", "127.0.0.1,localhost"),
)
# llama.cpp's server closes a connection after a stream without saying so first. A client that keeps
# connections sends its next request into one that is just being closed: 7 of 60 requests failed.
_HEADERS = ("--headers", "Connection=close")
# EvalScope's connection test may take as long as a request, six hours; an unresponsive deployment
# must fail immediately, request by request.
_NO_WAIT = ("--no-test-connection", "--total-timeout", "600")
# The client library would send each attempt three times.
_ONE_CLIENT = ("--model-args", "max_retries=0")
# Every request is generated to full length without cache: a cached prompt would distort TTFT, and
# an early stop the rate.
_PERF_EXTRA = {"ignore_eos": True, "cache_prompt": False}
PAUSE_S = 1
# Adds a unique mark before each prompt, and records the start of each concurrency.
SEND = "send_cold.py"
WINDOWS = "windows.jsonl"
BARE = "bare"  # a stream of JSON lines without events
_PROGRESS = "client.jsonl"  # as jobs.tools.vllm.host_reader knows it

# Continue from answers of an earlier job. They are scored again, because EvalScope compares the
# settings of that job, which may name its folders.
CONTINUE = ("--use-cache", "eval", "--rerun-review")

# Benchmark of ask_and_score.py per question type.
_BENCHMARKS = {"short": "short_answers", "choice": "choice_letters"}
_ASK = "ask_and_score.py"
# Read, not imported: it belongs to the host, where a watch uses it too.
_JOBS = Path(__file__).parents[2]
_SCORING = (_JOBS / "host" / "scoring.py", _JOBS / "reasoning.py")
_VERSION = re.compile(r"^VERSION = (\d+)$", re.MULTILINE)

LOOKS = 10
LOOKS_FILE = "eval/looks.jsonl"
_DECIDE, _RULE = "ask_until_decided.py", "early_stop.json"

# Subsets of MMLU's 57 in VastModelZOO's short evaluation.
_TEN_OF_MMLU = (
    *("abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge"),
    *("college_biology", "college_chemistry", "college_computer_science"),
    *("college_mathematics", "college_medicine"),
)


def perf_plan(load: HttpLoad, site: Site) -> Plan:
    """Slots: ``{deployment.url}`` and ``{deployment.name}``."""
    params = load.params
    data = ("cold_lines", "--dataset-path", f"{FILES}/{load.prompts_file().name}")
    steps: tuple[Step, ...] = ()
    if load.prompts.folder:
        # Random prompts for each concurrency and its warm-up, from files in the working folder.
        data = ("written_lines", "--dataset-path", "{job_dir}/work")
        python = ENVIRONMENTS[TOKENIZERS].python(site)
        steps = (load.written(python, params.requests + max(params.concurrency)),)
    argv = perf_command(
        load,
        site,
        seeds=load.seeds,
        data=data,
        sent=(
            *("--parallel", *map(str, params.concurrency)),
            *("--number", *(str(params.requests) for _ in params.concurrency)),
        ),
        warm_ups=max(params.concurrency),
    )
    return Plan(
        kind="benchmark",
        steps=(*steps, Step("measure", argv, env=perf_environment(load))),
        files=(script(SEND), *load.files()),
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
                expected=tuple((str(level), params.requests) for level in params.concurrency),
            )
        ),
    )


def perf_environment(load: HttpLoad) -> tuple[tuple[str, str], ...]:
    return (*_ENV, *secret("API_KEY", load.key))


def perf_command(
    load: HttpLoad,
    site: Site,
    *,
    seeds: str,
    data: tuple[str, ...],
    sent: tuple[str, ...],
    warm_ups: int,
    windows: str = WINDOWS,
    name: str = "run",
) -> tuple[str, ...]:
    """``data``: its set with options. ``sent``: how many requests, at what load."""
    return (
        *(ENVIRONMENTS[EVALSCOPE].python(site), f"{FILES}/{SEND}"),
        *("--seeds", seeds, "--windows", windows),
        *("--progress", _PROGRESS, "--stream", "sse" if load.streamed else BARE, "perf"),
        *("--api", "openai", "--url", "{deployment.url}/v1/chat/completions"),
        *("--model", "{deployment.name}", *_HEADERS, "--dataset", *data),
        *(*sent, *_NO_WAIT),
        *("--warmup-num", str(warm_ups), "--sleep-interval", str(PAUSE_S)),
        *("--max-tokens", str(load.params.output_tokens), "--temperature", "0"),
        *("--extra-args", literal(json.dumps(_PERF_EXTRA))),
        *("--outputs-dir", "perf", "--name", name, "--no-timestamp"),
    )


def _generation(params: Any, extra_body: Body, *, timeout: int, **more: Any) -> str:
    """--generation-config: a question without an answer is skipped and reported."""
    config = {
        "max_tokens": params.max_tokens,
        "temperature": params.temperature,
        **more,
        **{"timeout": timeout, "retry_interval": 1},
        "extra_headers": {"Connection": "close"},  # as _HEADERS: a lost request costs a retry
        "retries": params.retries + 1,  # attempts
        **({"extra_body": extra_body} if extra_body else {}),
    }
    return literal(json.dumps(config))


def _repeats(params: Any) -> tuple[str, ...]:
    return ("--repeats", str(params.samples)) if params.samples > 1 else ()


def eval_plan(
    params: Any,
    questions: Sequence[Question],
    site: Site,
    *,
    key: str,
    extra_body: Body,
    folder: str = "../files",
) -> Plan:
    """Slots as in :func:`perf_plan`. ``params``: of ``evaluate``. ``key``: name of the API key's
    secret. ``extra_body``: more fields of each request. ``folder`` has the questions, relative to
    the work folder."""
    subsets = _by_subset(questions)
    datasets: dict[str, dict[str, object]] = {}
    for sort, benchmark in _BENCHMARKS.items():
        names = [name for name, those in subsets.items() if those[0].sort == sort]
        if names:
            datasets[benchmark] = {"local_path": folder, "subset_list": names}
    argv = (
        *(ENVIRONMENTS[EVALSCOPE].python(site), f"{FILES}/{_ASK}", "eval"),
        *("--eval-type", "openai_api", "--api-url", "{deployment.url}/v1"),
        *("--api-key", "" if key else "none"),
        *("--model", "{deployment.name}", "--model-id", "model"),
        *("--datasets", *datasets),
        *("--dataset-args", literal(json.dumps(datasets, ensure_ascii=False))),
        *("--generation-config", _generation(params, extra_body, timeout=600), *_ONE_CLIENT),
        *("--eval-batch-size", str(params.batch), *_repeats(params)),
        *("--ignore-errors", "--work-dir", "eval", "--no-timestamp"),
    )
    env = (*_ENV, *secret("EVALSCOPE_API_KEY", key))
    expected = tuple(
        (f"{_BENCHMARKS[those[0].sort]}/{subset}", params.samples * len(those))
        for subset, those in subsets.items()
    )
    return Plan(
        kind="evaluate",
        steps=(Step("ask", argv, env=env),),
        files=(script(_ASK), *scoring_rules(), *questions_files(questions)),
        outputs=_outputs(reviewed=True),
        watches=(_scores(0.5, expected),),
    )


def _outputs(*, reviewed: bool) -> tuple[Output, ...]:
    """Return the files of an evaluation. ``reviewed``: each question needs its score."""
    return (
        Output("report", "eval/reports/model/*.json"),
        Output("reviews", "eval/reviews/model/*.jsonl", required=reviewed),
        Output("predictions", "eval/predictions/model/*.jsonl", required=False),
        Output("page", "eval/reports/report.html", required=False),
    )


def _scores(interval_s: float, expected: tuple[tuple[str, int], ...]) -> Watch:
    folder = "{job_dir}/work/eval"
    return Watch(
        ACCURACY, interval_s=interval_s, reader="evalscope", folder=folder, expected=expected
    )


def questions_files(questions: Sequence[Question]) -> tuple[PlanFile, ...]:
    return tuple(
        PlanFile(f"{subset}.jsonl", "".join(map(question_line, those)))
        for subset, those in _by_subset(questions).items()
    )


def scoring_rules() -> tuple[PlanFile, ...]:
    return tuple(PlanFile(path.name, path.read_text(encoding="utf-8")) for path in _SCORING)


def rules_version() -> str:
    found = _VERSION.search(scoring_rules()[0].text)
    return found[1] if found else ""


def _by_subset(questions: Sequence[Question]) -> dict[str, list[Question]]:
    return grouped((question.subset, question) for question in questions)


def question_line(question: Question) -> str:
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


@dataclass(frozen=True, slots=True)
class Rule:
    """``verdicts`` of the result ``baseline``, such as "res-15": question id -> correct, None
    without a score. ``margin`` is from 0 to 1."""

    baseline: str
    margin: float
    goal: paired.Goal
    verdicts: Mapping[str, bool | None]


def decided_plan(
    params: Any,
    questions: Sequence[Question],
    site: Site,
    *,
    rule: Rule,
    key: str,
    extra_body: Body,
) -> Plan:
    """Plan an evaluation that asks a tenth more in each look until ``rule`` decides."""
    subsets = {
        subset: sorted(those, key=lambda one: draw(params.question_seed or 0, one.id))
        for subset, those in _by_subset(questions).items()
    }
    questions = [question for those in subsets.values() for question in those]
    # Questions that were asked so far are in a folder of their own.
    plan = eval_plan(params, questions, site, key=key, extra_body=extra_body, folder="asked")
    (step,) = plan.steps
    python, _ask, *arguments = step.argv
    argv = (python, f"{FILES}/{_DECIDE}", f"{FILES}/{_RULE}", *arguments)
    # The same formulas decide on the dashboard.
    formulas = Path(paired.__file__)
    parts = {
        f"{subset}.jsonl": {
            "reviews": f"eval/reviews/model/{_BENCHMARKS[those[0].sort]}_{subset}.jsonl",
            "looks": [-(-look * len(those) // LOOKS) for look in range(1, LOOKS + 1)],
            "baseline": [
                None if (right := rule.verdicts[one.id]) is None else int(right) for one in those
            ],
        }
        for subset, those in subsets.items()
    }
    asked = {"baseline": rule.baseline, "margin": rule.margin, "goal": rule.goal}
    return replace(
        plan,
        steps=(replace(step, argv=argv),),
        files=(
            *(*plan.files, script(_DECIDE)),
            PlanFile(formulas.name, formulas.read_text(encoding="utf-8")),
            PlanFile(_RULE, json.dumps({**asked, "parts": parts}) + "\n"),
        ),
        outputs=(*plan.outputs, Output("looks", LOOKS_FILE)),
    )


def sets_plan(
    params: Any,
    site: Site,
    *,
    folder: str,
    seed: int | None,
    metrics: tuple[str, ...],
    key: str,
    extra_body: Body,
) -> Plan:
    """``params``: of ``evaluate-evalscope``. ``folder`` has the data; "": a hub. ``seed`` draws the
    questions; None: the first ones. ``metrics``: counters of the engine to read. ``key``,
    ``extra_body``: as in :func:`eval_plan`."""
    hub = "" if folder else params.source
    environment, env = ENVIRONMENTS[EVALSCOPE], _sets_environment(params, site, hub)
    sets = [(name, BY_EVALSCOPE[name].evalscope) for name in params.datasets]
    # ModelScope's command downloads, because EvalScope's library needs packages missing in the
    # environment. Existing files are only compared with the hub.
    download = (environment.program(site, "modelscope"), "download")
    brought = [
        Step(f"download-{name}", (*download, one.repository, "--repo-type", "dataset"), env=env)
        for name, one in sets
        if hub == "modelscope" and one
    ]
    more = {"top_p": params.top_p, "top_k": 20, "n": 1, "stream": True}  # of the same script
    generation = _generation(params, extra_body, timeout=6000, **more)
    argv = (
        *(environment.program(site, "evalscope"), "eval"),
        *("--model", "{deployment.name}", "--model-id", "model"),
        *("--api-url", "{deployment.url}/v1", "--api-key", "" if key else "EMPTY"),
        *("--eval-type", "openai_api", "--datasets", *params.datasets),
        *(("--dataset-hub", hub) if hub else ()),
        *("--dataset-args", literal(json.dumps(_of_sets(params, folder, seed)))),
        *("--eval-batch-size", str(params.batch)),
        *("--generation-config", generation, *_ONE_CLIENT),
        *(("--limit", str(params.limit)) if params.limit else ()),
        *(() if seed is None else ("--seed", str(seed))),
        *_repeats(params),
        *("--ignore-errors", "--work-dir", "eval", "--no-timestamp"),
    )
    ask = Step("ask", argv, env=(*env, *secret("EVALSCOPE_API_KEY", key)))
    return Plan(
        kind=SETS,
        steps=(*brought, ask),
        outputs=_outputs(reviewed=False),
        watches=(
            Watch("engine", "{deployment.url}/metrics", metrics, interval_s=1.0),
            # EvalScope reports a set's size after loading.
            _scores(1.0, tuple((name, 0) for name in params.datasets)),
        ),
        checks=(
            *(folder_check(one, folder) for _name, one in sets if one and folder),
            endpoint_check(),
        ),
    )


def _of_sets(params: Any, folder: str, seed: int | None) -> dict[str, dict[str, Any]]:
    """Return ``--dataset-args``, of sets that need any."""
    arguments = {}
    for name in params.datasets:
        one: dict[str, Any] = {"local_path": str(PurePosixPath(folder, name))} if folder else {}
        if name == "mmlu" and params.mmlu == "ten":
            one["subset_list"] = list(_TEN_OF_MMLU)
        if seed is not None:  # a set is shuffled before the limit of each subset is taken
            one["shuffle"] = True
        if one:
            arguments[name] = one
    return arguments


def _sets_environment(params: Any, site: Site, hub: str) -> tuple[tuple[str, str], ...]:
    """Return the environment; downloads stay for the next job. Data of a folder needs no hub."""
    return (
        *_SHOWN,
        ("HF_HOME", path_in(site.workspace, DATA_FOLDER, "huggingface")),
        ("MODELSCOPE_CACHE", path_in(site.workspace, DATA_FOLDER, "modelscope")),
        *_CACHE,
        ("no_proxy", "127.0.0.1,localhost,{deployment.host}"),
        *(() if hub else _OFFLINE),
        *((("HF_ENDPOINT", literal(params.endpoint)),) if hub == "huggingface" else ()),
    )
