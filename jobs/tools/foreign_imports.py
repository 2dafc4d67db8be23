"""Results of tools that the dashboard does not run: NVIDIA AIPerf, lm-evaluation-harness (lm-eval).

AIPerf's inter-token latency is, per request, the time after the first token divided by the tokens
after it: our TPOT. Its inter-chunk latency is each gap of a stream: our ITL.

A task of lm-eval may have several metrics, and several filters of the answers. The first share of
the questions counts; its name is in the mode of the set.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobs import reasoning
from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import MOST_REQUESTS, Measurement, RequestTimes, SetScore
from jobs.tools import imports
from jobs.tools.imports import (
    Bundle,
    ImportRefusal,
    ImportRefused,
    Reader,
    Reading,
    attempt,
    inside,
)
from jobs.tools.outputs.answers import Answered, kept, means_of
from jobs.tools.outputs.figures import FileFigure, MeasuredPoint, take
from jobs.tools.outputs.files import count, json_lines, json_object, number_or_none

# AIPerf's name -> ours.
_TOTALS = {
    "request_throughput": "requests_per_s",
    "output_token_throughput": "output_tokens_per_s",
    "total_token_throughput": "total_tokens_per_s",
    "goodput": "goodput_requests_per_s",
    "benchmark_duration": "duration_s",
    "total_isl": "input_tokens",
    "total_osl": "output_tokens",
    "input_sequence_length": "input_tokens_mean",
    "output_sequence_length": "output_tokens_mean",
}
# AIPerf's family, in ms -> ours, with the factor.
_LATENCIES = {
    "time_to_first_token": ("ttft_{}_ms", 1.0),
    "inter_token_latency": ("tpot_{}_ms", 1.0),
    "inter_chunk_latency": ("itl_{}_ms", 1.0),
    "request_latency": ("latency_{}_s", 1 / MS_PER_S),
}
_STATISTICS = {
    **{"avg": "mean", "std": "std"},
    **{name: name for name in ("min", "max", "p25", "p50", "p75", "p90", "p95", "p99")},
}
# Metrics of lm-eval that are shares of the questions, the first present one counts.
_SHARES = ("exact_match", "acc", "pass@1")


class Aiperf(Reader):
    """``profile_export_aiperf.json``."""

    tool = "AIPerf"
    keys = ("aiperf_version", "input_config")
    least = 2

    def claims(self, bundle: Bundle, path: str) -> bool:
        rates = ("request_throughput", "request_latency", "request_count")
        return super().claims(bundle, path) and bundle.has_keys(path, rates)

    def read_file(self, bundle: Bundle, path: str) -> Reading:
        data = json_object(path, bundle.files[path])
        config = inside(data, "input_config")
        concurrency = _concurrency(config)
        if not concurrency:
            raise ImportRefused(Message("import:no_concurrency", {"file": path, "runs": "AIPerf"}))
        average = _needed(path, data, "request_count")
        completed = count(path, {"request_count.avg": average}, "request_count.avg")
        failed = int(_average(data, "completed_request_count") or 0) - completed
        if failed <= 0:
            failed = imports.count_at(inside(data, "error_request_count"), "avg")
        figures = {
            "concurrency": FileFigure("concurrency", concurrency),
            "requests": FileFigure("request_count.avg", completed),
            "failed_requests": FileFigure("error_request_count.avg", failed),
            **(_measured(path, data) if completed else {}),
        }
        metrics, left_out = take(path, figures)
        beside = bundle.beside(path, b'"benchmark_phase"', b'"request_start_ns"')
        requests, damage = _requests(bundle, beside)
        point = MeasuredPoint(
            concurrency=concurrency,
            completed=completed,
            failed=failed,
            metrics=metrics,
            left_out=(*left_out, *damage),
            requests=requests,
        )
        prompts = [inside(config, "datasets", 0, "prompts", one) for one in ("isl", "osl")]
        asked = imports.lengths_asked(*(imports.count_at(one, "mean") for one in prompts))
        named = imports.text_at(inside(config, "models", "items", 0), "name")
        names = inside(config, "endpoint").get("model_names")  # before 0.12
        first = str(names[0]) if isinstance(names, list) and names else ""
        return imports.over_http(
            self.tool,
            imports.text_at(data, "aiperf_version"),
            [point],
            what=imports.synthetic(asked),
            model=named or first,
            sources=(path,),
            companions=tuple(beside) if len(beside) == 1 and not damage else (),
            remarks=[Message("import:cancelled")] if data.get("was_cancelled") is True else [],
            asked=asked,
            at=imports.time_of_text(data.get("start_time")),
        )


def _requests(
    bundle: Bundle, names: Sequence[str]
) -> tuple[Sequence[RequestTimes], tuple[Message, ...]]:
    if len(names) != 1:
        return (), ()
    try:
        rows = json_lines(names[0], bundle.files[names[0]])
    except ParseError as error:
        return (), (Message("figures:no_requests", {"reason": str(error)[:200]}),)
    times = []
    for row in rows:
        about = inside(row, "metadata")
        is_phase = about.get("benchmark_phase") == "profiling"
        if is_phase and about.get("was_cancelled") is not True and not row.get("error"):
            first, further, whole_ms = (
                number_or_none(inside(row, "metrics", name), "value")
                for name in ("time_to_first_token", "inter_token_latency", "request_latency")
            )
            whole_s = None if whole_ms is None else whole_ms / MS_PER_S
            times.append(RequestTimes(first, further, whole_s))
        if len(times) > MOST_REQUESTS:
            break
    return times, ()


def _measured(path: str, data: Mapping[str, Any]) -> dict[str, FileFigure]:
    def figure(family: str, key: str, factor: float = 1.0) -> FileFigure:
        return FileFigure(f"{family}.{key}", inside(data, family).get(key), factor)

    if inside(data, "output_token_throughput").get("avg") is None:
        _needed(path, data, "output_token_throughput")
    figures = {ours: figure(theirs, "avg") for theirs, ours in _TOTALS.items()}
    for theirs, (ours, factor) in _LATENCIES.items():
        for name, statistic in _STATISTICS.items():
            figures[ours.format(statistic)] = figure(theirs, name, factor)
    return figures


def _average(data: Mapping[str, Any], key: str) -> float | None:
    return number_or_none(inside(data, key), "avg")


def _needed(path: str, data: Mapping[str, Any], key: str) -> float:
    value = _average(data, key)
    if value is None:
        raise ParseError(f"{path}: '{key}.avg' is missing or not a number")
    return value


def _concurrency(config: Mapping[str, Any]) -> int:
    """Return the concurrency of the measured phase; of the load generator before 0.12."""
    phases = config.get("phases")
    listed = [one for one in phases if isinstance(one, dict)] if isinstance(phases, list) else []
    measured = [one for one in listed if one.get("kind", "profiling") == "profiling"]
    found = imports.count_at(measured[-1], "concurrency") if measured else 0
    return found or imports.count_at(inside(config, "loadgen"), "concurrency")


class LmEval(Reader):
    """``results_<time>.json`` and ``samples_<task>_<time>.jsonl``."""

    tool = "lm-eval"
    keys = ("lm_eval_version", "n-samples", "task_hashes")
    least = 2

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return a result per results file. Samples are read for a single one only."""
        marks = (b'"doc_id"', b'"filtered_resps"')
        samples = bundle.beside(own[0], *marks) if len(own) == 1 else []
        return [attempt([path], _evaluation, bundle, path, samples) for path in own]


