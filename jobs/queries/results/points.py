"""One point of a benchmark: its values over the runs, its step, and the place in the log."""

from __future__ import annotations

from dataclasses import dataclass

from jobs import logstore
from jobs.base.errors import PlanError
from jobs.base.numbers import result_number
from jobs.models import JobStep, Result
from jobs.plans import Step, from_json
from jobs.queries.results.benchmark_curve import point_curve
from jobs.queries.results.curve import CurvePoint
from jobs.queries.results.repeats import counted_with

_STEP = "measure"


@dataclass(frozen=True, slots=True)
class PointPage:
    """Point of a result. ``own`` is of this run, ``all_runs`` of it and its counted repeats.

    ``step`` is the command that measured it, None when the plan cannot be read; ``log_line`` its
    first line in the job's log, None when the step printed nothing or the log was removed.
    """

    result: Result
    own: CurvePoint
    all_runs: CurvePoint
    step: Step | None
    log_line: int | None


def point_page(result_id: int, concurrency: int) -> PointPage:
    """Return a point of a result. Raises ``Result.DoesNotExist``, also without such a point."""
    rows = Result.objects.select_related("host", "job", "deployment", "endpoint", "created_by")
    result = rows.get(pk=result_id)
    own = point_curve([result], concurrency)
    if not own.runs:
        raise Result.DoesNotExist(f"{result_number(result_id)} has no point at {concurrency}")
    runs = counted_with(result) if result.counts else [result]
    step = _step(result, concurrency)
    return PointPage(
        result,
        own,
        point_curve(runs, concurrency) if len(runs) > 1 else own,
        step,
        _log_line(result, step) if step else None,
    )


def _step(result: Result, concurrency: int) -> Step | None:
    """Return the step of this concurrency, else the one that measured all, else the last."""
    try:
        plan = from_json(result.job.plan if result.job else {})
    except PlanError:
        return None
    by_name = {step.name: step for step in plan.steps}
    return by_name.get(f"{_STEP}-{concurrency}") or by_name.get(_STEP) or plan.steps[-1]


def _log_line(result: Result, step: Step) -> int | None:
    if result.job is None or result.job.removed_at is not None:
        return None
    ran = JobStep.objects.filter(job=result.job, name=step.name).first()
    if ran is None or ran.log_from is None or ran.log_from == ran.log_to:
        return None
    return logstore.store().line_begun_at(f"job/{result.job_id}", ran.log_from)
