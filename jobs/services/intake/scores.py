"""Live counts of an evaluation, stored with its job for lists.

``Job.scores`` is ``{part: counts}`` with the whole under "": the six counts of a point; ``since``
and ``at``, the first and last time of an answer or error (seconds since the epoch, the host's
clock); and ``base``, the questions asked at ``since``. A pace is ``(answered + errors - base) / (at
- since)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.plans import ACCURACY

COUNTS = ("answered", "scored", "right", "cut", "errors", "total")
MOST_PARTS = 500
_MOST = 1e9


def with_points(
    known: Mapping[str, Any] | None, points: Mapping[str, Sequence[Sequence[Any]]]
) -> dict[str, Any] | None:
    """Return scores after ``points`` (watch -> rows ``[t, values]``); None without scores."""
    scores: dict[str, Any] | None = None
    for watch, rows in points.items():
        name, _slash, part = watch.partition("/")
        if name != ACCURACY:
            continue
        scores = dict(known or {}) if scores is None else scores
        if part in scores or len(scores) < MOST_PARTS:
            at, values = rows[-1]
            scores[part] = _after(scores.get(part), float(at), values)
    return scores


def counts_of(values: Mapping[str, Any]) -> dict[str, float]:
    """Clamp the counts of a point to valid values, because hosts are untrusted."""
    counts = {name: _count(values.get(name)) for name in COUNTS}
    counts["scored"] = float(int(counts["scored"]))
    counts["right"] = min(counts["right"], counts["scored"])
    return counts


def _after(
    before: Mapping[str, Any] | None, at: float, values: Mapping[str, Any]
) -> dict[str, Any]:
    counts = counts_of(values)
    begun = {"since": at, "base": counts["answered"] + counts["errors"]}
    if before and (before.get("answered") or before.get("errors")):
        begun = {name: before[name] for name in begun}
    return {**counts, **begun, "at": at}


def _count(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(min(_MOST, max(0.0, value)))
