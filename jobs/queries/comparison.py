"""Two to four results side by side: what differs, by how much, and whether that can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

from jobs.errors import PlanError
from jobs.kinds import KINDS
from jobs.metrics import METRICS
from jobs.models import Answer, Result
from jobs.plans import from_json
from jobs.queries.engine_settings import NO, YES, engine_settings
from jobs.queries.results import point_rows, repeats_of
from jobs.queries.statistics import (
    Interval,
    difference,
    mcnemar,
    mean_difference,
    paired_difference,
    questions_to_tell,
    wilson,
)

MOST = 4
Verdict = Literal["better", "worse", "noise", "unknown", "same", ""]
_SPEED = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "itl_p99_ms", "latency_p50_s", "latency_p99_s"),
    *(f"batch_latency_{name}_s" for name in ("mean", "p50", "p90", "p99")),
    "failed_requests",
)
_HOST = ("os", "cpu", "cores")
_QUALITY = (
    *("accuracy", "accuracy_short", "accuracy_choice", "accuracy_en", "accuracy_zh"),
    *("unanswered",),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of one result against the base's.

    ``relative`` is the difference as a share of the base (a difference of shares stays one, in
    ``absolute``). ``low`` and ``high`` are its 95 % interval in the same measure; None without one.
    """

    value: float | None
    relative: float | None = None
    absolute: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Verdict = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: the base's value, and the others' changes in their order."""

    metric: str
    base: float | None
    changes: Sequence[Change]

    @property
    def differs(self) -> bool:
        """False where every result has the base's value."""
        return any(change.value != self.base for change in self.changes)


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of what the results were made with."""

    name: str
    values: Sequence[str]

    @property
    def differs(self) -> bool:
        """True when not all results have the same."""
        return len(set(self.values)) > 1


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that the base and another result answered with different success."""

    index: int
    category: str
    question: str
    expected: str
    base_answer: str
    other_answer: str
    gained: bool


