"""Answers of an evaluation: the list with its filters, one answer in full."""

from typing import Any

from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Query

from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Operations,
    ResultNumber,
    about,
    invalid,
    read,
)
from dashboard.api.results import ListedAsked, address_of
from dashboard.pages.answers import (
    AskedAnswers,
    answer_at,
    asked,
    evaluation_of,
    issue_text,
    matches_of,
)
from dashboard.pages.shared.addresses import ResultId
from dashboard.text.answers import rule_words
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.numbers import number_from, result_number
from jobs.models import Result
from jobs.queries.answers import answer_list
from jobs.queries.answers.answer_list import ORDERS, PLACES, SHOWN, AnswerMatches, SideBySide
from jobs.queries.results.answer_flags import names

answers = Operations("Results", "results/{typed_result:result_id}/answers")


class AnswersAsked(ListedAsked, base.Page):
    """Filters and order of the answers; empty: all, in the order of the questions."""

    before: str = about("cursor of “next”: returns the answers after it", "")
    places: str = about("where to search q, such as question,answer; empty: everywhere", "")
    order: base.choice(*ORDERS, *(f"-{name}" for name in ORDERS)) = about(  # type: ignore[valid-type]
        "with - from the largest", ""
    )


class BaseAsked(Asked):
    """Query of one answer: the evaluation to read it beside."""

    base: str = about("another evaluation of the questions: res-15; empty: none", "")


class ListedAnswer(ApiAnswer):
    """An answer as the list has it."""

    index: int = about("from 0; pages show it plus 1")
    verdict: str = about("correct, incorrect or unscored")
    score: float | None = read(
        lambda row: None if row.verdict == "unscored" else row.score, "from 0 to 1"
    )
    question: str = about("shortened")
    set: str = read("subset")
    category: str
    question_id: str
    sample: int = about("of several answers to one question, from 0")
    flags: list[str] = read(lambda row: [*names(row.marks)])
    output_tokens: int | None = read("tokens", "reasoning and answer; null: not reported")
    characters: int
    latency_s: float | None


class AnswerPart(ApiAnswer):
    """A set or category of the questions."""

    name: str
    answers: int


class AnswersAnswer(ApiAnswer):
    """A page of answers, and how many there are."""

    answers: list[ListedAnswer]
    next: str | None = about("address of further answers; null at the end")
    matching: int
    total: int
    counts: dict[str, int] = about("value of show → answers that remain with it")
    sets: list[AnswerPart]
    categories: list[AnswerPart]
    bases: list[ResultNumber] = about("other evaluations of the questions, latest first")


class OtherAnswer(ApiAnswer):
    """The answer of another evaluation to the same question."""

    result: ResultNumber = read("base.result_id", then=result_number)
    index: int = read("base.index")
    verdict: str = read("base.row.verdict")
    extracted: str = read("base.extracted")
    reasoning: str = read("base.reasoning")
    answer: str = read("base.answer")
    equal_characters: int = read("at", "of both reasonings, from their begin")


class WholeAnswer(ListedAnswer):
    """An answer in full; texts are empty where the tool reports none."""

    result: ResultNumber = read("result_id", then=result_number)
    verdict: str = read("row.verdict", "correct, incorrect or unscored")
    score: float | None = read(
        lambda one: None if one.row.verdict == "unscored" else one.score, "from 0 to 1"
    )
    question: str
    set: str = read("subset")
    category: str = read("row.category")
    flags: list[str] = read("row.marks", then=lambda marks: [*names(marks)])
    output_tokens: int | None = read("row.tokens", "reasoning and answer; null: not reported")
    characters: int = read("row.characters")
    latency_s: float | None = read("row.latency_s")
    input_tokens: Any = read(lambda one: one.detail.get("input_tokens"), "null: not reported")
    prompt: str = read(lambda one: one.detail.get("prompt") or "", "as sent")
    expected: str
    extracted: str
    reasoning: str
    answer: str
    rule: str = read(rule_words, "how it was scored, as text")
    finish: str = about("reason of its end")
    sampling: dict[str, Any] = about("parameters of the request, as far as recorded")
    engine: str = about("that answered, as conversations name it; empty: an import")
    issue_text: str = about("Markdown to report it")
    other: OtherAnswer | None = about("null: no base, or not asked there")


@answers.on("GET ", "result.view", "api-result-answers", AnswersAnswer, 503)
def list_answers(request: HttpRequest, result_id: ResultId, query: Query[AnswersAsked]) -> Json:
    """List answers of an evaluation. In ``show`` verdicts are alternatives; an answer has all other
    names in it. A text in ``q`` is searched in full; 503: not done in time."""
    result = evaluation_of(result_id)
    filters = _filters(query, result)
    found = matches_of(request, result, filters.wanted)
    start = _start(query.before, found)
    indexes = found.indexes[start : start + query.limit]
    older = str(indexes[-1]) if start + query.limit < len(found.indexes) else ""
    rows = [ListedAnswer.of(row) for row in answer_list.page_rows(result, indexes)]
    sets, categories = (
        [{"name": name, "answers": count} for name, count in part]
        for part in answer_list.part_counts(result)
    )
    return base.page(request, "answers", rows, older) | {
        "matching": len(found.indexes),
        "total": found.total,
        "counts": dict(found.counts),
        "sets": sets,
        "categories": categories,
        "bases": [result_name(one) for one in filters.bases],
    }


@answers.on("GET /{int:index}", "result.view", "api-result-answer", WholeAnswer)
def read_answer(
    request: HttpRequest, result_id: ResultId, index: int, query: Query[BaseAsked]
) -> Json:
    """Read an answer. Question, reasoning, answer and score in full, beside the answer of ``base``
    to the same question."""
    result = evaluation_of(result_id)
    address = QueryDict(mutable=True)
    address["base"] = query.base
    beside = _checked(asked(address, result)).wanted.base
    one = answer_at(result, index)
    other: SideBySide | None = answer_list.side_by_side(beside, one) if beside else None
    here = request.build_absolute_uri(reverse("result-answer", args=[result.pk, index]))
    return WholeAnswer.of(
        one,
        sampling=answer_list.sampling_of(one.result),
        engine=answer_list.engine_key(one.result),
        issue_text=issue_text(one, here),
        other=OtherAnswer.of(other) if other else None,
    )


def _filters(query: AnswersAsked, result: Result) -> AskedAnswers:
    """Raises ``Refused`` at a filter that the reader would leave out."""
    address = address_of(query)
    for name in address.getlist("show"):
        if name not in SHOWN:
            raise invalid("show", message("questions:filter", {"name": name[:40]}))
    places = [name.strip() for name in query.places.split(",") if name.strip()]
    if unknown := [name for name in places if name not in PLACES]:
        raise invalid("places", message("questions:filter", {"name": unknown[0][:40]}))
    address.setlist("in", places)
    address["order"] = query.order
    found = _checked(asked(address, result))
    if found.wanted.base is None and "changed" in address.getlist("show"):
        raise invalid("base", message("questions:no_base", {}))
    return found


def _checked(found: AskedAnswers) -> AskedAnswers:
    if found.problem:
        raise invalid("base", found.problem)
    return found


def _start(before: str, found: AnswerMatches) -> int:
    """Return the place of the first answer after a cursor."""
    if not before:
        return 0
    number = number_from(before)
    if number is None or number not in found.places:
        raise invalid("before", _("“before” is not a cursor of this API."))
    return found.places[number] + 1
