"""Answers of evaluations: reader, questions saved as a set, cards of answer quality and tokens."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.actions import question_sets as actions
from dashboard.charts import accuracy
from dashboard.charts.figure_parts import Figure
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.busy import busy_page
from dashboard.pages.shared.columns import Column, heads
from dashboard.pages.shared.export import attachment
from dashboard.pages.shared.marks import thinking_words
from dashboard.security.counters import search_turn
from dashboard.security.permissions import requires
from dashboard.security.request import member
from dashboard.text.answers import MEANINGS, TITLES, rule_words, visible
from dashboard.text.formatting import counted, duration, joined, measured, number, percent, points
from dashboard.text.labels import metric_text, result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.numbers import number_from, result_pk
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import LONGEST_NAME, LONGEST_NOTE, TeamSet, jsonl
from jobs.confined import NotDone
from jobs.models import Answer, Result
from jobs.queries.answers import answer_list
from jobs.queries.answers.answer_list import PAGE, PLACES, SHOWN, VERDICTS, AnswerMatches, Wanted
from jobs.queries.answers.own_questions import NoQuestions, OwnQuestions, questions_at, set_of
from jobs.queries.comparison.comparison import Comparison
from jobs.queries.results.answer_flags import FLAGS, Hygiene, hygiene, names
from jobs.queries.results.results import BudgetUse, NotNumbered, TokenUse, pk_of, pooled, token_use
from jobs.queries.sorting import Order

# What the page's script asks for instead of the whole page, as HX-Target.
PANE, LIST = "answer", "answer-list"
# Characters of one text of an issue. Of reasoning the end is kept, which tells what went wrong.
LONGEST = 4000
LONGEST_FILTER = 200
FIELDS = ("id", "name", "note")
_OF_QUESTION = (("set", gettext_lazy("Set")), ("category", gettext_lazy("Category")))
COLUMNS: Sequence[Column] = (
    Column("index", gettext_lazy("No."), css="r"),
    Column("verdict", gettext_lazy("Verdict")),
    Column("question", gettext_lazy("Question"), also=_OF_QUESTION),
    Column("flags", gettext_lazy("Flags"), falls=True),
    Column(
        *("tokens", gettext_lazy("Tokens")),
        also=(("length", gettext_lazy("Chars")),),
        css="r",
        falls=True,
    ),
    Column("latency", gettext_lazy("Time, s"), css="r", falls=True),
)


# Reader: answers of an evaluation, filtered


@requires("result.view", "GET")
@with_old_queries("base")
def answers(request: HttpRequest, result_id: int) -> HttpResponse:
    return _page(request, evaluation_of(result_id), None)


@requires("result.view", "GET")
@with_old_queries("base")
def answer(request: HttpRequest, result_id: int, index: int) -> HttpResponse:
    """One answer beside the list that has it; to the page's script the answer alone."""
    result = evaluation_of(result_id)
    one = answer_at(result, index)
    if request.headers.get("HX-Target") == PANE:
        read = asked(request.GET, result)
        return render(request, "results/_answer.html", _pane(request, one, read.wanted))
    return _page(request, result, one)


def evaluation_of(result_id: int) -> Result:
    related = ("job", "deployment", "endpoint", "host", "imported")
    results = Result.objects.filter(type=Result.Type.EVALUATION).select_related(*related)
    return get_object_or_404(results, pk=result_id)


def answer_at(result: Result, index: int) -> Answer:
    try:
        return answer_list.answer_of(result.pk, index)
    except Answer.DoesNotExist as error:
        raise Http404(f"the result has no question {index}") from error


