"""Export single requests of a benchmark as CSV: one line per completed request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse

from dashboard.pages.shared.export import as_csv, fixed
from dashboard.pages.shared.marks import marks_of
from dashboard.text.labels import result_name
from jobs.models import PointRequests, Result

_HEAD = ("concurrency", "request", "ttft_ms [ms]", "tpot_ms [ms]", "latency_s [s]")


def requests_csv(result: Result) -> HttpResponse:
    """Return the requests in the order of the tool; a time that was not reported is empty."""
    about = fixed(result, marks_of([result])[result.pk])
    rows = PointRequests.objects.filter(point__result=result).order_by("point__concurrency", "pk")
    lines: list[Sequence[Any]] = [[*_HEAD, *about]]
    for concurrency, requests in rows.values_list("point__concurrency", "rows"):
        for number, times in enumerate(requests, start=1):
            known = ("" if value is None else value for value in times)
            lines.append([concurrency, number, *known, *about.values()])
    response = as_csv(lines)
    name = f"{result_name(result)}-requests.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
