"""Requests that failed and questions that were not scored: a run with any is incomplete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jobs.kinds.lib.base import Conclusion, Measured, Remark

# From this share on a run has failed: the typical (median) request did, and the rest was measured
# under a load that nobody asked for.
MOSTLY = 0.5
UNSCORED = "evaluate:unscored"
# Sentences of a success, and their form for an incomplete one.
_INCOMPLETE = {
    "benchmark:done": "benchmark:done_incomplete",
    "evaluate:done": "evaluate:done_incomplete",
    "evaluate:means": "evaluate:means_incomplete",
}


class Shortfall(NamedTuple):
    """``failed`` of ``total`` requests or questions have no result; 0 of a whole run."""

    failed: int
    total: int


def shortfall(
    metrics: Mapping[str, Any], remarks: Iterable[tuple[str, Mapping[str, Any]]]
) -> Shortfall:
    """Of a result with these metrics and remarks (id, arguments)."""
    for name, args in remarks:
        if name == UNSCORED:
            return Shortfall(int(args["unscored"]), int(args["total"]))
    failed, completed = (
        int(metrics.get(f"{name}_all", metrics.get(name)) or 0)
        for name in ("failed_requests", "requests")
    )
    return Shortfall(failed, failed + completed)


def of_measured(measured: Measured) -> Shortfall:
    """The same of what a kind has just read."""
    return shortfall(measured.metrics, [(one.id, one.args) for one in measured.remarks])


def too_few(conclusion: Conclusion) -> Remark | None:
    """Why a run of which half or more failed is a failure; None where less did."""
    if conclusion.measured is None:
        return None
    failed, total = of_measured(conclusion.measured)
    if not failed or failed < MOSTLY * total:
        return None
    is_evaluation = conclusion.measured.sort == "evaluation"
    name = "evaluate:mostly_unscored" if is_evaluation else "benchmark:mostly_failed"
    return Remark(name, {"failed": failed, "total": total})


def worded(sentence: Remark, measured: Measured | None) -> Remark:
    """The sentence of a success, with what failed where something did."""
    missed = of_measured(measured) if measured else Shortfall(0, 0)
    if not missed.failed or sentence.id not in _INCOMPLETE:
        return sentence
    return Remark(_INCOMPLETE[sentence.id], {**sentence.args, **missed._asdict()})
