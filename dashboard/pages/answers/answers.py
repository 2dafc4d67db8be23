"""Answers of an evaluation: the reader, its questions as a set or a file, an answer as an issue."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from dashboard.actions import question_sets as actions
from dashboard.pages.answers import reader
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.columns import heads
from dashboard.security.permissions import requires
from dashboard.text.answers import TITLES, rule_words, visible
from dashboard.text.labels import result_name
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog.questions import TeamSet, jsonl
from jobs.models import Answer, Result
from jobs.queries.answers.answer_flags import FLAGS, names
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
    side_by_side,
)

# What the page's script asks for instead of the whole page, as HX-Target.
PANE, LIST = "answer", "answer-list"
# Characters of one text of an issue. Of reasoning the end is kept, which tells what went wrong.
LONGEST = 4000
FIELDS = ("id", "name", "note")
_SHOWN = 5  # questions in the preview of a set


@require_GET
@requires("result.view")
@with_old_queries("base")
def answers(request: HttpRequest, result_id: int) -> HttpResponse:
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
    if one is not None:
        page = found.page_of(one.index)
    else:
        page = min(found.pages, max(1, number_from(request.GET.get("page", "")) or 1)) - 1
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
    sets, categories = part_counts(result)
    context |= {
        "is_one": one is not None,
        "chips": reader.chips(request.GET, read.wanted, found),
        "sets": sets,
        "categories": categories,
        "bases": reader.base_choices(read),
        "places": PLACES,
        "all_query": reader.without(request.GET, "show", "set", "category", "q", "in"),
        "slow_from": marked_from(result, "slow", "latency_s"),
        "no_questions": reader.reason_of(result),
    }
    if one is None and indexes:
        one = _answer(result, indexes[0])
    if one is not None:
        before, after = found.beside(one.index)
        place = found.places.get(one.index, -1) + 1
        context |= _pane(request, one, read.wanted)
        context |= {"before": before, "after": after, "place": place}
    return render(request, "results/answers.html", context)


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


def issue_text(answer: Answer, address: str) -> str:
    result, marks = answer.result, names(answer.row.marks)
    asked = {name: value for name, value in sampling_of(result).items() if name != "system"}
    facts = {
        _("Result"): f"{result_name(result)}, {result.model_id}, {result.label}".rstrip(", "),
        _("Tool"): result.tool,
        _("Question"): f"{answer.index + 1}, {answer.subset} {answer.question_id}".strip(),
        _("Parameters"): ", ".join(f"{name} {value}" for name, value in asked.items()),
        _("Verdict"): f"{TITLES[answer.row.verdict]}. {rule_words(answer)}",
        _("Flags"): ", ".join(str(TITLES[name]) for name in marks if name in FLAGS),
        _("Finish reason"): answer.finish,
        _("Output tokens"): "" if answer.row.tokens is None else str(answer.row.tokens),
        _("Link"): address,
    }
    lines = [f"- {name}: {' '.join(visible(text).split())}" for name, text in facts.items() if text]
    texts = {
        _("Question"): answer.question[:LONGEST],
        _("Expected"): answer.expected[:LONGEST],
        _("Extracted answer"): answer.extracted[:LONGEST],
        _("Answer"): answer.answer[:LONGEST],
        _("End of the reasoning"): answer.reasoning[-LONGEST:],
    }
    blocks = [f"**{name}**\n\n{_fenced(text)}" for name, text in texts.items() if text]
    return "\n\n".join(["\n".join(lines), *blocks]) + "\n"


def _fenced(text: str) -> str:
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"


@require_http_methods(["GET", "HEAD", "POST"])
@requires("questions.change")
@with_old_queries("base")
def result_questions(request: HttpRequest, result_id: int) -> HttpResponse:
    """Preview of the listed answers' questions and form (GET); a POST saves them as a new set."""
    result = _result(result_id)
    query = reader.without(request.GET)
    here, file = (
        reverse(name, args=[result.pk]) + (f"?{query}" if query else "")
        for name in ("result-answers", "result-questions-file")
    )
    context = {
        "title": _("Save as question set"),
        "lead": _("The questions of the listed answers, each once, as a set of the team."),
        "submit": _("Save set"),
        "origin": _("Answers of %(name)s") % {"name": result_name(result)},
        "back": here,
        "file": file,
    }

    def saved(team_set: TeamSet) -> HttpResponse:
        messages.success(request, _("%(name)s saved.") % {"name": team_set.name})
        return redirect("question-detail", team_set.id)

    return form_page(request, reader.export(request.GET, result), context, saved)


@require_safe
@requires("result.view")
@with_old_queries("base")
def result_questions_file(request: HttpRequest, result_id: int) -> HttpResponse:
    """Download the listed answers' questions in the form that an upload accepts."""
    result = _result(result_id)
    found = reader.export(request.GET, result)
    if found.own is None:
        raise Http404(found.problem)
    name = f"{found.proposed['id'] or result_name(result)}.jsonl"
    return HttpResponse(
        jsonl(found.own.questions),
        content_type="application/x-ndjson; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def form_page(
    request: HttpRequest,
    found: reader.Export,
    context: Mapping[str, Any],
    saved: Callable[[TeamSet], HttpResponse],
) -> HttpResponse:
    """Show the form of a new set with these questions; a POST saves it and returns ``saved``."""
    typed, errors, status = found.proposed, {}, HTTPStatus.OK
    if request.method == "POST":
        typed = {name: request.POST.get(name, "")[:2000] for name in FIELDS}
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if found.own is not None:
            try:
                return saved(actions.save(request.user, typed, found.own.questions, onto=None))
            except LaunchError as error:
                errors = {error.field: str(error)}
    more = {
        "own": found.own,
        "shown": found.own.questions[:_SHOWN] if found.own else (),
        "problem": found.problem,
        "typed": typed,
        "errors": errors,
        "general_error": errors.get("", ""),
    }
    return render(request, "results/question_set.html", {**context, **more}, status=status)


urlpatterns: list[URLPattern] = [
    path("<result:result_id>/answers/", answers, name="result-answers"),
    path("<result:result_id>/answers/<int:index>/", answer, name="result-answer"),
    path("<result:result_id>/answers/questions/", result_questions, name="result-questions"),
    path(
        "<result:result_id>/answers/questions.jsonl",
        result_questions_file,
        name="result-questions-file",
    ),
]
