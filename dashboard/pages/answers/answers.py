"""The reader: answers of an evaluation as a list and one of them in full."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET

from dashboard.pages.answers import reader
from dashboard.pages.answers.issue_text import issue_text
from dashboard.pages.answers.question_export import reason_of
from dashboard.pages.shared.columns import heads
from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.security.permissions import requires
from jobs.base.numbers import number_from
from jobs.models import Answer, Result
from jobs.queries.answers.answer_list import (
    PAGE,
    PLACES,
    Wanted,
    answer_of,
    engine_key,
    marked_from,
    matches,
    page_rows,
    part_counts,
    sampling_of,
)
from jobs.queries.answers.side_by_side import side_by_side

# What the page's script asks for instead of the whole page, as HX-Target.
PANE, LIST = "answer", "answer-list"


@require_GET
@requires("result.view")
@with_old_queries("base")
def answers(request: HttpRequest, result_id: int) -> HttpResponse:
    """List of answers, with the first of them beside it."""
    return _page(request, _result(result_id), None)


@require_GET
@requires("result.view")
@with_old_queries("base")
def answer(request: HttpRequest, result_id: int, index: int) -> HttpResponse:
    """One answer with all that is stored, beside the list that has it.

    To the page's script: the answer alone, which reads no list.
    """
    result = _result(result_id)
    one = _answer(result, index)
    if request.headers.get("HX-Target") == PANE:
        read = reader.asked(request.GET, result)
        return render(request, "results/_answer.html", _pane(request, one, read.wanted))
    return _page(request, result, one)


def _result(result_id: int) -> Result:
    related = ("job", "deployment", "endpoint", "host", "imported")
    results = Result.objects.filter(type=Result.Type.EVALUATION).select_related(*related)
    return get_object_or_404(results, pk=result_id)


def _answer(result: Result, index: int) -> Answer:
    try:
        return answer_of(result.pk, index)
    except Answer.DoesNotExist as error:
        raise Http404(f"the result has no question {index}") from error


def _page(request: HttpRequest, result: Result, one: Answer | None) -> HttpResponse:
    read = reader.asked(request.GET, result)
    found = matches(result, read.wanted)
    wanted_page = number_from(request.GET.get("page", "")) if one is None else None
    page = min(found.pages, max(1, wanted_page or 1)) - 1
    if one is not None:
        page = found.page_of(one.index)
    indexes = found.indexes[page * PAGE : (page + 1) * PAGE]
    context: dict[str, Any] = {
        "result": result,
        "read": read,
        "wanted": read.wanted,
        "found": found,
        "rows": page_rows(result, indexes),
        "heads": heads(reader.COLUMNS, read.wanted.order, reader.plain(request.GET)),
        "query": reader.without(request.GET),
        "page": page + 1,
        "pages": found.pages,
        "first": page * PAGE + 1,
    }
    if request.headers.get("HX-Target") == LIST:
        return render(request, "results/_answer_list.html", context)
    is_one = one is not None
    if one is None and indexes:
        one = _answer(result, indexes[0])
    sets, categories = part_counts(result)
    context |= {
        "is_one": is_one,
        "chips": reader.chips(request.GET, read.wanted, found),
        "sets": sets,
        "categories": categories,
        "bases": reader.base_choices(read),
        "places": PLACES,
        "all_query": reader.without(request.GET, "show", "set", "category", "q", "in"),
        "slow_from": marked_from(result, "slow", "latency_s"),
        "no_questions": reason_of(result),
    }
    if one is not None:
        before, after = found.beside(one.index)
        context |= _pane(request, one, read.wanted)
        context |= {
            "before": before,
            "after": after,
            "place": found.places.get(one.index, -1) + 1,
        }
    return render(request, "results/answers.html", context, status=200)


def _pane(request: HttpRequest, one: Answer, wanted: Wanted) -> dict[str, Any]:
    here = reverse("result-answer", args=[one.result_id, one.index])
    return {
        "answer": one,
        "query": reader.without(request.GET),
        "sampling": sampling_of(one.result),
        "engine": engine_key(one.result),
        "issue": issue_text(one, request.build_absolute_uri(here)),
        "base": wanted.base,
        "other": side_by_side(wanted.base, one) if wanted.base else None,
    }


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/answers/", answers, name="result-answers"),
    path("<result:result_id>/answers/<int:index>/", answer, name="result-answer"),
]
