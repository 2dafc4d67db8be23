"""Failed requests and unscored questions: any of these makes a run incomplete."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jobs.base.messages import Message
from jobs.metrics.measured import Measurement, Outcome

# A run with this share of failures has failed: the median request failed, and the rest was measured
# under a different load than requested.
MOSTLY = 0.5
UNSCORED = "evaluate:unscored"
# Messages of a success, and their variants for an incomplete run.
_INCOMPLETE = {
    "benchmark:done": "benchmark:done_incomplete",
    "evaluate:done": "evaluate:done_incomplete",
    "evaluate:means": "evaluate:means_incomplete",
}


class Shortfall(NamedTuple):
    """``failed`` of ``total`` requests or questions have no result; 0 for a complete run."""

    failed: int
    total: int


def shortfall(
    metrics: Mapping[str, Any], remarks: Iterable[tuple[str, Mapping[str, Any]]]
) -> Shortfall:
    for name, args in remarks:
        if name == UNSCORED:
            return Shortfall(int(args["unscored"]), int(args["total"]))
    failed, completed = (
        int(metrics.get(f"{name}_all", metrics.get(name)) or 0)
        for name in ("failed_requests", "requests")
    )
    return Shortfall(failed, failed + completed)


def of_measured(measured: Measurement | None) -> Shortfall:
    if measured is None:
        return Shortfall(0, 0)
    return shortfall(measured.metrics, [(one.id, one.args) for one in measured.remarks])


def too_few(outcome: Outcome) -> Message | None:
    missed = of_measured(outcome.measured)
    if outcome.measured is None or not missed.failed or missed.failed < MOSTLY * missed.total:
        return None
    is_evaluation = outcome.measured.type == "evaluation"
    name = "evaluate:mostly_unscored" if is_evaluation else "benchmark:mostly_failed"
    return Message(name, missed._asdict())


def worded(message: Message, measured: Measurement | None) -> Message:
    missed = of_measured(measured)
    if not missed.failed or message.id not in _INCOMPLETE:
        return message
    return Message(_INCOMPLETE[message.id], {**message.args, **missed._asdict()})