def _page(request: HttpRequest, result: Result, one: Answer | None) -> HttpResponse:
    read = asked(request.GET, result)
    try:
        found = matches_of(request, result, read.wanted)
    except NotDone as error:
        return busy_page(request, _("Answers not searched"), error)
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
        "rows": answer_list.page_rows(result, indexes),
        "heads": heads(COLUMNS, read.wanted.order, _plain(request.GET)),
        "query": _query_of(request),
        "page": page + 1,
        "pages": found.pages,
        "first": page * PAGE + 1,
    }
    if request.headers.get("HX-Target") == LIST:
        return render(request, "results/_answer_list.html", context)
    sets, categories = answer_list.part_counts(result)
    bases = list(read.bases)
    if read.wanted.base is not None and read.wanted.base not in bases:
        bases.insert(0, read.wanted.base)
    context |= {
        "is_one": one is not None,
        "chips": _chips(request.GET, read.wanted, found),
        "sets": sets,
        "categories": categories,
        "bases": [(result_name(base), f"{result_name(base)} {base.measured}") for base in bases],
        "places": PLACES,
        "slow_from": answer_list.marked_from(result, "slow", "latency_s"),
        "no_questions": _no_questions(result),
    }
    if one is None and indexes:
        one = answer_at(result, indexes[0])
    if one is not None:
        before, after = found.beside(one.index)
        place = found.places.get(one.index, -1) + 1
        context |= _pane(request, one, read.wanted)
        context |= {"before": before, "after": after, "place": place}
    return render(request, "results/answers.html", context)


def matches_of(request: HttpRequest, result: Result, wanted: Wanted) -> AnswerMatches:
    """Return the matching answers; a person's searches run one after another. Raises NotDone."""
    turn = search_turn(member(request.user).pk, "answers") if wanted.text else nullcontext()
    with turn:
        return answer_list.matches(result, wanted)


def _pane(request: HttpRequest, one: Answer, wanted: Wanted) -> dict[str, Any]:
    here = reverse("result-answer", args=[one.result_id, one.index])
    return {
        "answer": one,
        "query": _query_of(request),
        "sampling": answer_list.sampling_of(one.result),
        "engine": answer_list.engine_key(one.result),
        "issue": issue_text(one, request.build_absolute_uri(here)),
        "base": wanted.base,
        "other": answer_list.side_by_side(wanted.base, one) if wanted.base else None,
    }


