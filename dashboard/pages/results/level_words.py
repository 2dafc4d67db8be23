"""Service levels in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from dashboard.text.formatting import number, percent
from dashboard.text.labels import metric_text
from jobs.queries.results.levels import Level, LevelPoint

_FAMILIES = {"ttft": "TTFT", "tpot": "TPOT"}


def metric_words(metric: str) -> str:
    """Return a limit's metric: "TTFT p99"."""
    family, share, _unit = metric.split("_")
    return f"{_FAMILIES.get(family) or _('End-to-end latency')} {share}"


def limits_words(level: Level) -> str:
    """Return the limits: "TTFT p99 ≤ 450 ms, TPOT p99 ≤ 40 ms"."""
    parts = [
        f"{metric_words(metric)} ≤ {number(limit, _decimals(limit))} {metric.rpartition('_')[2]}"
        for metric, limit in level.limits.items()
    ]
    if level.goodput is not None:
        share = number(100 * level.goodput, _decimals(100 * level.goodput))
        parts.append(_("%(share)s %% of requests within all") % {"share": share})
    return _(", ").join(parts)


def _decimals(limit: float) -> int:
    """Return the decimals of a limit, which is shown as entered."""
    return next((digits for digits in range(3) if round(limit, digits) == limit), 3)


def check_words(one: LevelPoint) -> str:
    """Return which limits a point exceeds: "TTFT p99 1 200 > 450 ms"; "" where it holds all."""
    parts = [
        f"{metric_words(check.metric)} {metric_text(check.metric, check.value)[0]}"
        f" > {number(check.limit, _decimals(check.limit))} {check.metric.rpartition('_')[2]}"
        for check in one.missed
        if check.value is not None
    ]
    too_few = one.goodput is not None and not parts and one.verdict == "missed"
    if too_few and one.goodput is not None:
        share = percent(one.goodput.value)
        parts.append(_("only %(share)s %% within all") % {"share": share})
    return _(", ").join(parts)
