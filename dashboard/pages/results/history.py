"""History of a measurement, with what changed where its value moves; one point of a benchmark."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts import history as chart
from dashboard.pages.shared.cells import bare
from dashboard.pages.shared.comparison import change_texts
from dashboard.pages.shared.export import as_csv, fixed, unit_name
from dashboard.pages.shared.marks import marks_of, picture_lines
from dashboard.pages.shared.words import part_text, part_title
from dashboard.security.permissions import requires
from dashboard.text.labels import metric_label, metric_text, result_name
from jobs.base.numbers import number_from
from jobs.models import Result
from jobs.plans import step_script
from jobs.queries.comparison.history import History, Period, history
from jobs.queries.results.curve import PointPage, point_page

_HEAD = (
    *("period", "metric", "unit", "concurrency", "value", "counts"),
    *("mean", "low", "high", "n", "change", "change_low", "change_high", "change_unit"),
    *("verdict", "changed"),
)
# Metrics of the page of a point.
_SHOWN = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p90_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "itl_p99_ms", "latency_p50_s", "latency_p99_s"),
    *("batch_latency_mean_s", "energy_per_token_j", "requests", "failed_requests"),
)


def _short_part(name: str, value: Any, longest: int) -> str:
    """Return a part of an identity as text of bounded length; of a checksum the first digits."""
    text = part_text(name, value)
    if name.endswith("sha256"):
        return text[:12]
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


@requires("result.view", "GET")
def result_history(request: HttpRequest, result_id: int) -> HttpResponseBase:
    """Show the history of a result's measurement. ``?metric=`` and ``?concurrency=`` select the
    value, ``format=csv`` exports every run."""
    concurrency = number_from(request.GET.get("concurrency", ""))
    try:
        found = history(result_id, request.GET.get("metric", ""), concurrency)
    except Result.DoesNotExist as error:
        raise Http404("there is no such result") from error
    if request.GET.get("format") == "csv":
        return history_csv(found)
    query = f"metric={found.metric}"
    if found.concurrency is not None:
        query += f"&concurrency={found.concurrency}"
    context = {
        "history": found,
        "title": history_title(found),
        "result": found.result,
        "pictured": picture_lines([found.result]),
        "rows": [(period, _changed_parts(period)) for period in reversed(found.periods)],
        "runs": sum(len(period.runs) for period in found.periods),
        "is_drawn": any(period.values for period in found.periods),
        "figure": chart.figure(found),
        "marks": marks_of([found.result]),
        "csv": f"?{query}&format=csv",
    }
    return render(request, "results/history.html", context)


def history_title(found: History) -> str:
    """Return the last change of the value with its interval or verdict, or why there is none."""
    last, metric = found.periods[-1], metric_label(found.metric)
    if last.mean is None:
        text = ngettext(
            "%(metric)s: no value, because the latest run does not count",
            "%(metric)s: no value, because none of the latest %(n)s runs counts",
            len(last.runs),
        )
        return text % {"metric": metric, "n": len(last.runs)}
    if last.is_barred and last.base is not None:
        text = _("%(metric)s: period %(now)s is not comparable with period %(n)s")
        return text % {"metric": metric, "now": last.number, "n": last.base.number}
    if last.change is None or last.base is None:
        args = {"metric": metric, "value": " ".join(metric_text(found.metric, last.mean)).strip()}
        count = len(last.values)
        text = ngettext(
            "%(metric)s: %(value)s in %(n)s run, no earlier period to compare with",
            "%(metric)s: %(value)s in %(n)s runs, no earlier period to compare with",
            count,
        )
        return text % {**args, "n": count}
    change, details = change_texts(last.change, found.metric)
    compared = {"metric": metric, "change": change, "n": last.base.number}
    text = _("%(metric)s: %(change)s vs period %(n)s") % compared
    return _(", ").join(filter(None, (text, details)))


def _changed_parts(period: Period) -> list[tuple[str, str, str]]:
    """Return what changed against the compared period in words: title, value before, value now."""
    rows = []
    for part in period.parts:
        was, now = (
            _("not recorded") if value is None else _short_part(part.name, value, 160)
            for value in (part.was, part.now)
        )
        rows.append((part_title(part.name), was, now))
    return rows


def history_csv(found: History) -> HttpResponseBase:
    """Return every run with its period."""
    runs = [run for period in found.periods for run in period.runs]
    marks = marks_of(runs)
    about = {run.pk: fixed(run, marks[run.pk]) for run in runs}
    metric = found.metric, unit_name(found.metric), found.concurrency
    lines: list[Sequence[Any]] = [[*_HEAD, *about[runs[0].pk]]]
    for period in found.periods:
        of_period = _of_period(period)
        for run in period.runs:
            own = [period.number, *metric, found.values.get(run.pk), run.counts, *of_period]
            lines.append([*own, *about[run.pk].values()])
    return as_csv(lines, f"history-{result_name(found.result)}")


def _of_period(period: Period) -> list[Any]:
    interval, change = period.interval, period.change
    return [
        period.mean,
        interval.low if interval else None,
        interval.high if interval else None,
        len(period.values),
        *((change.size, change.low, change.high) if change else (None, None, None)),
        ("share of the period before" if change.is_relative else "unit") if change else None,
        "not_comparable" if period.is_barred else change.verdict if change else None,
        "; ".join(f"{title}: {was} -> {now}" for title, was, now in _changed_parts(period)),
    ]


@requires("result.view", "GET")
def result_point(request: HttpRequest, result_id: int, concurrency: int) -> HttpResponse:
    """Show a point, which charts show as a panel: numbers with intervals, command, environment,
    links to job, log and result."""
    try:
        page = point_page(result_id, concurrency)
    except Result.DoesNotExist as error:
        raise Http404(f"the result has no point at {concurrency}") from error
    result, step = page.result, page.step
    rows = [_row(page, name) for name in _SHOWN if page.own.mean(name) is not None]
    context = {
        "page": page,
        "result": result,
        "concurrency": concurrency,
        "rows": rows,
        "has_intervals": any(row["interval"] for row in rows),
        "command": step_script(step, result.job.values or {}) if step and result.job else "",
        "environment": [
            (part_title(name), None if value is None else _short_part(name, value, 80))
            for group in ("measurement", "model", "engine", "host")
            for name, value in result.parts.get(group, {}).items()
        ],
    }
    return render(request, "results/point.html", context)


def _row(page: PointPage, name: str) -> dict[str, str]:
    """Return a metric: value of this run, mean over the runs, 95 % interval; "" without one. With
    one run, a percentile has the interval of its requests."""
    own, mean = (
        "" if value is None else " ".join(filter(None, metric_text(name, value)))
        for value in (page.own.mean(name), page.all_runs.mean(name))
    )
    interval = bare(name, page.all_runs.mean(name), page.all_runs.interval(name)).interval
    return {"label": metric_label(name), "own": own, "mean": mean, "interval": interval}


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/history/", result_history, name="result-history"),
    path("<result:result_id>/points/<int:concurrency>/", result_point, name="result-point"),
]
