"""Runs of a matrix: a warm-up does not count, and a row ends when more load only queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.base.messages import Message
from jobs.models import Job, MatrixCell, ResultPoint
from jobs.schedule import lifecycle

# Less gain in throughput than this is none.
LEAST_GAIN = 0.03
_RATE = "output_tokens_per_s"
# Latency of a request, by preference: the first that both points have.
_LATENCIES = ("latency_mean_s", "ttft_mean_ms")


def warm_up(job_id: int) -> list[Message]:
    """Return the remark on a warm-up run, which makes its result not count; [] for others."""
    is_warm_up = MatrixCell.objects.filter(job=job_id, repeat=MatrixCell.WARM_UP).exists()
    return [Message("matrix:warm_up")] if is_warm_up else []


def after_result(job_id: int) -> None:
    """Skip queued runs of the job's row if its last point added requests to the queue only."""
    cell = MatrixCell.objects.select_related("matrix").filter(job=job_id).first()
    if cell is None or not cell.matrix.spec.get("stops_early"):
        return
    row = MatrixCell.objects.filter(matrix=cell.matrix_id, row=cell.row)
    points = ResultPoint.objects.filter(result__job__cell__in=row.filter(repeat=cell.repeat))
    reason = only_queues([(point.concurrency, point.metrics) for point in points])
    if reason is None:
        return
    waiting = row.filter(concurrency__gt=reason.args["at"], skip_id="")
    for each in waiting.filter(job__state=Job.State.QUEUED).order_by("pk"):
        if each.job_id is not None and lifecycle.finish_queued_job(
            each.job_id, Job.State.CANCELLED, message=reason
        ):
            MatrixCell.objects.filter(pk=each.pk).update(
                skip_id=reason.id, skip_args=dict(reason.args)
            )


def only_queues(points: Sequence[tuple[int, Mapping[str, Any]]]) -> Message | None:
    """Return why more load is useless after the highest of ``points``; None: it may help.

    Throughput rose by less than ``LEAST_GAIN``, and requests took longer. Unknown values stop
    nothing.
    """
    ordered = sorted(points, key=lambda point: point[0])
    if len(ordered) < 2:
        return None
    (below, less), (at, more) = ordered[-2:]
    rates = less.get(_RATE), more.get(_RATE)
    latency = next((name for name in _LATENCIES if less.get(name) and more.get(name)), "")
    if not rates[0] or rates[1] is None or not latency:
        return None
    gain = rates[1] / rates[0] - 1
    if gain >= LEAST_GAIN or more[latency] <= less[latency]:
        return None
    return Message("matrix:only_queues", {"at": at, "below": below, "percent": round(gain * 100)})
