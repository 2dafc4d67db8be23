"""Pages about results: the list, one result, its files. Comparing: dashboard.views.compare."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.charts import accuracy, percentiles, throughput
from dashboard.charts.series import Series
from dashboard.kept_view import going_words, may_pin, pinned_words, removed_words
from dashboard.rights import allowed, requires
from dashboard.views.compare import compare_results
from dashboard.words import host_word, metric_label, metric_text, phrase
from jobs.metrics import METRICS
from jobs.models import Answer, Host, Result
from jobs.queries.result_counts import FACETS, STAMPS
from jobs.queries.results import (
    Filters,
    ResultPage,
    facet_counts,
    matching,
    pinned_count,
    questions,
    result_list,
    result_page,
    spread,
)
from jobs.services.pins import pins_of

EXPORT_MOST = 10_000
_POINT_COLUMNS = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "latency_p50_s", "latency_p99_s", "requests", "failed_requests"),
    *(name for name in METRICS if name.startswith("batch_latency_")),
    "iterations",
)


@require_GET
@requires("result.view")
def results(request: HttpRequest) -> HttpResponse:
    """All results, narrowed by the facets in the address; ``format=csv`` or ``json`` to export."""
    filters = _filters(request)
    if request.GET.get("format") in ("csv", "json"):
        return _export(request.GET["format"], matching(filters)[:EXPORT_MOST])
    page = result_list(filters, request.GET.get("after", ""))
    query = request.GET.copy()
    query.pop("after", None)
    context = {
        "page": page,
        "filters": filters,
        "facets": _facets(filters),
        "chosen": _chosen(request, filters),
        "query": query.urlencode(),
        "is_filtered": bool(query),
        "may_pin": allowed(request.user, "job.pin"),
        "may_unpin": _may_unpin(request, page.pinned),
    }
    return render(request, "results/list.html", context)


@require_GET
@requires("result.view")
def result(request: HttpRequest, result_id: int) -> HttpResponse:
    """One result: numbers, charts, commands, environment, inputs, questions."""
    page = _page(result_id)
    context = _context(page) | {"may_pin": may_pin(request.user, page.result.job)}
    if page.result.sort == Result.Sort.EVALUATION:
        context |= _question_context(request, page)
        if request.headers.get("HX-Target") == "questions":
            return render(request, "results/_questions.html", context)
    return render(request, "results/detail.html", context)


@require_GET
@requires("result.view")
def result_file(request: HttpRequest, result_id: int, ending: str) -> HttpResponse:
    """The numbers as JSON or CSV: points of a benchmark, questions of an evaluation."""
    page = _page(result_id)
    if ending == "json":
        response: HttpResponse = JsonResponse(_as_json(page), json_dumps_params={"indent": 1})
    else:
        response = _csv(_csv_rows(page))
    name = f"result-{page.result.pk}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _may_unpin(request: HttpRequest, pinned: Iterable[int]) -> set[int]:
    """The jobs of which this person may take the pin away."""
    return {pin.job_id for pin in pins_of(pinned) if allowed(request.user, "job.unpin", pin)}


def _page(result_id: int) -> ResultPage:
    try:
        return result_page(result_id)
    except Result.DoesNotExist as error:
        raise Http404(f"there is no result {result_id}") from error


def _filters(request: HttpRequest) -> Filters:
    deployment = request.GET.get("deployment", "")
    return Filters(
        facets={facet: request.GET.getlist(facet) for facet in FACETS},
        stamps=[stamp for stamp in request.GET.getlist("stamp") if stamp in STAMPS],
        text=request.GET.get("q", "").strip(),
        deployment=int(deployment) if deployment.isdecimal() else None,
        pinned="1" in request.GET.getlist("pinned"),
    )


def _facet_titles() -> dict[str, str]:
    return {
        "sort": _("Kind"),
        "model": _("Model"),
        "precision": _("Precision"),
        "host": _("Host"),
        "person": _("By"),
        "stamp": _("Stamp"),
    }


def _value_words() -> dict[str, str]:
    return {
        "benchmark": _("benchmark"),
        "evaluation": _("evaluation"),
        "simulated": _("simulated"),
        "failed": _("with failed requests"),
        "quiet": _("without remark"),
        Host.Sort.THIS_COMPUTER: host_word(Host.Sort.THIS_COMPUTER),
    }


def _facets(filters: Filters) -> list[dict[str, Any]]:
    """Each facet with its values, how many results each has, and whether it is chosen."""
    words = _value_words()
    counts = facet_counts(filters)
    facets = []
    for name, title in _facet_titles().items():
        chosen = filters.stamps if name == "stamp" else filters.facets[name]
        options = [
            {
                "value": value,
                "word": words.get(value) or phrase(value),
                "count": n,
                "on": value in chosen,
            }
            for value, n in counts[name]
        ]
        facets.append({"name": name, "title": title, "options": options})
    pinned = pinned_count(filters)
    if pinned or filters.pinned:
        option = {"value": "1", "word": _("pinned"), "count": pinned, "on": filters.pinned}
        facets.append({"name": "pinned", "title": _("Kept"), "options": [option]})
    return facets


def _named(facet: str, value: str) -> str:
    """A value in the viewer's language; what was typed to be looked for stays."""
    return value if facet == "q" else phrase(value)


