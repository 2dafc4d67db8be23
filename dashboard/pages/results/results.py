"""Pages of results: list, result, files. Comparison: dashboard.pages.compare."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse

from dashboard.charts import accuracy
from dashboard.pages.answers import hygiene_card, token_card
from dashboard.pages.results import page_parts
from dashboard.pages.results.conclusion import LEVEL, conclusion_card, level_choice, sides_of
from dashboard.pages.results.facets import asked, list_head
from dashboard.pages.shared import export, words
from dashboard.pages.shared.columns import RESULTS, chosen, heads
from dashboard.pages.shared.marks import compare_query, marks_of, sentence, word
from dashboard.pages.shared.words import identity_rows, provenance_rows, unknown_words
from dashboard.security.permissions import allowed, requires
from dashboard.text.import_words import declared_rows
from dashboard.text.labels import result_name
from dashboard.text.retention import may_pin, pinned_words, removal_words, removed_words
from jobs.catalog import MODELS
from jobs.metrics import METRICS
from jobs.models import PointRequests, Result
from jobs.queries.results import listing
from jobs.queries.results.curve import CurvePoint, curve_of, further_points
from jobs.queries.results.listing import baseline_history, notes_of, sign_offs_of, tag_names
from jobs.queries.results.results import ResultPage, result_page
from jobs.queries.sorting import in_order, read_order
from jobs.services import results as added
from jobs.services.upkeep.retention import pins_of

EXPORT_MOST = 10_000
LONGEST_NAME = 120
_BATCH = "batch_latency_mean_s"
_REQUESTS_HEAD = ("concurrency", "request", "ttft_ms [ms]", "tpot_ms [ms]", "latency_s [s]")


@requires("result.view", "GET")
def results(request: HttpRequest) -> HttpResponse:
    """Result list, filtered by the facets in the URL.

    ``order=-NAME`` sorts by a column of ``jobs.queries.results.listing``, from high to low.
    ``group=identity`` has one row an identity.
    ``format=csv`` or ``json`` exports the filtered results in this order with all columns, at most
    ``EXPORT_MOST`` results.
    """
    read = asked(request.GET)
    order = read_order(request.GET.get("order", ""), listing.COLUMNS, listing.NEWEST)
    if (ending := request.GET.get("format")) in ("csv", "json"):
        rows = in_order(listing.matching(read.filters), listing.COLUMNS[order.name], order)
        related = ("host", "created_by", "deployment", "endpoint", "job", "imported")
        named = list(rows[:EXPORT_MOST].select_related(*related).prefetch_related("points"))
        return export.list_csv(named) if ending == "csv" else JsonResponse(export.list_json(named))
    query, after = request.GET.copy(), request.GET.get("after", "")
    query.pop("after", None)
    context = {
        "filters": read.filters,
        "query": query.urlencode(),
        "export_most": EXPORT_MOST,
        "is_later_page": bool(after),
        "is_filtered": any(name not in ("order", "group", "columns") for name in query),
    }
    if request.GET.get("group") == "identity":
        identities = listing.identity_list(read.filters, after)
        context |= list_head(request, read) | {
            "page": identities,
            "marks": marks_of([row.latest for row in identities.rows]),
            "is_grouped": True,
        }
        return render(request, "results/list.html", context)
    counts = listing.counts_of(read.filters)
    page = listing.result_list(read.filters, after, order, counts)
    columns, pins = chosen(request, "results"), pins_of(page.pinned)
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


@requires("result.view", "GET")
def result(request: HttpRequest, result_id: int) -> HttpResponse:
    """Result page: metrics, charts, commands, environment, inputs, questions.

    ``keep`` stores the chosen service level in a browser cookie, then redirects to the address to
    share.
    """
    if "keep" not in request.GET:
        return result_response(request, result_id)
    key = request.GET.get(LEVEL, "")[:LONGEST_NAME]
    answer = HttpResponseRedirect(f"?{urlencode({LEVEL: key})}#conclusion")
    answer.set_cookie(
        *(LEVEL, quote(key)),
        max_age=365 * 86400,
        path=reverse("overview"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer


def result_response(
    request: HttpRequest,
    result_id: int,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the result page; ``errors`` by field of its forms, which keep what was ``typed``."""
    page = _page(result_id)
    result = page.result
    is_evaluation = result.type == Result.Type.EVALUATION
    points = [] if is_evaluation else curve_of(page)
    context: dict[str, Any] = {
        "page": page,
        "result": result,
        "title": page_parts.page_title(page, points),
        "report_query": f"id={result_name(result)}&",
        "environments": result.run_context.get("environments", []),
        "is_evaluation": is_evaluation,
        "identity": identity_rows(result),
        "unknown": unknown_words(result),
        "repeat_table": page_parts.repeat_table(page),
        "provenance": provenance_rows(result),
        "typed": typed or {},
        "errors": errors or {},
    }
    context |= _kept(request, page) | _organised(request, result)
    own = _evaluation(request, page) if is_evaluation else _benchmark(request, page, points)
    return render(request, "results/detail.html", context | own, status=422 if errors else 200)


