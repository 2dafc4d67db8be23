"""History page: runs of one measurement over time, and what changed where the value moves."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.charts import history as chart
from dashboard.pages.results.page_parts import short_part
from dashboard.pages.shared.export import as_csv, fixed, unit_name
from dashboard.pages.shared.marks import marks_of
from dashboard.pages.shared.provenance import part_title
from dashboard.security.permissions import requires
from dashboard.text.labels import result_name
from jobs.base.numbers import number_from
from jobs.models import Result
from jobs.queries.comparison.history import MOST_RUNS, History, Period, history

_HEAD = (
    *("period", "metric", "unit", "concurrency", "value", "counts"),
    *("mean", "low", "high", "n", "change", "change_low", "change_high", "change_unit"),
    *("verdict", "changed"),
)
_LONGEST = 160


@require_GET
@requires("result.view")
def result_history(request: HttpRequest, result_id: int) -> HttpResponse:
    """Show the history of a result's measurement. ``?metric=`` and ``?concurrency=`` select the
    value, ``format=csv`` exports every run."""
    concurrency = number_from(request.GET.get("concurrency", ""))
    try:
        found = history(result_id, request.GET.get("metric", ""), concurrency)
    except Result.DoesNotExist as error:
        raise Http404("there is no such result") from error
    if request.GET.get("format") == "csv":
        return _csv(found)
    query = f"metric={found.metric}"
    if found.concurrency is not None:
        query += f"&concurrency={found.concurrency}"
    context = {
        "history": found,
        "result": found.result,
        "rows": [(period, _changed_parts(period)) for period in reversed(found.periods)],
        "runs": sum(len(period.runs) for period in found.periods),
        "is_drawn": any(period.values for period in found.periods),
        "figure": chart.figure(found),
        "marks": marks_of([found.result]),
        "csv": f"?{query}&format=csv",
        "most": MOST_RUNS,
    }
    return render(request, "results/history.html", context)


def _changed_parts(period: Period) -> list[tuple[str, str, str]]:
    """Return what changed against the compared period in words: title, value before, value now."""
    rows = []
    for part in period.parts:
        was, now = (
            _("not recorded") if value is None else short_part(part.name, value, _LONGEST)
            for value in (part.was, part.now)
        )
        rows.append((part_title(part.name), was, now))
    return rows


def _csv(found: History) -> HttpResponse:
    """Return a line per run with its period, the change of the period, and the run's context."""
    runs = [run for period in found.periods for run in period.runs]
    marks = marks_of(runs)
    about = {run.pk: fixed(run, marks[run.pk]) for run in runs}
    at = "" if found.concurrency is None else found.concurrency
    lines: list[Sequence[Any]] = [[*_HEAD, *about[runs[0].pk]]]
    for period in found.periods:
        of_period = _of_period(period)
        for run in period.runs:
            value = found.value(run)
            own = (period.number, found.metric, unit_name(found.metric), at)
            measured = ("" if value is None else value, run.counts)
            lines.append([*own, *measured, *of_period, *about[run.pk].values()])
    response = as_csv(lines)
    name = f"history-{result_name(found.result)}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _of_period(period: Period) -> list[Any]:
    interval, change = period.interval, period.change
    values: list[Any] = [
        period.mean,
        interval.low if interval else None,
        interval.high if interval else None,
        len(period.values),
        *((change.size, change.low, change.high) if change else (None, None, None)),
        ("share of the period before" if change.is_relative else "unit") if change else None,
        "barred" if period.is_barred else change.verdict if change else None,
        "; ".join(f"{title}: {was} -> {now}" for title, was, now in _changed_parts(period)),
    ]
    return ["" if value is None else value for value in values]


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/history/", result_history, name="result-history"),
]
