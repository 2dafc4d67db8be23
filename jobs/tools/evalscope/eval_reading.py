"""EvalScope's evaluation, of a job or imported: a report per benchmark, a review per question.

``<run>/reports/<model>/<benchmark>.json``, ``<run>/reviews/<model>/<benchmark>_<subset>.jsonl``
and ``<run>/predictions/…`` under the same name: only predictions have the finish reason. Reports of
every generation are read: 0.16 to 1.9 have the score at the top, 1.14 only in the first metric.
Reviews and predictions are read in the format of 1.14.
"""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, get_args

from jobs import reasoning
from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.kinds.evaluate import accuracy_message, limited_remark, sets_of
from jobs.kinds.lib.common import tool_version
from jobs.metrics.measured import Measurement, Outcome, SetScore
from jobs.statistics.paired import Decision
from jobs.tools import imports
from jobs.tools.imports import Bundle, ImportRefusal, ImportRefused, Reader, Reading, attempt
from jobs.tools.lib.environments import EVALSCOPE
from jobs.tools.outputs.answers import FAILED, Means, Scored, cut_remark, kept, question_of
from jobs.tools.outputs.files import Ended, count, json_lines, json_object, number, number_or_none

# EvalScope's names of finish reasons; "unknown" is left out.
_FINISH = {"max_tokens": "length", "model_length": "length", "unknown": ""}
# Metrics of EvalScope that are a share of the questions.
_SHARE = pattern(r"(?:mean_?|average_?)?acc(?:uracy)?|pass@1|exact_match", ignore_case=True)
_VERSION = pattern(rb"^evalscope_version: '?(\d[\w.+-]{0,30})", lines=True)
DECISIONS: Mapping[str, Decision] = {word: word for word in get_args(Decision)}


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Report of a benchmark. ``score`` (0 to 1) is None without scored questions; ``errored``
    counts unanswered questions, None in reports of generations without this count. ``subsets`` has
    the questions and score of each subset, ``failed`` those of each without a score."""

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
    EvalScope writes no review of a failed request: its row has neither question nor score."""
    paths = _below(files, "reports", ".json")
    if not paths:
        raise ParseError("EvalScope wrote no report")
    reports = {one.benchmark: one for one in (parse_report(path, files[path]) for path in paths)}
    scored: dict[tuple[str, str], list[Scored]] = {}
    for path in _below(files, "reviews", ".jsonl"):
        stem = PurePosixPath(path).stem
        # "general_mcq_choice_en": benchmark and subset may both have underscores.
        own = [name for name in reports if stem.startswith(f"{name}_")]
        if not own:
            raise ParseError(f"{path} belongs to no report: {', '.join(reports)}")
        benchmark = max(own, key=len)
        subset, finishes = stem[len(benchmark) + 1 :], _finishes(files, path)
        scored[benchmark, subset] = [
            _scored(path, line, benchmark, subset, finishes)
            for line in json_lines(path, files[path])
        ]
    most = sum(map(len, scored.values()))  # a run that failed more often has no result
    for report in reports.values():
        for subset, failed in report.failed.items():
            rows = scored.setdefault((report.benchmark, subset), [])
            missing = max(0, min(failed, most))
            known = {row.index for row in rows}
            free = itertools.islice((at for at in itertools.count() if at not in known), missing)
            empty = (subset, "", "", "", None)
            rows += [
                Scored(*empty, status=FAILED, benchmark=report.benchmark, index=at) for at in free
            ]
            most -= min(failed, most)
    ordered = (row for rows in scored.values() for row in sorted(rows, key=lambda row: row.index))
    return Evaluation(tuple(reports.values()), tuple(ordered))


def _below(files: Mapping[str, bytes], folder: str, suffix: str) -> list[str]:
    return sorted(
        path
        for path in files
        if folder in PurePosixPath(path).parts[:-1] and PurePosixPath(path).suffix == suffix
    )


def _finishes(files: Mapping[str, bytes], review: str) -> dict[int, str]:
    """Return the finish reason by index; a failed answer has none."""
    pure = PurePosixPath(review)
    path = str(pure.parents[2] / "predictions" / pure.parent.name / pure.name)
    reasons: dict[int, str] = {}
    for line in json_lines(path, files.get(path, b"")):
        with suppress(KeyError, IndexError, TypeError, ValueError):
            reason = str(line["model_output"]["choices"][0]["stop_reason"])
            reasons[int(line["index"])] = _FINISH.get(reason, reason)
    return reasons


