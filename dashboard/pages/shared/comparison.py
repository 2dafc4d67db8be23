"""Texts of a comparison: verdict, and differences in workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.pages.shared.provenance import part_text, part_title
from dashboard.text.formatting import change_text, full_moment, number
from dashboard.text.labels import metric_label, metric_text, phrase, result_name
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.comparison.comparison import Change, Column, Comparison
from jobs.queries.comparison.work_differs import Difference

_BATCH = "batch_latency_mean_s"


def conclusion(comparison: Comparison) -> str:
    """Return the verdict on the first metric, for the column with the largest difference."""
    changes = _changes(comparison)
    if not changes:
        return _("No common metrics")
    comparable = [item for item in changes if item[1].verdict != "not_comparable"] or changes
    column, change = max(comparable, key=lambda item: abs(item[1].absolute or 0))
    return _verdict_words(comparison, column, change)


def conclusions(comparison: Comparison) -> list[str]:
    """Return the verdict on the first metric for each column vs the baseline."""
    return [_verdict_words(comparison, column, change) for column, change in _changes(comparison)]


def _changes(comparison: Comparison) -> list[tuple[Column, Change]]:
    """Return each column with its change of the first metric; without columns that lack it."""
    main = comparison.rows[0] if comparison.rows else None
    if main is None or main.base is None:
        return []
    pairs = zip(comparison.columns[1:], main.changes, strict=True)
    return [(column, change) for column, change in pairs if change.value is not None]


def _verdict_words(comparison: Comparison, column: Column, change: Change) -> str:
    words = _measured_words(comparison, column, change)
    is_declared = any(side.head.imported_id for side in (comparison.columns[0], column))
    if is_declared and change.verdict != "not_comparable":
        return _("%(verdict)s, as declared") % {"verdict": words}
    return words


def declared_words(comparison: Comparison) -> str:
    """Return on whose words a verdict with an import rests; "" without one."""
    heads = [
        column.head
        for index, column in enumerate(comparison.columns)
        if column.head.imported_id and index not in comparison.barred
    ]
    if not heads or len(comparison.barred) == len(comparison.columns) - 1:
        return ""
    told = []
    for head in heads:
        row = head.imported
        if row is not None and row.declared_at is not None:
            args = {
                "result": result_name(head),
                "name": row.declared_by or "–",
                "at": full_moment(row.declared_at),
            }
            told.append(_("%(result)s by %(name)s on %(at)s") % args)
    text = _("As declared: workload, engine and device of imports are not measured (%(who)s).")
    return text % {"who": _("; ").join(told)}


def _measured_words(comparison: Comparison, column: Column, change: Change) -> str:
    base, main = comparison.columns[0], comparison.rows[0]
    size = _("unchanged") if change.verdict == "same" else size_of(change, main.metric)
    args = {
        "name": _name(column),
        "base": _name(base),
        "change": _measured(main.metric, size, comparison.concurrency),
        "interval": interval_of(change, main.metric),
    }
    if change.verdict == "not_comparable" and _is_unchecked(comparison):
        return _("%(name)s vs %(base)s: not judged, workload of the import unknown") % args
    if change.verdict == "not_comparable":
        return _("%(name)s vs %(base)s: not comparable, different workloads") % args
    if change.verdict in ("same", "") and change.low is None:
        return _("%(name)s vs %(base)s: %(change)s") % args
    if change.verdict == "noise":
        return (
            _(
                "%(name)s vs %(base)s: %(change)s, no significant difference "
                "(95 %% interval %(interval)s includes 0)"
            )
            % args
        )
    if column.head.fingerprint and column.head.fingerprint == base.head.fingerprint:
        return _("%(name)s vs %(base)s, repeats of one measurement: %(change)s") % args
    if change.verdict == "unknown":
        return _("%(name)s vs %(base)s: %(change)s, too few runs for an interval") % args
    return (
        _("%(name)s vs %(base)s: %(change)s, significant difference (95 %% interval %(interval)s)")
        % args
    )


def _measured(metric: str, size: str, concurrency: int | None) -> str:
    """Return the compared metric with the size of its change and its concurrency."""
    args = {"metric": metric_label(metric).lower(), "size": size, "concurrency": concurrency}
    if metric == _BATCH:
        return _("%(metric)s %(size)s for a batch of %(concurrency)s") % args
    if concurrency is None:
        return _("%(metric)s %(size)s") % args
    return _("%(metric)s %(size)s at concurrency %(concurrency)s") % args


def size_of(change: Change, metric: str, points: str = "") -> str:
    """Return a signed change: "+20.2 %", "−1.4 points", "× 40.6"; with the unit without a ratio.

    ``points``: the text for a difference of shares, "%(n)s points" by default.
    """
    value = change.absolute if change.relative is None else change.relative
    return _sized(value, change, metric, points)


def interval_of(change: Change, metric: str, points: str = "") -> str:
    """Return the 95 % interval of a change, "[+12.1 %, +28.3 %]"; "" without one."""
    if change.low is None or change.high is None:
        return ""
    low, high = (_sized(bound, change, metric, points) for bound in (change.low, change.high))
    return f"[{low}, {high}]"


def _sized(value: float | None, change: Change, name: str, points: str) -> str:
    """Return a difference, or a bound of its interval, in the unit of ``change``."""
    size, metric = value or 0.0, METRICS.get(name)
    if change.relative is not None:
        return change_text(size)
    if metric is None or metric.unit == "%":
        return (points or _("%(n)s points")) % {"n": number(100 * size, 2, signed=True)}
    if metric.is_count:
        # Counts, such as failed requests: a mean of several runs may have decimals.
        return number(size, 0 if float(size).is_integer() else 1, signed=True)
    # No ratio for a rate of 0.
    return f"{number(float(size), signed=True)} {metric_text(name, 0.5)[1]}".rstrip()


def _is_unchecked(comparison: Comparison) -> bool:
    """Return True if only an import's unknown workload stands in the way of a verdict."""
    is_imported = any(head.imported_id for head in comparison.heads)
    return is_imported and all(barrier.is_unknown for barrier in comparison.barriers)