def _chosen(request: HttpRequest, filters: Filters) -> list[dict[str, str]]:
    """The filters that are on, each with the address without it."""
    own = {"q": _("text"), "deployment": _("deployment"), "pinned": _("Kept")}
    titles, words = {**_facet_titles(), **own}, _value_words()
    chosen = []
    for name in (*FACETS, "stamp", "q", "deployment", "pinned"):
        for value in request.GET.getlist(name):
            query = request.GET.copy()
            query.setlist(name, [v for v in query.getlist(name) if v != value])
            query.pop("after", None)
            word = _("pinned") if name == "pinned" else words.get(value) or _named(name, value)
            chosen.append({"title": titles[name], "word": word, "without": query.urlencode()})
    return [item for item in chosen if item["word"]]


def _context(page: ResultPage) -> dict[str, Any]:
    result = page.result
    context: dict[str, Any] = {
        "page": page,
        "result": result,
        "title": _title(page),
        "environments": result.surroundings.get("environments", []),
        "is_evaluation": result.sort == Result.Sort.EVALUATION,
        "pinned_words": pinned_words(result.job),
        "going_words": going_words(result.job),
        "removed_words": removed_words(result.job),
    }
    if result.sort == Result.Sort.EVALUATION:
        categories = page.categories
        return context | {
            "figure": accuracy.figure(categories, page.accuracy),
            "figure_height": accuracy.height(categories, page.accuracy),
        }
    is_batch = "batch_latency_mean_s" in result.metrics
    series = [Series(f"#{result.job_id}", [(p.concurrency, p.metrics) for p in page.points])]
    return context | {
        "throughput": _has(page, "output_tokens_per_s") and throughput.figure(series),
        "waits": [
            (family, title, percentiles.figure(family, series))
            for family, title in _wait_titles().items()
            if _has_family(page, family)
        ],
        "columns": [(name, metric_label(name)) for name in _POINT_COLUMNS if _has(page, name)],
        "spread": spread(result, "batch_latency_mean_s" if is_batch else "output_tokens_per_s"),
        "runs": 1 + len(page.repeats),
        "is_batch": is_batch,
    }


def _wait_titles() -> dict[str, str]:
    return {
        "ttft": _("Time to first token"),
        "tpot": _("Time per output token"),
        "itl": _("Time between tokens"),
        "latency": _("Latency of a whole request"),
    }


def _has(page: ResultPage, metric: str) -> bool:
    return any(metric in point.metrics for point in page.points)


def _has_family(page: ResultPage, family: str) -> bool:
    """True when any percentile of it was measured."""
    return any(_has(page, name) for name in METRICS if name.startswith(f"{family}_p"))