def named(
    rows: Sequence[Scored], records: Mapping[str, Sequence[Mapping[str, Any]]], samples: int
) -> list[Scored]:
    """Return the rows with the questions of failed requests, which EvalScope's files lack.
    ``records``: questions of each subset as they were sent, ``samples`` times each. Those without a
    row are the failed ones, in their order."""
    known = {(row.subset, row.question_id, row.sample) for row in rows}
    lacking = {
        subset: [
            (record, sample)
            for record in own
            for sample in range(samples)
            if (subset, str(record["id"]), sample) not in known
        ][::-1]
        for subset, own in records.items()
    }
    whole = []
    for row in rows:
        if row.status == FAILED and lacking.get(row.subset):
            record, sample = lacking[row.subset].pop()
            row = replace(
                row,
                question=question_of(record),
                expected=" | ".join(map(str, record["answers"])),
                question_id=str(record["id"]),
                sample=sample,
                detail={"id": record["id"], "category": str(record.get("category") or "")},
            )
        whole.append(row)
    return whole


def parse_report(path: str, content: bytes) -> EvalReport:
    data = json_object(path, content)
    try:
        metric = data["metrics"][0] if data["metrics"] else None
        subsets = {  # without totals over subsets
            str(subset["name"]): (count(path, subset, "num"), number(path, subset, "score"))
            for category in (metric or {}).get("categories", ())
            for subset in category.get("subsets", ())
            if not subset.get("is_aggregate")
        }
        execution = data.get("execution_summary")
        if execution is None and "score" not in data:
            raise KeyError("score")
        if execution:
            requested = int(execution["requested"])
        elif metric and "num" in metric:
            requested = count(path, metric, "num")
        else:
            requested = sum(num for num, _ in subsets.values())
        parts = (execution or {}).get("subsets") or {}
        # Without a metric nothing was scored, although old reports write 0.
        score = number(path, data if "score" in data else metric, "score") if metric else None
        if score is not None and score < 0:
            raise ParseError(f"{path}: 'score' is {score}")
        return EvalReport(
            benchmark=str(data["dataset_name"]),
            metric=str(metric.get("identity", metric)["name"]) if metric else "",
            score=score,
            requested=requested,
            errored=int(execution["errored"]) if execution else None,
            subsets=subsets,
            failed={
                str(name): int(one["requested"]) - int(one["succeeded"])
                for name, one in parts.items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} is not a report of EvalScope: {error!r}") from error


def _scored(
    path: str, line: Mapping[str, Any], benchmark: str, subset: str, finishes: Mapping[int, str]
) -> Scored:
    try:
        sample, target = line["sample_score"], line["target"]
        score, metadata = sample["score"], sample.get("sample_metadata") or {}
        said = {message["role"]: message for message in line["messages"]}  # the last of each
        sent = said["user"]["content"] if "user" in said else ""
        if not isinstance(sent, str):
            sent = "".join(part.get("text", "") for part in sent)
        question = str(metadata.get("question") or sent)  # as in its set, else as sent
        values, value = score["value"], None
        if score.get("status") != "excluded":
            main = score.get("main_score_name") or next(iter(values), "")
            value = number_or_none(values, main)
        split = reasoning.parts(score.get("prediction") or "", ended=True)
        reply = said.get("assistant", {})
        thoughts = _thoughts(reply)
        return Scored(
            benchmark=benchmark,
            subset=subset,
            index=int(line["index"]),
            question=question,
            expected=" | ".join(target) if isinstance(target, list) else str(target),
            answer=split.answer,
            score=value,
            extracted=score.get("extracted_prediction") or "",
            question_id=str(metadata.get("id") or ""),
            sample=int(sample.get("generation_index") or 0),
            reasoning="\n\n".join(str(part["reasoning"]) for part in thoughts) or split.reasoning,
            finish=finishes.get(int(line["index"]), ""),
            status="" if value is not None else str(score.get("status") or "unscored"),
            detail={
                **_detail(score, metadata, reply),
                # Without tags the server may have returned the reasoning separately.
                **({} if split.thought == "none" else {"thought": split.thought}),
                **({"prompt": sent} if sent and sent != question else {}),
            },
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ParseError(f"{path} is not a review of EvalScope 1.14: {error!r}") from error


def _thoughts(reply: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = reply.get("content")
    parts = content if isinstance(content, list) else ()
    return [part for part in parts if part.get("reasoning")]


def _detail(
    score: Mapping[str, Any], metadata: Mapping[str, Any], reply: Mapping[str, Any]
) -> dict[str, Any]:
    perf, scored_by = reply.get("perf_metrics") or {}, score.get("metadata") or {}
    counts = [part.get("reasoning_tokens") for part in _thoughts(reply)]
    known = [count for count in counts if isinstance(count, int)]
    fields = {
        # Not every set has this field; for display only, not for pairing.
        "id": metadata.get("id") or metadata.get("question_id"),
        "category": metadata.get("category"),
        "rule": scored_by.get("rule"),
        "scorer": scored_by.get("scorer"),
        "latency_s": perf.get("latency"),
        "input_tokens": perf.get("input_tokens"),
        "output_tokens": perf.get("output_tokens"),
        "reasoning_tokens": sum(known) if known and len(known) == len(counts) else None,
        # Of the first token, be it of the reasoning or of the answer.
        "ttft_s": perf.get("ttft"),
    }
    return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Look:
    """Last look of a run that may stop early. ``interval``: difference, low, high (from -1 to 1);
    None without a pair of questions with a score on both sides."""

    asked: int
    questions: int
    decision: Decision
    interval: tuple[float, float, float] | None

    @property
    def is_early(self) -> bool:
        """Return True if it left questions out."""
        return self.decision != "cannot_tell" and self.asked < self.questions


def last_look(path: str, content: bytes) -> Look:
    """``eval/looks.jsonl`` has a line a look, written by ask_until_decided.py."""
    lines = json_lines(path, content)
    if not lines:
        raise ParseError(f"{path} has no look")
    row = lines[-1]
    decision = DECISIONS.get(str(row.get("decision")))
    if decision is None:
        raise ParseError(f"{path}: {row.get('decision')!r:.80} is no decision")
    gap, low, high = (
        number(path, row, key) if "difference" in row else 0.0
        for key in ("difference", "low", "high")
    )
    interval = (gap, low, high) if "difference" in row else None
    asked, questions = (count(path, row, key) for key in ("asked", "questions"))
    return Look(asked, questions, decision, interval)


def outcome(ended: Ended) -> Outcome:
    params, evaluation = ended.params, parse(ended.nested)
    reports = evaluation.reports
    scored = {report.benchmark for report in reports if report.score is not None}
    lacking = [name for name in params.datasets if name not in scored]
    if lacking:
        args = {"missing": len(lacking), "sets": len(params.datasets), "first": lacking[0]}
        return Outcome(failure=Message("evaluate:sets_missing", args))
    rows = [row for row in evaluation.scored if row.score is not None]
    means = _means(reports, rows, params.samples)
    if not means.questions:
        return Outcome(failure=Message("evaluate:no_question", {"questions": 0}))
    unanswered = float(sum(not row.answer.strip() for row in evaluation.scored))
    return Outcome(
        message=accuracy_message(means.macro, means.weighted, len(reports), means.questions),
        measured=Measurement(
            type="evaluation",
            what=sets_of(params),
            tool=f"evalscope {tool_version(ended.plan, EVALSCOPE)}",
            metrics={**means.metrics, "unanswered": unanswered},
            answers=_answers(evaluation),
            remarks=[
                *_unscored(reports),
                *cut_remark(rows, params.max_tokens),
                *limited_remark(params),
            ],
            sets=_sets(reports, params.samples),
        ),
    )


def _unscored(reports: Sequence[EvalReport]) -> list[Message]:
    unscored = sum(report.errored or 0 for report in reports)
    args = {"unscored": unscored, "total": sum(report.requested for report in reports)}
    return [Message("evaluate:unscored", args)] if unscored else []


def _answers(evaluation: Evaluation) -> list[dict[str, Any]]:
    return kept(replace(row, subset=f"{row.benchmark}/{row.subset}") for row in evaluation.scored)


def _means(reports: Sequence[EvalReport], rows: Sequence[Scored], samples: int = 1) -> Means:
    """The score of a set is that of the reviews, because the report rounds; of the report if it
    counts more answers, ``samples`` to each question."""
    sets = []
    for report in reports:
        size = sum(number for number, _score in report.subsets.values())
        own = [row.score or 0.0 for row in rows if row.benchmark == report.benchmark]
        score = sum(own) / size if size and len(own) == size else report.score or 0.0
        sets.append((score, size // samples))
    questions = sum(size for _score, size in sets)
    weighted = sum(score * size for score, size in sets) / max(1, questions)
    return Means(sum(score for score, _size in sets) / len(sets), weighted, len(sets), questions)


def _sets(reports: Sequence[EvalReport], samples: int = 1) -> list[SetScore]:
    """Return scores of the subsets, or of the whole set if it has only one. The report counts
    ``samples`` answers to each question."""
    scores = []
    for report in reports:
        parts: dict[str, tuple[int, float | None]] = {**report.subsets}
        if len(parts) < 2:
            size = sum(number for number, _score in parts.values()) or report.requested
            parts = {"": (size, report.score)}
        for name, (size, score) in parts.items():
            dataset = f"{report.benchmark}/{name}" if name else report.benchmark
            value = None if score is None else 100 * score
            row = (dataset, "", report.metric, "gen", value, size // samples, report.benchmark)
            scores.append(SetScore(*row))
    return scores


class EvalscopeEval(Reader):
    """``reports/<model>/<benchmark>.json`` of any generation, with reviews of a work folder."""

    tool = "evalscope eval"
    keys = ("dataset_name", "metrics", "model_name", "dataset_pretty_name")
    least = 3

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return a result per model of a work folder; loose reports are one folder."""
        groups: dict[tuple[str, str], list[str]] = {}
        for path in own:
            parts = PurePosixPath(path).parts
            is_inside = "reports" in parts[:-1]
            root = str(PurePosixPath(*parts[: parts.index("reports")])) if is_inside else ""
            model = imports.text_at(bundle.object(path), "model_name")
            groups.setdefault((root, model), []).append(path)
        return [
            attempt(paths, _reading, bundle, root, model, paths)
            for (root, model), paths in groups.items()
        ]


def _reading(bundle: Bundle, root: str, model: str, paths: Sequence[str]) -> Reading:
    evaluation, companions = _evaluation(bundle, root, paths)
    reports = evaluation.reports
    shares = [one for one in reports if one.score is not None and _SHARE.fullmatch(one.metric)]
    others = ", ".join(
        f"{one.benchmark} ({one.metric or '-'})" for one in reports if one not in shares
    )
    if not shares:
        raise ImportRefused(Message("import:no_share", {"sets": others}))
    rows = [row for row in evaluation.scored if row.score is not None]
    means = _means(shares, rows)
    if not means.questions:
        raise ImportRefused(Message("evaluate:no_question", {"questions": 0}))
    metrics = means.metrics
    counted = [row for row in rows if row.benchmark in {one.benchmark for one in shares}]
    if len(counted) == means.questions:
        metrics["unanswered"] = float(sum(not row.answer.strip() for row in counted))
    found = ((path, _VERSION.search(content)) for path, content in bundle.files.items())
    config, match = next(((path, match) for path, match in found if match), ("", None))
    version = match[1].decode() if match else ""
    # The time in the name of the work folder, else of the first line of its log.
    logs = [path for path in bundle.files if root and path.startswith(f"{root}/logs/")]
    logged = imports.time_of_log(bundle.files[logs[0]]) if logs else None
    return Reading(
        EvalscopeEval.tool,
        version,
        model,
        Measurement(
            type="evaluation",
            what=imports.title_of((report.benchmark for report in reports), " + "),
            tool=f"{EvalscopeEval.tool} {version}".strip(),
            metrics=metrics,
            answers=_answers(evaluation),
            remarks=[
                *_unscored(shares),
                *([Message("import:other_metrics", {"sets": others})] if others else []),
            ],
            sets=_sets(reports),
        ),
        tuple(paths),
        companions=(*companions, *([config] if config else [])),
        at=imports.time_of_text(root) or logged,
    )


def _evaluation(
    bundle: Bundle, root: str, paths: Sequence[str]
) -> tuple[Evaluation, tuple[str, ...]]:
    reports = tuple(parse_report(path, bundle.files[path]) for path in paths)
    models = {PurePosixPath(path).parent.name for path in paths}
    kinds = {
        path: PurePosixPath(path).parent.parent.name
        for path in bundle.files
        if root
        and PurePosixPath(path).is_relative_to(root)
        and path.endswith(".jsonl")
        and PurePosixPath(path).parent.name in models
    }
    others = [path for path, kind in kinds.items() if kind in ("reviews", "predictions")]
    if "reviews" not in kinds.values():
        return Evaluation(reports, ()), ()
    return parse({path: bundle.files[path] for path in (*paths, *others)}), tuple(others)
