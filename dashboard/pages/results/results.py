"""Pages of results: list, result, files. Comparison: dashboard.pages.compare.compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_safe

from dashboard.charts import forest
from dashboard.pages.answers.hygiene_card import hygiene_card
from dashboard.pages.compare.token_card import token_card
from dashboard.pages.results import level_choice
from dashboard.pages.results.conclusion import conclusion_card
from dashboard.pages.results.curve_series import curve_series, further_series, marks_of_points
from dashboard.pages.results.facets import Asked, asked
from dashboard.pages.results.page_parts import (
    charts,
    page_title,
    peak,
    point_columns,
    repeated,
    spreads,
)
from dashboard.pages.results.parts import is_filtered, list_head, organised_context
from dashboard.pages.results.repeats import repeat_table
from dashboard.pages.results.two_sides import sides_table
from dashboard.pages.shared import export, sets_table
from dashboard.pages.shared.columns import RESULTS, chosen, heads
from dashboard.pages.shared.marks import marks_of
from dashboard.pages.shared.provenance import identity_rows, provenance_rows, unknown_words
from dashboard.pages.shared.sets_table import subject_table
from dashboard.security.permissions import allowed, requires
from dashboard.text.import_words import declared_rows
from dashboard.text.labels import result_name
from dashboard.text.retention import may_pin, pinned_words, removal_words, removed_words
from jobs.catalog import MODELS
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.results.benchmark_curve import curve_of, further_points
from jobs.queries.results.curve import CurvePoint
from jobs.queries.results.filters import matching
from jobs.queries.results.identities import identity_list
from jobs.queries.results.result_orders import COLUMNS, NEWEST
from jobs.queries.results.results import (
    ResultPage,
    counts_of,
    result_list,
    result_page,
)
from jobs.queries.sorting import in_order, read_order
from jobs.services.upkeep.retention import pins_of

GROUPED = "identity"
OTHERS = "others"  # parameter: points of other runs in the charts
EXPORT_MOST = 10_000
LONGEST_NAME = 120


@require_GET
@requires("result.view")
def results(request: HttpRequest) -> HttpResponse:
    """Result list, filtered by the facets in the URL.

    ``order=-NAME`` sorts by a column of ``jobs.queries.results.result_orders``, from high to low.
    ``group=identity`` has one row an identity.
    ``format=csv`` or ``json`` exports the filtered results in this order with all columns, at most
    ``EXPORT_MOST`` results.
    """
    read = asked(request.GET)
    filters = read.filters
    order = read_order(request.GET.get("order", ""), COLUMNS, NEWEST)
    if request.GET.get("format") in ("csv", "json"):
        rows = in_order(matching(filters), COLUMNS[order.name], order)
        return _export(request.GET["format"], rows[:EXPORT_MOST])
    if request.GET.get("group") == GROUPED:
        return _identities(request, read)
    counts = counts_of(filters)
    page = result_list(filters, request.GET.get("after", ""), order, counts)
    query = request.GET.copy()
    query.pop("after", None)
    columns = chosen(request, "results")
    context = {
        "page": page,
        "filters": filters,
        **list_head(request, read, counts),
        "marks": marks_of(page.results),
        "query": query.urlencode(),
        "export_most": EXPORT_MOST,
        "order": order,
        "columns": columns,
        "all_columns": RESULTS,
        "heads": heads(columns, order, query),
        "is_later_page": bool(request.GET.get("after")),
        "is_filtered": is_filtered(query),
        "may_pin": allowed(request.user, "job.pin"),
        "may_unpin": _may_unpin(request, page.pinned),
    }
    return render(request, "results/list.html", context)


def _identities(request: HttpRequest, read: Asked) -> HttpResponse:
    """Return the list with one row an identity, latest first."""
    page = identity_list(read.filters, request.GET.get("after", ""))
    query = request.GET.copy()
    query.pop("after", None)
    context = {
        "page": page,
        "filters": read.filters,
        **list_head(request, read),
        "marks": marks_of([row.latest for row in page.rows]),
        "query": query.urlencode(),
        "export_most": EXPORT_MOST,
        "is_grouped": True,
        "is_later_page": bool(request.GET.get("after")),
        "is_filtered": is_filtered(query),
    }
    return render(request, "results/list.html", context)


@require_GET
@requires("result.view")
def result(request: HttpRequest, result_id: int) -> HttpResponse:
    """Result page: metrics, charts, commands, environment, inputs, questions."""
    if "keep" in request.GET:
        return _kept_level(request)
    return result_response(request, result_id)


def result_response(
    request: HttpRequest,
    result_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the result page; ``errors`` by field of its forms, which keep what was ``typed``."""
    page = _page(result_id)
    is_evaluation = page.result.type == Result.Type.EVALUATION
    points = [] if is_evaluation else curve_of(page)
    context = _context(page, points) | _kept(request, page)
    context |= organised_context(request, page.result, typed or {}, errors or {})
    if is_evaluation:
        name = request.GET.get("name", "").strip()[:LONGEST_NAME] or page.result.measured
        context |= {"name": name, "markdown": sets_table.markdown(page.sets, name)}
        context |= {"markdown_pattern": sets_table.markdown(page.sets, sets_table.NAME)}
        context["quality"] = hygiene_card(page.result)
        sort = request.GET.get("subjects", "")
        tables = [(group, subject_table(page.result, group, sort)) for group in page.sets]
        context |= {"set_tables": tables, "is_sorted": bool(sort)}
    else:
        levels = level_choice.level_choice(request)
        card = conclusion_card(page, points, level=levels.level, user=request.user)
        # Of a single point, which allows no conclusion, both sides are shown all the same.
        sides = None if card else sides_table(points, page.result)
        context |= {"levels": levels, "card": card, "sides": sides}
        context |= _charts(request, page, points)
        context["spreads"] = spreads(points)
        level = {"level": levels.key} if levels.key else {}
        context["report_query"] = f"{urlencode({'id': result_name(page.result), **level})}&"
    return render(request, "results/detail.html", context, status=422 if errors else 200)


