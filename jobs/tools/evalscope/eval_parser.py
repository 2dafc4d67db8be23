"""EvalScope's evaluation: a report per benchmark, a review per question.

``<run>/reports/<model>/<benchmark>.json``, ``<run>/reviews/<model>/<benchmark>_<subset>.jsonl``
and ``<run>/predictions/…`` under the same name: only predictions have the finish reason. Reports of
every generation are read: 0.16 to 1.9 have the score at the top, 1.14 only in the first metric.
Reviews and predictions are read in the format of 1.14.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from jobs.base.errors import ParseError
from jobs.reasoning import thoughts
from jobs.tools.outputs.answers import question_of
from jobs.tools.outputs.files import count, json_lines, json_object, number, number_or_none

FAILED = "error"  # status of a question whose request failed
# EvalScope's names of finish reasons; "unknown" is left out.
_FINISH = {"max_tokens": "length", "model_length": "length", "unknown": ""}


@dataclass(frozen=True, slots=True)
class Scored:
    """Answer to a question, without its reasoning. Tokens and seconds as reported.

    ``score`` is None without a score of EvalScope, with the reason in ``status``. ``question_id``
    is the set's id, "" without one; ``sample`` counts the answers to one question from 0.
    ``finish`` is "stop", "length", …; "" if not reported.
    """

    benchmark: str
    subset: str
    index: int
    question: str
    expected: str
    answer: str
    score: float | None
    extracted: str
    question_id: str = ""
    sample: int = 0
    reasoning: str = ""
    finish: str = ""
    status: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Report of a benchmark. ``score`` (0 to 1) is None without scored questions; ``errored``
    counts unanswered questions, None in reports of generations without this count. ``subsets`` has
    the questions and score of each subset, ``failed`` those of each without a score.
    """

    benchmark: str
    metric: str
    score: float | None
    requested: int
    errored: int | None
    subsets: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Run with all reports and answers."""

    reports: tuple[EvalReport, ...]
    scored: tuple[Scored, ...]


def parse(files: Mapping[str, bytes]) -> Evaluation:
    """Return the run in ``files`` (path -> content); questions by benchmark, subset, index.

    EvalScope writes no review of a failed request: its row has neither question nor score.

    Raises:
        ParseError: no report, or a file in another format.
    """
    reports = {report.benchmark: report for report in parse_reports(files)}
    scored: dict[tuple[str, str], list[Scored]] = {}
    for path in _below(files, "reviews", ".jsonl"):
        benchmark, subset = _names(path, reports)
        lines = json_lines(path, files[path])
        finishes = _finishes(files, path)
        rows = [_scored(path, line, benchmark, subset, finishes) for line in lines]
        scored[benchmark, subset] = rows
    most = sum(map(len, scored.values()))  # a run that failed more often has no result
    for report in reports.values():
        for subset, failed in report.failed.items():
            rows = scored.setdefault((report.benchmark, subset), [])
            rows += _failed(report.benchmark, subset, rows, min(failed, most))
            most -= min(failed, most)
    ordered = (row for rows in scored.values() for row in sorted(rows, key=lambda row: row.index))
    return Evaluation(tuple(reports.values()), tuple(ordered))


def _failed(benchmark: str, subset: str, rows: Sequence[Scored], count: int) -> list[Scored]:
    """Return rows of ``count`` questions without a review, at the indexes that are missing."""
    known = {row.index for row in rows}
    free = (index for index in itertools.count() if index not in known)
    return [
        Scored(
            benchmark=benchmark,
            subset=subset,
            index=index,
            question="",
            expected="",
            answer="",
            score=None,
            extracted="",
            status=FAILED,
        )
        for index in itertools.islice(free, max(0, count))
    ]


def named(
    rows: Sequence[Scored], records: Mapping[str, Sequence[Mapping[str, Any]]], samples: int
) -> tuple[Scored, ...]:
    """Return the rows with the questions of failed requests, which EvalScope's files lack.

    ``records``: questions of each subset as they were sent, ``samples`` times each. Those without
    a row are the failed ones, in their order.
    """
    known = {(row.subset, row.question_id, row.sample) for row in rows}
    lacking = {
        subset: iter(
            [
                (record, sample)
                for record in own
                for sample in range(samples)
                if (subset, str(record["id"]), sample) not in known
            ]
        )
        for subset, own in records.items()
    }
    return tuple(
        _of_record(row, *found)
        if row.status == FAILED and (found := next(lacking.get(row.subset, iter(())), None))
        else row
        for row in rows
    )


def _of_record(row: Scored, record: Mapping[str, Any], sample: int) -> Scored:
    return replace(
        row,
        question=question_of(record),
        expected=" | ".join(map(str, record["answers"])),
        question_id=str(record["id"]),
        sample=sample,
        detail={"id": record["id"], "category": str(record.get("category") or "")},
    )


def parse_reports(files: Mapping[str, bytes]) -> tuple[EvalReport, ...]:
    """Return the reports alone, of any generation, by path.

    Raises:
        ParseError: no report, or a report in another format.
    """
    paths = _below(files, "reports", ".json")
    if not paths:
        raise ParseError("EvalScope wrote no report")
    return tuple(parse_report(path, files[path]) for path in paths)


def _finishes(files: Mapping[str, bytes], review: str) -> dict[int, str]:
    """Return the finish reason of each answer by index, from the predictions of a review file."""
    pure = PurePosixPath(review)
    path = str(pure.parents[2] / "predictions" / pure.parent.name / pure.name)
    reasons: dict[int, str] = {}
    for line in json_lines(path, files[path]) if path in files else ():
        try:
            reason = str(line["model_output"]["choices"][0]["stop_reason"])
            reasons[int(line["index"])] = _FINISH.get(reason, reason)
        except (KeyError, IndexError, TypeError, ValueError):
            continue  # a failed answer has no output
    return reasons


def _below(files: Mapping[str, bytes], folder: str, suffix: str) -> list[str]:
    return sorted(
        path
        for path in files
        if folder in PurePosixPath(path).parts[:-1] and PurePosixPath(path).suffix == suffix
    )


def _names(path: str, reports: Mapping[str, EvalReport]) -> tuple[str, str]:
    """Return benchmark and subset of ``general_mcq_choice_en.jsonl``: both may have underscores."""
    stem = PurePosixPath(path).stem
    known = [name for name in reports if stem.startswith(f"{name}_")]
    if not known:
        raise ParseError(f"{path} belongs to no report: {', '.join(reports)}")
    benchmark = max(known, key=len)
    return benchmark, stem[len(benchmark) + 1 :]


def parse_report(path: str, content: bytes) -> EvalReport:
    """Return one report, of any generation.

    Raises:
        ParseError: in another format.
    """
    data = json_object(path, content)
    try:
        metric = data["metrics"][0] if data["metrics"] else None
        subsets = _subsets(path, metric) if metric else {}
        execution = data.get("execution_summary")
        if execution is None and "score" not in data:
            raise KeyError("score")
        return EvalReport(
            benchmark=str(data["dataset_name"]),
            metric=str(metric.get("identity", metric)["name"]) if metric else "",
            score=_score(path, data, metric),
            requested=int(execution["requested"]) if execution else _asked(path, metric, subsets),
            errored=int(execution["errored"]) if execution else None,
            subsets=subsets,
            failed=_failures(execution),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} is not a report of EvalScope: {error!r}") from error


def _score(path: str, data: Mapping[str, Any], metric: Mapping[str, Any] | None) -> float | None:
    """Return the score at the top, else that of the first metric. None without a metric: nothing
    was scored, although old reports write 0.
    """
    if metric is None:
        return None
    score = number(path, data if "score" in data else metric, "score")
    if score < 0:
        raise ParseError(f"{path}: 'score' is {score}")
    return score


def _subsets(path: str, metric: Mapping[str, Any]) -> dict[str, tuple[int, float]]:
    """Return name -> questions and score, without totals over subsets."""
    return {
        str(subset["name"]): (count(path, subset, "num"), number(path, subset, "score"))
        for category in metric.get("categories", ())
        for subset in category.get("subsets", ())
        if not subset.get("is_aggregate")
    }


def _failures(execution: Mapping[str, Any] | None) -> dict[str, int]:
    parts = (execution or {}).get("subsets") or {}
    return {str(name): int(one["requested"]) - int(one["succeeded"]) for name, one in parts.items()}


def _asked(
    path: str, metric: Mapping[str, Any] | None, subsets: Mapping[str, tuple[int, float]]
) -> int:
    if metric is None:
        return 0
    return (
        count(path, metric, "num") if "num" in metric else sum(num for num, _ in subsets.values())
    )


def _scored(
    path: str, line: Mapping[str, Any], benchmark: str, subset: str, finishes: Mapping[int, str]
) -> Scored:
    try:
        sample = line["sample_score"]
        score = sample["score"]
        target = line["target"]
        asked = [message for message in line["messages"] if message["role"] == "user"]
        replies = [message for message in line["messages"] if message["role"] == "assistant"]
        last = replies[-1] if replies else {}
        value = _main_score(score)
        prediction = score.get("prediction") or ""
        reasoning, answer = thoughts.split(prediction)
        return Scored(
            benchmark=benchmark,
            subset=subset,
            index=int(line["index"]),
            question=_question(sample, asked),
            expected=" | ".join(target) if isinstance(target, list) else str(target),
            answer=answer,
            score=value,
            extracted=score.get("extracted_prediction") or "",
            question_id=str((sample.get("sample_metadata") or {}).get("id") or ""),
            sample=int(sample.get("generation_index") or 0),
            reasoning=_reasoning(last) or reasoning,
            finish=finishes.get(int(line["index"]), ""),
            status="" if value is not None else str(score.get("status") or "unscored"),
            detail=_detail(sample, last) | _tags(prediction) | _prompt(sample, asked),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} is not a review of EvalScope 1.14: {error!r}") from error


def _main_score(score: Mapping[str, Any]) -> float | None:
    if score.get("status") == "excluded":
        return None
    values = score["value"]
    return number_or_none(values, score.get("main_score_name") or next(iter(values), ""))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _reasoning(reply: Mapping[str, Any]) -> str:
    """Return the reasoning that the server returned separately."""
    content = reply.get("content")
    parts = content if isinstance(content, list) else ()
    return "\n\n".join(str(part["reasoning"]) for part in parts if part.get("reasoning"))


def _reasoning_tokens(reply: Mapping[str, Any]) -> int | None:
    """Return the tokens of the reasoning as the server counted them; None: not reported."""
    content = reply.get("content")
    parts = content if isinstance(content, list) else ()
    counts = [part.get("reasoning_tokens") for part in parts if part.get("reasoning")]
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if known and len(known) == len(counts) else None


def _question(sample: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> str:
    """Return the question as in its set, else as sent."""
    kept = (sample.get("sample_metadata") or {}).get("question")
    if kept:
        return str(kept)
    return _text(asked[-1]["content"]) if asked else ""


def _prompt(sample: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the text as sent, where the set has the question without it."""
    sent = _text(asked[-1]["content"]) if asked else ""
    return {"prompt": sent} if sent and sent != _question(sample, asked) else {}


def _tags(prediction: str) -> dict[str, str]:
    """Return whether the reasoning in the text ended. Without tags the server may have returned it
    separately."""
    tags = thoughts.tagged(prediction)
    return {} if tags == "none" else {"thought": tags}


def _detail(sample: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
    metadata = sample.get("sample_metadata") or {}
    perf = reply.get("perf_metrics") or {}
    scored_by = sample["score"].get("metadata") or {}
    fields = {
        # Not every set has this field; for display only, not for pairing.
        "id": metadata.get("id") or metadata.get("question_id"),
        "category": metadata.get("category"),
        "rule": scored_by.get("rule"),
        "scorer": scored_by.get("scorer"),
        "latency_s": perf.get("latency"),
        "input_tokens": perf.get("input_tokens"),
        "output_tokens": perf.get("output_tokens"),
        "reasoning_tokens": _reasoning_tokens(reply),
        # Of the first token, be it of the reasoning or of the answer.
        "ttft_s": perf.get("ttft"),
    }
    return {name: value for name, value in fields.items() if value is not None}