def _evaluation(bundle: Bundle, path: str, samples: Sequence[str]) -> Reading:
    data = json_object(path, bundle.files[path])
    results = inside(data, "results")
    if not results:
        raise ParseError(f"{path}: 'results' has no task")
    children = inside(data, "group_subtasks")
    tasks = [task for task in results if not children.get(task)]  # without groups
    sets = [_score(path, data, task, children) for task in tasks]
    known = [one for one in sets if one.value is not None]
    means = means_of([((one.value or 0.0) / 100, one.questions or 0) for one in known])
    if means is None:
        names = ", ".join(f"{one.dataset} ({one.mode})" for one in sets)
        raise ImportRefused(Message("import:no_share", {"sets": names}))
    is_alone = len(results) == 1
    answers = [
        answer for one in known for answer in _answers(bundle, samples, one, is_alone=is_alone)
    ]
    version = imports.text_at(data, "lm_eval_version")
    others = ", ".join(one.dataset for one in sets if one.value is None)
    return Reading(
        LmEval.tool,
        version,
        imports.text_at(data, "model_name"),
        Measurement(
            type="evaluation",
            what=imports.title_of((one.dataset for one in sets), " + "),
            tool=f"{LmEval.tool} {version}".strip(),
            metrics=means.metrics,
            answers=kept(answers),
            remarks=[Message("import:other_metrics", {"sets": others})] if others else [],
            sets=sets,
        ),
        (path,),
        companions=tuple(samples) if answers else (),
        at=imports.time_of_epoch(data.get("date")),
    )


def _score(path: str, data: Mapping[str, Any], task: str, children: Mapping[str, Any]) -> SetScore:
    """Return the score of a task; its mode is its key: "exact_match,strict-match"."""
    values = inside(data, "results", task)
    keys = [key for name in _SHARES for key in values if key.partition(",")[0] == name]
    questions = imports.count_at(inside(data, "n-samples", task), "effective")
    questions = questions or imports.count_at(values, "sample_len")
    groups = (name for name, tasks in children.items() if isinstance(tasks, list) and task in tasks)
    about = (questions or None, next(groups, task))
    version = str(inside(data, "versions").get(task, ""))[:32]
    if not keys:
        mode = ", ".join(key for key in values if key not in ("name", "alias", "sample_len"))
        return SetScore(task, version, "", mode[:100], None, *about)
    value = number_or_none(values, keys[0])
    if value is None or not 0 <= value <= 1:
        raise ParseError(f"{path}: 'results.{task}.{keys[0]}' is not a number from 0 to 1")
    return SetScore(task, version, "accuracy", keys[0], 100 * value, *about)


def _answers(
    bundle: Bundle, samples: Sequence[str], score: SetScore, *, is_alone: bool
) -> Iterator[Answered]:
    """Yield the answers to one task. Rows of another filter are left out."""
    metric, _comma, wanted = score.mode.partition(",")
    for path in samples:
        if is_alone or f"samples_{score.dataset}_" in path:
            for row in json_lines(path, bundle.files[path]):
                if imports.text_at(row, "filter") in ("", wanted):
                    text = _first(row.get("resps"))
                    split = reasoning.parts(text, ended=True)
                    yield Answered(
                        subset=score.dataset,
                        question=_question(row),
                        expected=str(row.get("target") or ""),
                        answer=split.answer,
                        score=number_or_none(row, metric),
                        question_id=str(row.get("doc_id", "")),
                        extracted=_first(row.get("filtered_resps")),
                        reasoning=split.reasoning,
                        detail={"thought": split.thought},
                    )


def _question(row: Mapping[str, Any]) -> str:
    """Return the last message of the request, else the document's question."""
    sent = _first(inside(row, "arguments", "gen_args_0").get("arg_0"))
    try:
        messages = json.loads(sent)
    except (ValueError, RecursionError):
        messages = None
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        return str(messages[-1].get("content") or "")
    return imports.text_at(inside(row, "doc"), "question") or sent


def _first(value: Any) -> str:
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else ""