def _charts(request: HttpRequest, page: ResultPage, points: Sequence[CurvePoint]) -> dict[str, Any]:
    """Return the charts; ``?others=on`` adds the points of other runs."""
    is_on = request.GET.get(OTHERS) == "on"
    marks = marks_of_points(page)
    return {
        **charts(page, curve_series(page, points), further_series(page) if is_on else ()),
        "others": [(run, [at for at, _m in rows]) for run, rows in further_points(page)],
        "has_others": is_on,
        "point_heads": [(point, marks.get(point.concurrency, ())) for point in page.points],
    }


@require_safe
@requires("result.view")
def result_file(request: HttpRequest, result_id: int, ending: str) -> HttpResponse:
    """Export a result as JSON or CSV: points of a benchmark, questions of an evaluation."""
    page = _page(result_id)
    if ending == "json":
        data = export.result_json(page)
        response: HttpResponse = JsonResponse(data, json_dumps_params={"indent": 1})
    else:
        response = export.result_csv(page)
    name = f"{result_name(page.result)}.{ending}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _kept_level(request: HttpRequest) -> HttpResponse:
    """Store the chosen service level in a browser cookie, then redirect to the address to share."""
    key = request.GET.get(level_choice.PARAMETER, "")[:LONGEST_NAME]
    answer = HttpResponseRedirect(f"?{urlencode({level_choice.PARAMETER: key})}#conclusion")
    answer.set_cookie(
        level_choice.COOKIE,
        quote(key),
        max_age=level_choice.KEPT_S,
        path=reverse("overview"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer


def _may_unpin(request: HttpRequest, pinned: Iterable[int]) -> set[int]:
    """Return the jobs that this person may unpin."""
    return {pin.job_id for pin in pins_of(pinned) if allowed(request.user, "job.unpin", pin)}


def _page(result_id: int) -> ResultPage:
    try:
        return result_page(result_id)
    except Result.DoesNotExist as error:
        raise Http404("there is no such result") from error


def _kept(request: HttpRequest, page: ResultPage) -> dict[str, Any]:
    """Return what is kept of the job, or for an import its original files."""
    job, imported = page.result.job, page.result.imported
    if job is not None:
        return {
            "may_pin": may_pin(request.user, job),
            "pinned_words": pinned_words(job),
            "removal_words": removal_words(job),
            "removed_words": removed_words(job),
        }
    return {
        "figures": [(n, page.result.metrics[n]) for n in METRICS if n in page.result.metrics],
        "is_in_catalogue": page.result.model_id in MODELS,
        "collected": page.result.run_context.get("collected"),
        "imported_files": list(imported.files.all()) if imported else [],
        "declared": declared_rows(imported) if imported else [],
        "may_remove": imported is not None and allowed(request.user, "result.remove", imported),
    }


def _context(page: ResultPage, points: Sequence[CurvePoint]) -> dict[str, Any]:
    result = page.result
    context: dict[str, Any] = {
        "page": page,
        "result": result,
        "title": page_title(page, points),
        "report_query": f"id={result_name(result)}&",
        "environments": result.run_context.get("environments", []),
        "is_evaluation": result.type == Result.Type.EVALUATION,
        "identity": identity_rows(result),
        "unknown": unknown_words(result),
        "repeat_table": repeat_table(page),
        "provenance": provenance_rows(result),
    }
    if result.type == Result.Type.EVALUATION:
        return context | {
            "figure": forest.categories(page.categories, page.accuracy),
            "tokens": token_card(result),
            "set_count": sum(len(group.rows) for group in page.sets),
        }
    is_batch = "batch_latency_mean_s" in result.metrics
    return context | {
        "columns": point_columns(page),
        "is_batch": is_batch,
        "peak": peak(page, points),
        **repeated(page, points, "batch_latency_mean_s" if is_batch else "output_tokens_per_s"),
    }


def _export(ending: str, rows: QuerySet[Result]) -> HttpResponse:
    named = list(
        rows.select_related(
            *("host", "created_by", "deployment", "endpoint", "job", "imported")
        ).prefetch_related("points")
    )
    if ending == "json":
        return JsonResponse(export.list_json(named))
    return export.list_csv(named)


urlpatterns: list[URLPattern] = [
    path("", results, name="result-list"),
    path("<result:result_id>/", result, name="result-detail"),
    path("<result:result_id>/result.<str:ending>", result_file, name="result-file"),
]