def issue_text(answer: Answer, address: str) -> str:
    result, marks = answer.result, names(answer.row.marks)
    sampling = answer_list.sampling_of(result).items()
    facts = {
        _("Result"): f"{result_name(result)}, {result.model_id}, {result.label}".rstrip(", "),
        _("Tool"): result.tool,
        _("Question"): f"{answer.index + 1}, {answer.subset} {answer.question_id}".strip(),
        _("Parameters"): ", ".join(f"{key} {value}" for key, value in sampling if key != "system"),
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
    blocks = []
    for name, text in texts.items():
        if text:
            longest = max(map(len, re.findall("`+", text)), default=0)
            fence = "`" * max(3, longest + 1)
            blocks.append(f"**{name}**\n\n{fence}text\n{visible(text)}\n{fence}")
    return "\n\n".join(["\n".join(lines), *blocks]) + "\n"


class AskedAnswers(NamedTuple):
    """Filters of an address. ``problem``: invalid ones, in words; ``bases`` are the choices."""

    wanted: Wanted
    bases: Sequence[Result]
    problem: str = ""


def asked(query: QueryDict, result: Result) -> AskedAnswers:
    """Return the filters of an address. Unknown values are left out."""
    bases, base, problem = answer_list.bases_of(result), None, ""
    if text := query.get("base", ""):
        pk = result_pk(text)
        base = next((one for one in bases if one.pk == pk), None)
        if base is None and pk is not None:  # one with other questions is no choice
            same = Result.objects.filter(pk=pk, type=result.type, rows_version__gt=0)
            related = same.select_related("deployment", "endpoint", "host")
            base = related.exclude(pk=result.pk).first()
        if base is None:
            problem = _("No evaluation with answers to compare with: %(id)s.") % {"id": text[:30]}
            try:
                pk_of(text)
            except NotNumbered as error:
                problem = message(error.reason.id, error.reason.args)
    given = query.getlist("show")
    shown = [name for name in SHOWN if name in given and (base or name != "changed")]
    order = query.get("order", "")
    name = order.removeprefix("-")
    wanted = Wanted(
        shown=tuple(shown),
        subset=query.get("set", "")[:LONGEST_FILTER],
        category=query.get("category", "")[:LONGEST_FILTER],
        text=query.get("q", "").strip()[:LONGEST_FILTER],
        places=tuple(name for name in PLACES if name in query.getlist("in")) or tuple(PLACES),
        order=Order(name, order.startswith("-"))
        if name in answer_list.ORDERS
        else answer_list.FIRST,
        base=base,
    )
    return AskedAnswers(wanted, bases, problem)


def _chips(query: QueryDict, wanted: Wanted, found: AnswerMatches) -> list[list[dict[str, Any]]]:
    """Return the filters in groups: verdicts, flags, others; each with the number of answers that
    it leaves, and the query that switches it. One without answers is left out, unless it is on, or
    a verdict."""
    groups = []
    for every in (VERDICTS, SHOWN[len(VERDICTS) : -3], SHOWN[-3:]):
        chips = []
        for name in every:
            is_on, count = name in wanted.shown, found.counts[name]
            if not (count or is_on or name in VERDICTS[:2]):
                continue
            shown = [one for one in wanted.shown if one != name]
            changed = _plain(query)
            changed.setlist("show", shown if is_on else [*shown, name])
            texts = {"title": str(TITLES[name]), "meaning": str(MEANINGS[name])}
            address = changed.urlencode(safe="/")
            chips.append({"name": name, "count": count, "query": address, "is_on": is_on, **texts})
        groups.append(chips)
    return groups


def _plain(query: QueryDict) -> QueryDict:
    """Return an address' filters without the page of the list."""
    kept = query.copy()
    kept.pop("page", None)
    return kept


def _query_of(request: HttpRequest) -> str:
    return _plain(request.GET).urlencode(safe="/")


# Questions of answers, saved as a set


@dataclass(frozen=True, slots=True)
class Export:
    """Questions to save as a set or to download. ``own`` is None where there are none; ``problem``
    says why. ``proposed``: id, name and note that a form of a set begins with; the id is free."""

    own: OwnQuestions | None = None
    problem: str = ""
    proposed: dict[str, str] = field(default_factory=dict)


def _no_questions(result: Result) -> str:
    """Return why the questions of a result cannot be saved; "" where they can."""
    try:
        set_of(result)
    except NoQuestions as error:
        return message(error.reason.id, error.reason.args)
    return ""


def export(request: HttpRequest, query: QueryDict, result: Result) -> Export:
    try:
        return _listed(request, query, result)
    except NoQuestions as error:
        return Export(problem=message(error.reason.id, error.reason.args))


def _listed(request: HttpRequest, query: QueryDict, result: Result) -> Export:
    set_of(result)
    shown = query.getlist("show")
    if unknown := [name for name in shown if name not in SHOWN]:
        raise NoQuestions(Message("questions:filter", {"name": unknown[0][:40]}))
    wanted = asked(query, result).wanted
    if wanted.base is None and ("changed" in shown or query.get("base")):
        raise NoQuestions(Message("questions:no_base"))
    own = questions_at(result, matches_of(request, result, wanted).indexes)
    name = _("Answers of %(name)s") % {"name": result_name(result)}
    set_id = f"answers-{result_name(result)}"
    if wanted.base is not None and "changed" in shown:
        args = {"base": result_name(wanted.base), "result": result_name(result)}
        name = _("Changed answers, %(base)s → %(result)s") % args
        set_id = f"changed-{result_name(wanted.base)}-{result_name(result)}"
    return export_of(own, set_id, name)


def export_of(own: OwnQuestions, set_id: str, name: str) -> Export:
    """Return questions with the fields of a new set. Raises ``NoQuestions`` for none."""
    if not own.questions and own.lacking:
        raise NoQuestions(Message("questions:changed_since", {"key": own.key}))
    if not own.questions:
        raise NoQuestions(Message("questions:no_match"))
    tried = (set_id, *(f"{set_id}-{number}" for number in range(2, 100)))
    free = next((one for one in tried if QUESTION_SETS.of_team(one) is None), "")
    note = (_("From %(key)s.") % {"key": own.key})[:LONGEST_NOTE]
    return Export(own, "", {"id": free, "name": name[:LONGEST_NAME], "note": note})


@requires("questions.change", "GET", "HEAD", "POST")
@with_old_queries("base")
def result_questions(request: HttpRequest, result_id: int) -> HttpResponse:
    """Preview of the listed answers' questions and form (GET); a POST saves them as a new set."""
    result = evaluation_of(result_id)
    query = _query_of(request)
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

    try:
        return form_page(request, export(request, request.GET, result), context, saved)
    except NotDone as error:
        return busy_page(request, _("Answers not searched"), error)


@requires("result.view", "GET", "HEAD")
@with_old_queries("base")
def result_questions_file(request: HttpRequest, result_id: int) -> HttpResponseBase:
    """Download the listed answers' questions in the form that an upload accepts."""
    result = evaluation_of(result_id)
    try:
        found = export(request, request.GET, result)
    except NotDone as error:
        return busy_page(request, _("Answers not searched"), error)
    if found.own is None:
        raise Http404(found.problem)
    name = f"{found.proposed['id'] or result_name(result)}.jsonl"
    return attachment(jsonl(found.own.questions), name, "application/x-ndjson")


def form_page(
    request: HttpRequest,
    found: Export,
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
        "shown": found.own.questions[:5] if found.own else (),
        "problem": found.problem,
        "typed": typed,
        "errors": errors,
        "general_error": errors.get("", ""),
    }
    return render(request, "results/question_set.html", {**context, **more}, status=status)


# Cards of an evaluation: quality of the answers on which its score rests, and token use


def hygiene_card(result: Result) -> dict[str, Any] | None:
    """Return the table with its conclusion; None without stored answers. ``bounds`` of the score
    count all answers of a flag as incorrect, then as correct; ``move``: in points from the
    score."""
    known = hygiene(result)
    if known is None:
        return None
    text = ngettext(
        "Unscored is not incorrect: %(n)s answer without a score is not in the score.",
        "Unscored is not incorrect: %(n)s answers without a score are not in the score.",
        known.unscored,
    )
    score = known.score
    rows = [
        {
            "name": one.flag,
            "title": str(TITLES[one.flag]),
            "meaning": str(MEANINGS[one.flag]),
            "count": one.count,
            "is_known": one.flag not in known.unknown,
            "share": percent(one.share),
            "bounds": f"{percent(one.low)} – {percent(one.high)}",
            "move": ""
            if score is None
            else f"{points(one.low - score)} / {points(one.high - score)}",
        }
        for one in known.flags
    ]
    return {
        "conclusion": _conclusion(known),
        "is_clean": not known.any.count,
        "total": known.total,
        "rows": rows,
        "unscored": text % {"n": number(known.unscored)} if known.unscored else "",
        "thinking": thinking_words(result),
    }


def _conclusion(known: Hygiene) -> str:
    if not known.any.count:
        unknown = [str(TITLES[one.flag]) for one in known.flags if one.flag in known.unknown]
        if not unknown:
            return _("No faulty answers found.")
        text = _("No faulty answers found. Not reported by the tool: %(flags)s.")
        return text % {"flags": _(", ").join(unknown)}
    text = ngettext(
        "%(n)s of %(total)s answers is faulty: the score could be %(low)s to %(high)s %%.",
        "%(n)s of %(total)s answers are faulty: the score could be %(low)s to %(high)s %%.",
        known.any.count,
    )
    bounds = {"low": percent(known.any.low), "high": percent(known.any.high)}
    return text % {"n": number(known.any.count), "total": number(known.total), **bounds}


def token_card(result: Result) -> dict[str, Any] | None:
    """Return facts, budget curve (None without scored answers) and the text below; None where the
    tool reports no output tokens."""
    use = token_use(result)
    if use is None:
        return None
    figure = accuracy.budgets([(_("accuracy"), use)]) if use.curve else None
    return {"facts": _facts(result, use), "figure": figure, "notes": joined(*_notes(use))}


def budget_uses(comparison: Comparison) -> list[BudgetUse | None]:
    """Return the budget curve of each column, over all its runs; None without one. Empty where
    fewer than two curves are known."""
    uses = pooled([column.runs for column in comparison.columns])
    return uses if sum(use is not None for use in uses) > 1 else []


def budget_figure(comparison: Comparison, names: Sequence[str]) -> Figure | None:
    """Return the budget curves of a comparison; None where fewer than two are known."""
    pairs = zip(names, budget_uses(comparison), strict=False)
    curves = [(name, use) for name, use in pairs if use is not None]
    return accuracy.budgets(curves) if curves else None


def _facts(result: Result, use: TokenUse) -> list[tuple[str, str, str]]:
    """Return title, value and a smaller note of each fact."""
    metrics = result.metrics
    mark = _("estimated") if use.estimated else ""
    reasoning, answer = (
        f"{_('n/a') if mean is None else measured(mean)} / {counted(middle)}"
        for mean, middle in (
            (metrics.get("reasoning_tokens_mean"), use.reasoning_p50),
            (metrics.get("answer_tokens_mean"), use.answer_p50),
        )
    )
    facts = [
        (_("Reasoning tokens, mean / median"), reasoning, mark),
        (_("Answer tokens, mean / median"), answer, mark),
    ]
    if (share := metrics.get("reasoning_share")) is not None:
        text = " ".join(metric_text("reasoning_share", share))
        facts.append((_("Reasoning share"), text, mark))
    each, of = metrics.get("tokens_per_correct"), ""
    if each is not None:
        args = {"tokens": counted(use.output), "correct": counted(use.correct)}
        of = _("%(tokens)s tokens / %(correct)s correct") % args
    own = _("no correct answer") if each is None else measured(each)
    facts.append((_("Tokens per correct answer"), own, of))
    if times := use.seconds:
        value = f"{measured(times['mean'])} / {measured(times['p50'])} s"
        if times["of"] == "latency":
            facts.append((_("Latency of a whole answer, mean / median"), value, ""))
        else:
            note = _("estimated") if times["estimated"] else ""
            facts.append((_("Time to first answer token, mean / median"), value, note))
    if seconds := result.job.duration_s if result.job else None:
        facts.append((_("Whole evaluation"), duration(seconds), ""))
    return facts


def _notes(use: TokenUse) -> list[str]:
    notes = []
    if use.counted < use.answers:
        args = {"n": number(use.counted), "total": number(use.answers)}
        text = _("The tool reports tokens for %(n)s of %(total)s answers. The others do not count.")
        notes.append(text % args)
    if use.estimated:
        text = ngettext(
            "Of %(n)s answer the total is shared by the lengths of reasoning and answer.",
            "Of %(n)s answers the total is shared by the lengths of reasoning and answer.",
            use.estimated,
        )
        notes.append(text % {"n": number(use.estimated)})
    if use.seconds and use.seconds["estimated"]:
        notes.append(_("Time to first answer token: TTFT plus reasoning at the mean token rate."))
    if use.curve:
        notes.append(_("Budget curve: share of correct answers with at most so many tokens."))
        notes.append(
            _("A run with that limit reaches at least this accuracy, if its answers stay the same.")
        )
        notes.append(_("Band: confidence interval (Wilson)."))
    if use.scored > use.questions:
        notes.append(_("Several answers to a question count as one in the interval."))
    return notes


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