def _title(page: ResultPage) -> str:
    """The result as a sentence that concludes."""
    result = page.result
    name = result.deployment.name if result.deployment else result.model_id
    if page.accuracy is not None:
        values = {
            "name": name,
            "right": int(result.metrics.get("correct", 0)),
            "questions": int(result.metrics["questions"]),
        }
        return _("%(name)s answers %(right)s of %(questions)s questions right") % values
    rate = result.metrics.get("output_tokens_per_s")
    seconds = result.metrics.get("batch_latency_mean_s")
    if rate is None and seconds is not None and page.points:
        number, unit = metric_text("batch_latency_mean_s", seconds)
        values = {"name": name, "n": page.points[0].concurrency, "time": f"{number} {unit}"}
        return _("%(name)s works off a batch of %(n)s in %(time)s") % values
    if rate is None:
        return _("%(name)s was measured") % {"name": name}
    number, unit = metric_text("output_tokens_per_s", rate)
    best = next((p for p in page.points if p.metrics.get("output_tokens_per_s") == rate), None)
    if best is None:
        return _("%(name)s gives %(rate)s") % {"name": name, "rate": f"{number} {unit}"}
    return _("%(name)s gives %(rate)s at concurrency %(concurrency)s") % {
        "name": name,
        "rate": f"{number} {unit}",
        "concurrency": best.concurrency,
    }


def _question_context(request: HttpRequest, page: ResultPage) -> dict[str, Any]:
    show, text = request.GET.get("show", ""), request.GET.get("q", "").strip()
    category = request.GET.get("category", "")
    after = request.GET.get("after", "")
    found = questions(
        page.result,
        show=show,
        text=text,
        category=category,
        after=int(after) if after.isdecimal() else -1,
    )
    query = request.GET.copy()
    query.pop("after", None)
    without = query.copy()
    without.pop("show", None)
    return {
        "found": found,
        "show": show,
        "text": text,
        "category": category,
        "query": query.urlencode(),
        "without_show": without.urlencode(),
    }


def _export(ending: str, rows: Iterable[Result]) -> HttpResponse:
    named = list(rows.select_related("host", "created_by"))  # type: ignore[attr-defined]
    if ending == "json":
        return JsonResponse({"results": [_row_json(row) for row in named]})
    metrics = [name for name in METRICS if any(name in row.metrics for row in named)]
    head = ["result", "job", "sort", "model", "precision", "host", "what", "tool", "simulated"]
    head += ["by", "at", *metrics]
    response = _csv([head, *([*_fixed(row), *_values(row, metrics)] for row in named)])
    response["Content-Disposition"] = 'attachment; filename="results.csv"'
    return response


def _fixed(row: Result) -> list[Any]:
    by = row.created_by.get_username() if row.created_by else ""
    place = [row.pk, row.job_id, row.sort, row.model_id, row.label, row.host.name]
    return [*place, row.what, row.tool, row.simulated, by, row.created_at.isoformat()]


def _values(row: Result, metrics: Sequence[str]) -> list[Any]:
    return [row.metrics.get(name, "") for name in metrics]


def _row_json(row: Result) -> dict[str, Any]:
    names = ("result", "job", "sort", "model", "precision", "host", "what", "tool", "simulated")
    fixed = dict(zip((*names, "by", "at"), _fixed(row), strict=True))
    return {**fixed, "metrics": row.metrics, "remarks": row.remarks}


def _as_json(page: ResultPage) -> dict[str, Any]:
    answers = Answer.objects.filter(result=page.result).order_by("index")
    fields = ("index", "subset", "question", "expected", "answer", "score", "detail")
    return {
        **_row_json(page.result),
        "plan_sha256": page.result.job.plan_sha256,
        "artifact_sha256": page.artifact.sha256 if page.artifact else None,
        "points": [{"concurrency": p.concurrency, "metrics": p.metrics} for p in page.points],
        "answers": list(answers.values(*fields)),
    }


def _csv_rows(page: ResultPage) -> list[list[Any]]:
    if page.result.sort == Result.Sort.EVALUATION:
        fields = ("index", "subset", "question", "expected", "answer", "score")
        answers = Answer.objects.filter(result=page.result).order_by("index")
        return [list(fields), *(list(row) for row in answers.values_list(*fields))]
    names = [name for name in METRICS if _has(page, name)]
    head = ["concurrency", *(name for name in names if name != "concurrency")]
    return [
        head,
        *([p.concurrency, *(p.metrics.get(name, "") for name in head[1:])] for p in page.points),
    ]


def _csv(rows: Iterable[Sequence[Any]]) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    writer = csv.writer(response)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return response


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


urlpatterns: list[URLPattern] = [
    path("", results, name="result-list"),
    path("compare/", compare_results, name="result-compare"),
    path("<int:result_id>/", result, name="result-detail"),
    path("<int:result_id>/result.<str:ending>", result_file, name="result-file"),
]
