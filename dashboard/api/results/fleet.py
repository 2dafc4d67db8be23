"""The public API of the fleet: what stands for each model and precision on each stack."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from dashboard.api.answers import Answer, ResultNumber, Time, answers
from dashboard.api.auth import caller
from dashboard.api.requests import FleetAsked
from dashboard.pages.results.fleet_rows import stale_text
from dashboard.pages.shared.flags import all_flags
from dashboard.pages.shared.verdict import as_data
from jobs.base.numbers import number_from, result_number
from jobs.queries.fleet import FleetValue, fleet, whole_days

router = Router(tags=["Results"])


class FleetMetric(Answer):
    """Main metric of the result that stands for a model."""

    result: ResultNumber
    metric: str
    value: float | None
    concurrency: int | None
    low: float | None
    high: float | None
    simulated: bool
    flags: list[str]
    stale: list[str]
    vs_baseline: dict[str, Any] | None
    created_at: Time


class FleetPlace(Answer):
    """A model and precision on a stack; null: missing."""

    model: str
    precision: str
    stack: str
    speed: FleetMetric | None
    accuracy: FleetMetric | None


class FleetAnswer(Answer):
    """All combinations with a result, a ready deployment or an artifact."""

    days: int
    fleet: list[FleetPlace]
    next: str | None


@router.get(
    "fleet",
    auth=caller("result.view"),
    **answers(FleetAnswer),
    url_name="api-fleet",
    summary="Read the fleet",
)
def read_fleet(request: HttpRequest, query: Query[FleetAsked]) -> dict[str, Any]:
    """Each value is of the newest sign-off or baseline, else of the largest sample that counts,
    else of the newest result; ``flags`` says what limits it."""
    days = whole_days(number_from(query.days))
    rows = [
        {
            "model": row.model_id,
            "precision": row.label,
            "stack": cell.stack,
            "speed": _metric(cell.speed, days),
            "accuracy": _metric(cell.accuracy, days),
        }
        for row in fleet(days).rows
        for cell in row.cells
        if cell.is_known
    ]
    return {"days": days, "fleet": rows, "next": None}


def _metric(value: FleetValue | None, days: int) -> dict[str, Any] | None:
    if value is None:
        return None
    return {
        "result": result_number(value.result.pk),
        "metric": value.metric,
        "value": value.value,
        "concurrency": value.concurrency,
        "low": value.interval.low if value.interval else None,
        "high": value.interval.high if value.interval else None,
        "simulated": value.result.simulated,
        "flags": [flag.word for flag in all_flags(value.result)],
        "stale": [stale_text(one, days) for one in value.stale],
        "vs_baseline": as_data(value.verdict),
        "created_at": value.result.created_at.isoformat(),
    }