@dataclass(frozen=True, slots=True)
class Paired:
    """Base and another result on the questions that both answered."""

    questions: int
    both: int
    only_base: int
    only_other: int
    neither: int
    gap: Interval
    p: float
    more_needed: int | None
    flips: Sequence[Flip]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``results[0]`` is the base. ``concurrency`` is the one whose numbers are compared.

    ``runs`` says of how many runs of the same measurement each result's numbers are the mean.
    """

    results: Sequence[Result]
    points: Sequence[Sequence[tuple[int, Mapping[str, Any]]]]
    concurrency: int | None
    common: Sequence[int]
    rows: Sequence[Row]
    settings: Sequence[Setting]
    paired: Sequence[Paired | None]
    runs: Sequence[int]

    @property
    def has_several(self) -> bool:
        """True when any result was measured at several concurrencies."""
        return any(len(points) > 1 for points in self.points)

    @property
    def heads(self) -> list[tuple[Result, int]]:
        """Each result with its number of runs."""
        return list(zip(self.results, self.runs, strict=True))


def compare(results: Sequence[Result], concurrency: int | None = None) -> Comparison:
    """Compare the first with the others. All are of one sort.

    ``concurrency`` is used where all have it; else the highest that all have.
    """
    points = [point_rows(result) for result in results]
    common = sorted(set.intersection(*({c for c, _ in rows} for rows in points)))
    chosen = concurrency if concurrency in common else (common[-1] if common else None)
    is_evaluation = results[0].sort == Result.Sort.EVALUATION
    paired = [pair(results[0], other) if is_evaluation else None for other in results[1:]]
    samples = [_samples(result, rows, chosen) for result, rows in zip(results, points, strict=True)]
    names = _QUALITY if is_evaluation else _SPEED
    rows = [_row(name, results, samples, paired) for name in names]
    return Comparison(
        results=results,
        points=points,
        concurrency=chosen,
        common=common,
        rows=[row for row in rows if row.base is not None],
        settings=settings(results),
        paired=paired,
        runs=[1 if is_evaluation else len(runs) for runs in samples],
    )


def pair(base: Result, other: Result) -> Paired | None:
    """Question by question; None when the two share none."""
    mine, theirs = _answers(base), _answers(other)
    shared = [key for key in mine if key in theirs]
    if not shared:
        return None
    flips = []
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for key in shared:
        a, b = mine[key], theirs[key]
        verdicts = (a.score >= 0.5, b.score >= 0.5)
        counts[verdicts] += 1
        if verdicts[0] != verdicts[1]:
            category = str(a.detail.get("category") or a.subset)
            flips.append(
                Flip(
                    a.index,
                    category,
                    a.question,
                    a.expected,
                    a.answer,
                    b.answer,
                    gained=verdicts[1],
                )
            )
    both, only_base = counts[True, True], counts[True, False]
    only_other, neither = counts[False, True], counts[False, False]
    gap = paired_difference(both, only_base, only_other, neither)
    needed = questions_to_tell(only_base, only_other, len(shared)) if gap.holds_zero else None
    p = mcnemar(only_base, only_other)
    return Paired(len(shared), both, only_base, only_other, neither, gap, p, needed, flips)


def settings(results: Sequence[Result]) -> list[Setting]:
    """What each was made with: host, model, tool, form fields, arguments of its plan."""
    columns = [_settings_of(result) for result in results]
    names = dict.fromkeys(name for column in columns for name in column)
    return [Setting(name, [column.get(name, "") for column in columns]) for name in names]


def _answers(result: Result) -> dict[tuple[str, str, int], Answer]:
    """By subset and question: a set that grew keeps its old questions comparable."""
    return {a.key: a for a in Answer.objects.scored().filter(result=result)}


def _samples(
    result: Result, points: Sequence[tuple[int, Mapping[str, Any]]], concurrency: int | None
) -> list[Mapping[str, Any]]:
    """Metrics of the result, then those of its repeats, all at ``concurrency``.

    Failed requests are those of all concurrencies: one that loses requests is no equal.
    """
    if result.sort == Result.Sort.EVALUATION or concurrency is None:
        return [result.metrics]
    own = next(metrics for value, metrics in points if value == concurrency)
    found = [_with_failed(own, result)]
    for repeat in repeats_of(result).prefetch_related("points")[:20]:
        there = [p.metrics for p in repeat.points.all() if p.concurrency == concurrency]
        found += [_with_failed(metrics, repeat) for metrics in there]
    return found


def _with_failed(metrics: Mapping[str, Any], result: Result) -> Mapping[str, Any]:
    name = "failed_requests"
    return {**metrics, name: result.metrics[name]} if name in result.metrics else metrics


def _row(
    name: str,
    results: Sequence[Result],
    samples: Sequence[Sequence[Mapping[str, Any]]],
    paired: Sequence[Paired | None],
) -> Row:
    mine = _values(samples[0], name)
    base = mean(mine) if mine else None
    if name == "accuracy":
        base = results[0].metrics.get(name)
    changes = []
    for index, other in enumerate(samples[1:]):
        theirs = _values(other, name)
        if base is None or not theirs:
            changes.append(Change(mean(theirs) if theirs else None))
        elif name == "accuracy":
            changes.append(_accuracy_change(results[0], results[index + 1], paired[index]))
        else:
            interval = mean_difference(mine, theirs)
            changes.append(_change(name, base, mean(theirs), interval))
    return Row(name, base, changes)


def _values(samples: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [row[name] for row in samples if name in row]


def _change(name: str, base: float, value: float, interval: Interval | None) -> Change:
    is_share = METRICS[name].unit == "%"
    absolute = value - base
    scale = 1.0 if is_share else base
    if interval is not None and scale:
        absolute = interval.value
        verdict: Verdict = "noise" if interval.holds_zero else _judged(name, interval.value)
        return Change(
            value,
            None if is_share else absolute / scale,
            absolute,
            interval.low / scale,
            interval.high / scale,
            verdict,
        )
    verdict = "same" if absolute == 0 else "unknown"
    return Change(
        value, None if is_share or not base else absolute / base, absolute, None, None, verdict
    )


def _accuracy_change(base: Result, other: Result, paired: Paired | None) -> Change:
    gap = paired.gap if paired is not None else difference(_share(other), _share(base))
    verdict = "noise" if gap.holds_zero else _judged("accuracy", gap.value)
    return Change(other.metrics["accuracy"], None, gap.value, gap.low, gap.high, verdict)


def _share(result: Result) -> Interval:
    total = max(1, int(result.metrics.get("questions") or 0))
    return wilson(result.metrics.get("accuracy", 0.0) * total, total)


def _judged(name: str, gap: float) -> Verdict:
    better = METRICS[name].better
    if not better:
        return ""
    return "better" if (gap > 0) == (better == "higher") else "worse"


def _settings_of(result: Result) -> dict[str, str]:
    job = result.job
    found = {
        "host": result.host.name,
        "model": result.model_id,
        "precision": result.label,
        "deployment": result.deployment.name if result.deployment else "",
        "tool": result.tool,
        "what": result.what,
    }
    assets = _assets(job.kind)
    found |= {name: text_of(value) for name, value in job.params.items() if name not in assets}
    found |= _engine_settings(result)
    facts = result.host.facts
    cpu = facts.get("cpu")
    if isinstance(cpu, dict):
        facts = {**facts, "cpu": cpu.get("model"), "cores": cpu.get("cores")}
    found |= {f"host {name}": text_of(facts[name]) for name in _HOST if facts.get(name)}
    return found


def _assets(kind: str) -> set[str]:
    """Fields that name something on a host: model, precision and deployment say what it was."""
    fields = KINDS[kind].Params.model_fields if kind in KINDS else {}
    extras = {name: field.json_schema_extra for name, field in fields.items()}
    named = {name for name, extra in extras.items() if isinstance(extra, dict) and "asset" in extra}
    return named | {"deployment"}


def _engine_settings(result: Result) -> dict[str, str]:
    """What the server of the deployment was told: it bears on every number."""
    if result.deployment is None:
        return {}
    try:
        return engine_settings(from_json(result.deployment.job.plan))
    except PlanError:
        return {}


def text_of(value: Any) -> str:
    """The value of a setting; yes and no are those of ``jobs.queries.engine_settings``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {text_of(v)}" for k, v in value.items())
    return str(value)
