"""Pages of results: list, result, files. Comparison: dashboard.pages.compare.compare."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_safe

from dashboard.charts import forest
from dashboard.pages.answers.cards import hygiene_card, token_card
from dashboard.pages.results import levels
from dashboard.pages.results.client_vs_engine import sides_table
from dashboard.pages.results.conclusion import conclusion_card
from dashboard.pages.results.facets import asked, is_filtered, list_head
from dashboard.pages.results.page_parts import (
    charts,
    curve_series,
    further_series,
    marks_of_points,
    page_title,
    peak,
    point_columns,
    repeat_table,
    repeated,
    spreads,
)
from dashboard.pages.shared import export, sets_table
from dashboard.pages.shared.columns import RESULTS, chosen, heads
from dashboard.pages.shared.marks import compare_query, marks_of, sentence, word
from dashboard.pages.shared.provenance import identity_rows, provenance_rows, unknown_words
from dashboard.pages.shared.sets_table import subject_table
from dashboard.security.permissions import allowed, requires
from dashboard.text.import_words import declared_rows
from dashboard.text.labels import result_name
from dashboard.text.retention import may_pin, pinned_words, removal_words, removed_words
from jobs.catalog import MODELS
from jobs.metrics import METRICS
from jobs.models import PointRequests, Result
from jobs.queries.results.curve import CurvePoint, curve_of, further_points
from jobs.queries.results.listing import (
    COLUMNS,
    NEWEST,
    counts_of,
    identity_list,
    matching,
    result_list,
)
from jobs.queries.results.organised import baseline_history, notes_of, sign_offs_of, tag_names
from jobs.queries.results.results import ResultPage, result_page
from jobs.queries.sorting import in_order, read_order
from jobs.services import results as added
from jobs.services.upkeep.retention import pins_of

EXPORT_MOST = 10_000
LONGEST_NAME = 120
_REQUESTS_HEAD = ("concurrency", "request", "ttft_ms [ms]", "tpot_ms [ms]", "latency_s [s]")


@require_GET
@requires("result.view")
def results(request: HttpRequest) -> HttpResponse:
    """Result list, filtered by the facets in the URL.

    ``order=-NAME`` sorts by a column of ``jobs.queries.results.listing``, from high to low.
    ``group=identity`` has one row an identity.
    ``format=csv`` or ``json`` exports the filtered results in this order with all columns, at most
    ``EXPORT_MOST`` results.
    """
    read = asked(request.GET)
    order = read_order(request.GET.get("order", ""), COLUMNS, NEWEST)
    if request.GET.get("format") in ("csv", "json"):
        rows = in_order(matching(read.filters), COLUMNS[order.name], order)
        return _export(request.GET["format"], rows[:EXPORT_MOST])
    query, after = request.GET.copy(), request.GET.get("after", "")
    query.pop("after", None)
    context = {
        "filters": read.filters,
        "query": query.urlencode(),
        "export_most": EXPORT_MOST,
        "is_later_page": bool(after),
        "is_filtered": is_filtered(query),
    }
    if request.GET.get("group") == "identity":
        identities = identity_list(read.filters, after)
        context |= list_head(request, read) | {
            "page": identities,
            "marks": marks_of([row.latest for row in identities.rows]),
            "is_grouped": True,
        }
        return render(request, "results/list.html", context)
    counts = counts_of(read.filters)
    page, columns = result_list(read.filters, after, order, counts), chosen(request, "results")
    pins = pins_of(page.pinned)
    context |= list_head(request, read, counts) | {
        "page": page,
        "marks": marks_of(page.results),
        "order": order,
        "columns": columns,
        "all_columns": RESULTS,
        "heads": heads(columns, order, query),
        "may_pin": allowed(request.user, "job.pin"),
        "may_unpin": {pin.job_id for pin in pins if allowed(request.user, "job.unpin", pin)},
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
    context = _context(page, points) | _kept(request, page) | _organised(request, page.result)
    context |= {"typed": typed or {}, "errors": errors or {}}
    if is_evaluation:
        name = request.GET.get("name", "").strip()[:LONGEST_NAME] or page.result.measured
        context |= {"name": name, "markdown": sets_table.markdown(page.sets, name)}
        context |= {"markdown_pattern": sets_table.markdown(page.sets, sets_table.NAME)}
        context["quality"] = hygiene_card(page.result)
        sort = request.GET.get("subjects", "")
        tables = [(group, subject_table(page.result, group, sort)) for group in page.sets]
        context |= {"set_tables": tables, "is_sorted": bool(sort)}
    else:
        choice = levels.level_choice(request)
        card = conclusion_card(page, points, level=choice.level, user=request.user)
        # Of a single point, which allows no conclusion, both sides are shown anyway.
        sides = None if card else sides_table(points, page.result)
        context |= {"levels": choice, "card": card, "sides": sides}
        is_on = request.GET.get("others") == "on"  # points of other runs in the charts
        further, marks = further_series(page) if is_on else (), marks_of_points(page)
        context |= charts(page, curve_series(page, points), further) | {
            "others": [(run, [at for at, _m in rows]) for run, rows in further_points(page)],
            "has_others": is_on,
            "point_heads": [(point, marks.get(point.concurrency, ())) for point in page.points],
            "spreads": spreads(points),
        }
        level = {"level": choice.key} if choice.key else {}
        context["report_query"] = f"{urlencode({'id': result_name(page.result), **level})}&"
    return render(request, "results/detail.html", context, status=422 if errors else 200)


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
    key = request.GET.get(levels.PARAMETER, "")[:LONGEST_NAME]
    answer = HttpResponseRedirect(f"?{urlencode({levels.PARAMETER: key})}#conclusion")
    answer.set_cookie(
        levels.COOKIE,
        quote(key),
        max_age=levels.KEPT_S,
        path=reverse("overview"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer


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


def _organised(request: HttpRequest, result: Result) -> dict[str, Any]:
    """Return the context of tags, notes, sign-offs and baseline."""
    user, mark = request.user, marks_of([result])[result.pk]
    verdict = mark.verdict
    return {
        "mark": mark,
        "tags": [(tag, allowed(user, "result.untag", tag)) for tag in mark.added.tags],
        "tag_names": tag_names(),
        "notes": [
            (note, allowed(user, "result.change_note", note), f"note-{note.pk}")
            for note in notes_of(result)
        ],
        "sign_offs": [
            (row, row.withdrawn_at is None and allowed(user, "result.withdraw", row))
            for row in sign_offs_of(result)
        ],
        "history": baseline_history(result),
        "no_baseline": added.baseline_refusal(result),
        "verdict": verdict,
        "verdict_word": word(verdict) if verdict else "",
        "verdict_text": sentence(verdict) if verdict else "",
        "verdict_query": compare_query(verdict, result) if verdict else "",
        "may_tag": allowed(user, "result.tag"),
        "may_note": allowed(user, "result.note"),
        "may_sign_off": allowed(user, "result.sign_off"),
        "may_set_baseline": allowed(user, "result.baseline"),
        "limits": {
            "tags": added.TAG_CHARS * added.MOST_TAGS,
            "note": added.NOTE_CHARS,
            "purpose": added.PURPOSE_CHARS,
        },
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


@require_GET
@requires("result.view")
def result_requests(request: HttpRequest, result_id: int) -> HttpResponse:
    """Export the completed requests of each concurrency with their times, in the order of the tool;
    a time that was not reported is empty."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    result = rows.filter(pk=result_id).first()
    if result is None:
        raise Http404("there is no such result")
    about = export.fixed(result, marks_of([result])[result.pk])
    lines: list[Sequence[Any]] = [[*_REQUESTS_HEAD, *about]]
    points = PointRequests.objects.filter(point__result=result).order_by("point__concurrency", "pk")
    for concurrency, requests in points.values_list("point__concurrency", "rows"):
        for number, times in enumerate(requests, start=1):
            known = ("" if value is None else value for value in times)
            lines.append([concurrency, number, *known, *about.values()])
    response = export.as_csv(lines)
    name = f"{result_name(result)}-requests.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


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
    path("<result:result_id>/requests.csv", result_requests, name="result-requests"),
]
