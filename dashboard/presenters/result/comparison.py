"""What a comparison says in words: its conclusion, what bars one, what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.presenters.result.provenance import part_text, part_title
from dashboard.text.formatting import MANIFOLD, change_text, number
from dashboard.text.labels import metric_label, metric_text, phrase
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.comparison.comparison import Change, Column, Comparison
from jobs.queries.comparison.work_differs import Difference

_BATCH = "batch_latency_mean_s"


def conclusion(comparison: Comparison) -> str:
    """The comparison in one sentence, on its first number; about the strongest of the others."""
    base, others = comparison.columns[0], comparison.columns[1:]
    main = comparison.rows[0] if comparison.rows else None
    changes = [(o, c) for o, c in zip(others, main.changes, strict=True)] if main else []
    changes = [(column, change) for column, change in changes if change.value is not None]
    if main is None or main.base is None or not changes:
        return _("These results have no numbers in common")
    told = [item for item in changes if item[1].verdict != "barred"] or changes
    column, change = max(told, key=lambda item: abs(item[1].absolute or 0))
    words = {
        "name": _name(column),
        "base": _name(base),
        "metric": metric_label(main.metric).lower(),
        "measure": _measure(main.metric, comparison.concurrency),
        "change": size_of(change, main.metric),
        "size": size_of(change, main.metric).lstrip("+\u2212"),
        "concurrency": comparison.concurrency,
    }
    if change.verdict == "barred":
        return _("No verdict: %(name)s and %(base)s did not do the same work") % words
    if change.verdict == "same":
        return _("%(name)s and %(base)s have the same %(measure)s") % words
    if change.verdict == "noise":
        return _("%(name)s vs %(base)s: %(measure)s %(change)s, not significant") % words
    if column.head.fingerprint and column.head.fingerprint == base.head.fingerprint:
        return _("%(name)s and %(base)s are repeats of one measurement: %(measure)s %(change)s") % (
            words
        )
    if change.verdict == "unknown":
        return _("%(name)s vs %(base)s: %(measure)s %(change)s, too few runs to tell") % words
    if change.relative is not None and change.relative >= MANIFOLD:
        return _told_manifold(main.metric) % {**words, "times": number(1 + change.relative)}
    return _told(main.metric, more=(change.absolute or 0) > 0) % words


def _measure(metric: str, concurrency: int | None) -> str:
    """What was compared, with the concurrency on which its number depends."""
    words = {"metric": metric_label(metric).lower(), "concurrency": concurrency}
    if metric == _BATCH:
        return _("%(metric)s for a batch of %(concurrency)s") % words
    if concurrency is None:
        return str(words["metric"])
    return _("%(metric)s at concurrency %(concurrency)s") % words


def _told_manifold(metric: str) -> str:
    """The sentence for a difference that is sure, and so large that it is told as a factor."""
    if metric == _BATCH:
        return _(
            "%(name)s takes %(times)s times as long for a batch of %(concurrency)s as %(base)s"
        )
    return _(
        "%(name)s gives %(times)s times the %(metric)s of %(base)s at concurrency %(concurrency)s"
    )


def _told(metric: str, *, more: bool) -> str:
    """The sentence for a difference that is sure."""
    if metric == _BATCH:
        if more:
            return _("%(name)s takes %(size)s longer for a batch of %(concurrency)s than %(base)s")
        return _("%(name)s takes %(size)s less time for a batch of %(concurrency)s than %(base)s")
    if metric == "accuracy":
        if more:
            return _("%(name)s is right more often than %(base)s, by %(size)s")
        return _("%(name)s is right less often than %(base)s, by %(size)s")
    if more:
        return _(
            "%(name)s gives %(size)s more %(metric)s than %(base)s at concurrency %(concurrency)s"
        )
    return _("%(name)s gives %(size)s less %(metric)s than %(base)s at concurrency %(concurrency)s")


def size_of(change: Change, metric: str) -> str:
    """How large a change is, with its sign: "+20.2 %", "−1.4 points", "× 40.6"; of a rate that has
    no ratio with its unit."""
    if change.relative is not None:
        return change_text(change.relative)
    if METRICS[metric].unit == "%":
        return _("%(n)s points") % {"n": number(100 * (change.absolute or 0), 2, signed=True)}
    size = number(float(change.absolute or 0), signed=True)
    return f"{size} {metric_text(metric, 0.5)[1]}".rstrip()


def barred_words(comparison: Comparison) -> str:
    """On which there is no verdict; "" where there is one on all."""
    if not comparison.barred:
        return ""
    if len(comparison.barred) == len(comparison.columns) - 1:
        return _("No verdict: not the same work was measured.")
    heads = [comparison.columns[index].head for index in sorted(comparison.barred)]
    names = _jobs(heads)
    words = _("No verdict on %(names)s: not the same work as that of #%(base)s.")
    return words % {"names": names, "base": comparison.columns[0].head.job_id}


def barrier_words(barrier: Difference, heads: Sequence[Result]) -> str:
    """What of the work differs: "Requests: 50 / 100"; of a checksum, that it does.

    Of more than two columns with those that share a value: "64 tokens (#1, #2), 48 tokens (#3)".
    """
    if barrier.is_unknown:
        return _("Not known: %(name)s") % {"name": part_title(barrier.name)}
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
    told = [
        _("%(value)s (%(jobs)s)") % {"value": text, "jobs": _jobs(those)}
        for text, those in alike.items()
    ]
    return f"{title}{_(': ')}{_(', ').join(told)}"


def _checksum_words(name: str) -> str:
    if name == "questions_sha256":
        return _("The question sets differ")
    if name == "scorer_sha256":
        return _("The rule by which an answer counts differs")
    return _("The data sets differ")


def _jobs(results: Sequence[Result]) -> str:
    return _(", ").join(f"#{result.job_id}" for result in results)


def _value(barrier: Difference, value: Any) -> str:
    if value is None:
        return _("unknown")
    if barrier.is_metric:
        return " ".join(filter(None, metric_text(barrier.name, value)))
    return part_text(barrier.name, value)


def _name(column: Column) -> str:
    head: Result = column.head
    label = _("#%(job)s (%(label)s)") % {"job": head.job_id, "label": phrase(head.label)}
    if len(column.runs) == 1:
        return label
    return label + _(", %(n)s runs") % {"n": len(column.runs)}
