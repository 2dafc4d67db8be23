"""What benchmarks over HTTP share: a point for each concurrency, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from jobs.kinds.base import Conclusion, Measured, Remark
from jobs.kinds.common import of_all

# With fewer requests than this the 99th percentile is just the slowest one.
ENOUGH_FOR_P99 = 100
RATE = "output_tokens_per_s"


class Point(Protocol):
    """What a tool measured at one concurrency. ``completed``, ``failed``: requests."""

    @property
    def concurrency(self) -> int | None:
        """None: the tool did not tell."""

    @property
    def completed(self) -> int:
        """Requests."""

    @property
    def failed(self) -> int:
        """Requests."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """By name of ``jobs.metrics``."""


def outcome(
    points: Sequence[Point],
    *,
    what: str,
    tool: str,
    remarks: Sequence[Remark],
    began: Mapping[int, float] | None = None,
    keeps_failed: bool = True,
) -> Conclusion:
    """The point with the highest output rate stands for all, but requests are counted over all.

    ``began``: see :class:`Measured`. ``keeps_failed``: a point without one completed request is
    one too, of what failed there.
    """
    done = [point for point in points if point.completed]
    if not done:
        failed = sum(point.failed for point in points)
        return Conclusion(failure=Remark("benchmark:no_request", {"failed": failed}))
    best = max(done, key=lambda point: point.metrics.get(RATE, 0.0))
    said = {RATE: best.metrics.get(RATE, 0.0), "concurrency": best.concurrency or 0}
    return Conclusion(
        sentence=Remark("benchmark:done", said),
        measured=Measured(
            sort="benchmark",
            what=what,
            tool=tool,
            metrics=of_all(best.metrics, ((one.completed, one.failed) for one in points)),
            points=[
                (one.concurrency or 0, one.metrics) for one in (points if keeps_failed else done)
            ],
            remarks=remarks,
            began=began or {},
        ),
    )


def failed_remarks(points: Sequence[Point]) -> list[Remark]:
    """A remark on each concurrency at which requests failed."""
    return [
        Remark(
            "benchmark:failed_requests",
            {
                "failed": point.failed,
                "total": point.failed + point.completed,
                "concurrency": point.concurrency or 0,
            },
        )
        for point in points
        if point.failed
    ]


def few_remark(requests: int) -> list[Remark]:
    """A remark on percentiles of too few requests."""
    if requests >= ENOUGH_FOR_P99:
        return []
    return [Remark("benchmark:few_requests", {"requests": requests})]


def missing_remark(asked: Sequence[int], points: Sequence[Point]) -> list[Remark]:
    """A remark on each concurrency that was asked for and that the tool did not measure."""
    measured = {point.concurrency for point in points}
    missing = ", ".join(str(value) for value in asked if value not in measured)
    return [Remark("benchmark:not_measured", {"concurrency": missing})] if missing else []