def _evaluation(request: HttpRequest, page: ResultPage) -> dict[str, Any]:
    name = request.GET.get("name", "").strip()[:LONGEST_NAME] or page.result.measured
    sort = request.GET.get("subjects", "")
    tables = [(group, words.subject_table(page.result, group, sort)) for group in page.sets]
    return {
        "figure": accuracy.categories(page.categories, page.accuracy),
        "tokens": token_card(page.result),
        "set_count": sum(len(group.rows) for group in page.sets),
        "name": name,
        "markdown": words.markdown(page.sets, name),
        "markdown_pattern": words.markdown(page.sets, words.NAME),
        "quality": hygiene_card(page.result),
        "set_tables": tables,
        "is_sorted": bool(sort),
    }


def _benchmark(
    request: HttpRequest, page: ResultPage, points: Sequence[CurvePoint]
) -> dict[str, Any]:
    choice, result = level_choice(request), page.result
    card = conclusion_card(page, points, level=choice.level, user=request.user)
    marks = page_parts.marks_of_points(page)
    is_batch = _BATCH in result.metrics
    has_others = request.GET.get("others") == "on"  # points of other runs in the charts
    level = {LEVEL: choice.key} if choice.key else {}
    return {
        "levels": choice,
        "card": card,
        # Of a single point, which allows no conclusion, both sides are shown anyway.
        "sides": None if card else sides_of(points, result),
        "others": [(run, [at for at, _m in rows]) for run, rows in further_points(page)],
        "has_others": has_others,
        "point_heads": [(point, marks.get(point.concurrency, ())) for point in page.points],
        "spreads": page_parts.spreads(points),
        "columns": page_parts.point_columns(page),
        "is_batch": is_batch,
        "peak": page_parts.peak(page, points),
        "report_query": f"{urlencode({'id': result_name(result), **level})}&",
        **page_parts.repeated(page, points, _BATCH if is_batch else "output_tokens_per_s"),
        **page_parts.charts(page, points, has_others=has_others),
    }


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


@requires("result.view", "GET", "HEAD")
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


@requires("result.view", "GET")
def result_requests(request: HttpRequest, result_id: int) -> HttpResponse:
    """Export the completed requests of each concurrency with their times, in the order of the tool;
    a time that was not reported is empty."""
    rows = Result.objects.select_related("host", "deployment", "endpoint", "created_by")
    result = get_object_or_404(rows, pk=result_id)
    about = export.fixed(result, marks_of([result])[result.pk])
    lines: list[Sequence[Any]] = [[*_REQUESTS_HEAD, *about]]
    points = PointRequests.objects.filter(point__result=result).order_by("point__concurrency", "pk")
    for concurrency, requests in points.values_list("point__concurrency", "rows"):
        for number, times in enumerate(requests, start=1):
            known = ("" if value is None else value for value in times)
            lines.append([concurrency, number, *known, *about.values()])
    return export.as_csv(lines, f"{result_name(result)}-requests")


urlpatterns: list[URLPattern] = [
    path("", results, name="result-list"),
    path("<result:result_id>/", result, name="result-detail"),
    path("<result:result_id>/result.<str:ending>", result_file, name="result-file"),
    path("<result:result_id>/requests.csv", result_requests, name="result-requests"),
]