def barred_words(comparison: Comparison) -> str:
    """Return which columns are not comparable; "" when all are."""
    if not comparison.barred:
        return ""
    if _is_unchecked(comparison):
        return _(
            "Not judged: the workload of an imported result is unknown. Declare it on its page."
        )
    if len(comparison.barred) == len(comparison.columns) - 1:
        return _("Not comparable: different workloads.")
    heads = [comparison.columns[index].head for index in sorted(comparison.barred)]
    names = _jobs(heads)
    text = _("Not comparable with %(base)s: %(names)s. Different workloads.")
    return text % {"names": names, "base": result_name(comparison.columns[0].head)}


def barrier_words(barrier: Difference, heads: Sequence[Result]) -> str:
    """Return a difference in workload: "Requests: 50 / 100"; of a checksum only its name.

    More than two columns are grouped by value: "64 tokens (res-1, res-2), 48 tokens (res-3)".
    """
    if barrier.is_unknown:
        return _("Unknown: %(name)s") % {"name": part_title(barrier.name)}
    is_many = len(heads) > 2
    if barrier.is_checksum:
        title = _checksum_words(barrier.name)
        others = [
            head
            for head, value in zip(heads, barrier.values, strict=True)
            if value != barrier.values[0]
        ]
        return f"{title}{_(': ')}{_jobs(others)}" if is_many else title
    title = metric_label(barrier.name) if barrier.is_metric else part_title(barrier.name)
    values = [_value(barrier, value) for value in barrier.values]
    if not is_many:
        return f"{title}{_(': ')}{' / '.join(values)}"
    alike: dict[str, list[Result]] = {}
    for head, text in zip(heads, values, strict=True):
        alike.setdefault(text, []).append(head)
    parts = [
        _("%(value)s (%(jobs)s)") % {"value": text, "jobs": _jobs(those)}
        for text, those in alike.items()
    ]
    return f"{title}{_(': ')}{_(', ').join(parts)}"


def _checksum_words(name: str) -> str:
    if name == "questions_sha256":
        return _("Different question sets")
    if name == "scorer_sha256":
        return _("Different scoring rules")
    return _("Different data sets")


def _jobs(results: Sequence[Result]) -> str:
    return _(", ").join(result_name(result) for result in results)


def _value(barrier: Difference, value: Any) -> str:
    if value is None:
        return _("unknown")
    if barrier.is_metric:
        return " ".join(filter(None, metric_text(barrier.name, value)))
    return part_text(barrier.name, value)


def _name(column: Column) -> str:
    head: Result = column.head
    label = result_name(head)
    if head.label:
        label = _("%(result)s (%(label)s)") % {"result": label, "label": phrase(head.label)}
    if len(column.runs) == 1:
        return label
    return label + _(", %(n)s runs") % {"n": len(column.runs)}
