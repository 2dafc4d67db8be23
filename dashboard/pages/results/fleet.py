"""Fleet page: latest accepted speed and accuracy of each model on each stack."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.pages.results.fleet_rows import results_of, rows_of
from dashboard.security.permissions import allowed, requires
from jobs.base.numbers import number_from
from jobs.queries.fleet import fleet, whole_days
from jobs.queries.results.organised import organised

DAYS = (7, 30, 90)


@require_GET
@requires("result.view")
def fleet_page(request: HttpRequest) -> HttpResponse:
    """Show the fleet; results older than ``?days=`` are stale."""
    days = whole_days(number_from(request.GET.get("days", "")))
    found = fleet(days)
    context = {
        "fleet": found,
        "rows": rows_of(found, organised(results_of(found), with_tags=False)),
        "days": days,
        "day_choices": DAYS,
        "may_launch": allowed(request.user, "job.launch"),
    }
    return render(request, "results/fleet.html", context)


urlpatterns: list[URLPattern] = [
    path("fleet/", fleet_page, name="result-fleet"),
]
