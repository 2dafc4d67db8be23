"""Benchmarks over HTTP: a point per concurrency, and remarks."""

from collections.abc import Iterable, Mapping, Sequence

from jobs.base.messages import Message
from jobs.kinds.lib.common import holds_load, tool_version
from jobs.metrics.measured import MOST_REQUESTS, Measurement, Outcome, RequestTimes, WarmUp
from jobs.tools.outputs.figures import MeasuredPoint
from jobs.tools.outputs.files import Ended

RATE = "output_tokens_per_s"
_MOST_LEFT_OUT = 50  # remarks on figures that were not taken
_ENOUGH_FOR_P99 = 100  # with fewer requests, the 99th percentile is the slowest request


def measured(
    ended: Ended,
    points: Sequence[MeasuredPoint],
    *,
    warm_ups: Mapping[int, WarmUp] | None = None,
    remarks: Sequence[Message] = (),
) -> Outcome:
    """``ended.kind`` is a :class:`jobs.kinds.benchmark.OverHttp`."""
    params, environment = ended.params, ended.kind.environment
    streamed = any("ttft_mean_ms" in point.metrics for point in points)
    known = {point.concurrency for point in points}
    missing = ", ".join(str(value) for value in params.concurrency if value not in known)
    return outcome(
        points,
        what=ended.kind.load_of(params),
        tool=f"{environment} {tool_version(ended.plan, environment)}",
        remarks=[
            *failed_remarks(points),
            *([] if streamed else [Message("benchmark:no_stream")]),
            *few_remark(params.requests),
            *([Message("benchmark:not_measured", {"concurrency": missing})] if missing else []),
            *remarks,
        ],
        warm_ups=warm_ups,
    )


def outcome(
    points: Sequence[MeasuredPoint],
    *,
    what: str,
    tool: str,
    remarks: Sequence[Message],
    warm_ups: Mapping[int, WarmUp] | None = None,
    keeps_failed: bool = True,
    may_have_no_tokens: bool = False,
    headline: MeasuredPoint | None = None,
) -> Outcome:
    """Build the outcome: the headline is the point with the highest output rate, of those that
    :func:`holds_load` if there are any; requests are counted over all points.

    ``keeps_failed``: points without a completed request are kept, with their failures.
    ``may_have_no_tokens``: answers without tokens are not a failure. ``headline``: another point in
    its place.
    """
    done = [point for point in points if point.completed]
    failed = sum(point.failed for point in points)
    if not done:
        return Outcome(failure=Message("benchmark:no_request", {"failed": failed}))
    if not may_have_no_tokens and not any(point.metrics.get(RATE) for point in done):
        return Outcome(failure=Message("benchmark:no_token"))
    whole, uncounted = _whole(points)
    held = [point for point in done if holds_load(point.completed, point.failed)]
    best = headline or max(held or done, key=lambda point: point.metrics.get(RATE, 0.0))
    return Outcome(
        message=Message(
            "benchmark:done",
            {RATE: best.metrics.get(RATE, 0.0), "concurrency": best.concurrency or 0},
        ),
        measured=Measurement(
            type="benchmark",
            what=what,
            tool=tool,
            metrics={
                **({"concurrency": float(best.concurrency)} if best.concurrency else {}),
                **best.metrics,
                "requests_all": float(sum(point.completed for point in points)),
                "failed_requests_all": float(failed),
            },
            points=[
                (one.concurrency or 0, one.metrics) for one in (points if keeps_failed else done)
            ],
            remarks=[
                *remarks,
                *[why for one in points for why in one.left_out][:_MOST_LEFT_OUT],
                *uncounted,
            ],
            began={one.concurrency or 0: one.began for one in points if one.began is not None},
            warm_ups=warm_ups or {},
            requests=whole,
        ),
    )


def _whole(
    points: Sequence[MeasuredPoint],
) -> tuple[dict[int, Sequence[RequestTimes]], list[Message]]:
    """Return the requests of points that have all; shares and intervals of a part would mislead."""
    whole: dict[int, Sequence[RequestTimes]] = {}
    remarks = []
    for point in points:
        times = point.requests
        if len(times) > MOST_REQUESTS:
            remarks.append(Message("figures:many_requests", {"most": MOST_REQUESTS}))
        elif any(value is not None and value < 0 for one in times for value in one):
            remarks.append(Message("figures:no_requests", {"reason": "a time below 0"}))
        elif times and len(times) != point.completed:
            counts = {"requests": len(times), "completed": point.completed}
            remarks.append(Message("figures:other_requests", counts))
        elif times:
            whole[point.concurrency or 0] = times
    return whole, remarks


def failed_remarks(points: Sequence[MeasuredPoint]) -> list[Message]:
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
    return [
        Message(
            # The first is an error of aiohttp.
            "benchmark:disconnected" if "ServerDisconnected" in cause else "benchmark:cause",
            {"failed": failed, "cause": cause},
        )
        for cause, failed in causes
    ]


def few_remark(requests: int) -> list[Message]:
    if requests >= _ENOUGH_FOR_P99:
        return []
    return [Message("benchmark:few_requests", {"requests": requests})]


def last_token_remark(ends: Iterable[bool]) -> list[Message]:
    return [Message("benchmark:last_token")] if any(ends) else []
