"""Benchmarks over HTTP: a point per concurrency, and remarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from jobs.base.messages import Message
from jobs.kinds.lib.common import holds_load, tool_version
from jobs.kinds.lib.over_http import name_of
from jobs.metrics.measured import MOST_REQUESTS, Measurement, Outcome, RequestTimes, WarmUp
from jobs.tools.outputs.ended import Ended

RATE = "output_tokens_per_s"


DISCONNECTED = "ServerDisconnected"  # aiohttp's error


MOST_LEFT_OUT = 50  # remarks on figures that were not taken


class Point(Protocol):
    """Measurement at one concurrency. ``completed``, ``failed``: requests."""

    @property
    def concurrency(self) -> int | None:
        """None: not reported."""

    @property
    def completed(self) -> int:
        """Requests."""

    @property
    def failed(self) -> int:
        """Requests."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """By name of ``jobs.metrics``."""

    @property
    def left_out(self) -> Sequence[Message]:
        """Figures that cannot be true: see ``jobs.tools.outputs.figures``."""


def measured(
    ended: Ended,
    points: Sequence[Point],
    began: Mapping[int, float],
    *,
    warm_ups: Mapping[int, WarmUp] | None = None,
    requests: Mapping[int, Sequence[RequestTimes]] | None = None,
) -> Outcome:
    """Return the outcome with its remarks. ``began``, ``warm_ups``, ``requests``: see
    :class:`Measurement`."""
    params, environment = ended.params, ended.kind.environment
    streamed = any("ttft_mean_ms" in point.metrics for point in points)
    return outcome(
        points,
        what=f"{name_of(params)} → {params.output_tokens} tok",
        tool=f"{environment} {tool_version(ended.plan, environment)}",
        remarks=[
            *failed_remarks(points),
            *([] if streamed else [Message("benchmark:no_stream")]),
            *few_remark(params.requests),
            *missing_remark(params.concurrency, points),
        ],
        began=began,
        warm_ups=warm_ups,
        requests=requests,
    )


def outcome(
    points: Sequence[Point],
    *,
    what: str,
    tool: str,
    remarks: Sequence[Message],
    began: Mapping[int, float] | None = None,
    warm_ups: Mapping[int, WarmUp] | None = None,
    requests: Mapping[int, Sequence[RequestTimes]] | None = None,
    keeps_failed: bool = True,
    may_have_no_tokens: bool = False,
) -> Outcome:
    """Build the outcome: the headline is the point with the highest output rate, of those that
    :func:`holds_load` if there are any; requests are counted over all points.

    ``began``, ``warm_ups``, ``requests``: see :class:`Measurement`. ``keeps_failed``: points
    without a completed request are kept, with their failures. ``may_have_no_tokens``: answers
    without tokens are not a failure.
    """
    done = [point for point in points if point.completed]
    if not done:
        failed = sum(point.failed for point in points)
        return Outcome(failure=Message("benchmark:no_request", {"failed": failed}))
    if not may_have_no_tokens and not any(point.metrics.get(RATE) for point in done):
        return Outcome(failure=Message("benchmark:no_token"))
    whole, uncounted = _whole(points, requests or {})
    held = [point for point in done if holds_load(point.completed, point.failed)]
    best = max(held or done, key=lambda point: point.metrics.get(RATE, 0.0))
    figures = {RATE: best.metrics.get(RATE, 0.0), "concurrency": best.concurrency or 0}
    at = {"concurrency": float(best.concurrency)} if best.concurrency else {}  # not all tools say
    return Outcome(
        message=Message("benchmark:done", figures),
        measured=Measurement(
            type="benchmark",
            what=what,
            tool=tool,
            metrics=of_all({**at, **best.metrics}, ((one.completed, one.failed) for one in points)),
            points=[
                (one.concurrency or 0, one.metrics) for one in (points if keeps_failed else done)
            ],
            remarks=[
                *remarks,
                *[why for one in points for why in one.left_out][:MOST_LEFT_OUT],
                *uncounted,
            ],
            began=began or {},
            warm_ups=warm_ups or {},
            requests=whole,
        ),
    )


def _whole(
    points: Sequence[Point], requests: Mapping[int, Sequence[RequestTimes]]
) -> tuple[dict[int, Sequence[RequestTimes]], list[Message]]:
    """Return the requests of points with all of them, and a remark on each other point: shares and
    intervals of a part would mislead."""
    whole: dict[int, Sequence[RequestTimes]] = {}
    remarks = []
    for point in points:
        times = requests.get(point.concurrency or 0, ())
        if len(times) > MOST_REQUESTS:
            remarks.append(Message("figures:many_requests", {"most": MOST_REQUESTS}))
        elif any(value is not None and value < 0 for one in times for value in one):
            remarks.append(Message("figures:no_requests", {"reason": "a time below 0"}))
        elif len(times) == point.completed:
            whole[point.concurrency or 0] = times
        elif times:
            counts = {"requests": len(times), "completed": point.completed}
            remarks.append(Message("figures:other_requests", counts))
    return whole, remarks


def failed_remarks(points: Sequence[Point]) -> list[Message]:
    """Return a remark per concurrency with failed requests."""
    return [
        Message(
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


def cause_remarks(causes: Iterable[tuple[str, int]]) -> list[Message]:
    """Return a remark for each cause (the client's error) with its number of requests."""
    return [
        Message(
            "benchmark:disconnected" if DISCONNECTED in cause else "benchmark:cause",
            {"failed": failed, "cause": cause},
        )
        for cause, failed in causes
    ]


def few_remark(requests: int) -> list[Message]:
    """Return a remark on percentiles of too few requests."""
    if requests >= ENOUGH_FOR_P99:
        return []
    return [Message("benchmark:few_requests", {"requests": requests})]


def last_token_remark(ends: Iterable[bool]) -> list[Message]:
    """Return a remark where single requests end at their last token."""
    return [Message("benchmark:last_token")] if any(ends) else []


def missing_remark(asked: Sequence[int], points: Sequence[Point]) -> list[Message]:
    """Return a remark per requested concurrency that was not measured."""
    measured = {point.concurrency for point in points}
    missing = ", ".join(str(value) for value in asked if value not in measured)
    return [Message("benchmark:not_measured", {"concurrency": missing})] if missing else []


# With fewer requests, the 99th percentile is the slowest request.
ENOUGH_FOR_P99 = 100


def of_all(best: Mapping[str, float], cells: Iterable[tuple[int, int]]) -> Mapping[str, float]:
    """Return the metrics of a benchmark at several concurrencies: those of ``best``, plus total
    completed and failed requests from ``cells`` (pairs).
    """
    pairs = list(cells)
    return {
        **best,
        "requests_all": float(sum(completed for completed, _failed in pairs)),
        "failed_requests_all": float(sum(failed for _completed, failed in pairs)),
    }
