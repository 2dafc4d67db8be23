"""Parity page: is one result as accurate as another? Missing questions of a side, to ask them."""

from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.answers import Export, export_of, form_page
from dashboard.pages.parity import asked, words
from dashboard.pages.parity.asked import Family, SideView, Source, Stated
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.marks import picture_lines
from dashboard.security.permissions import allowed, requires
from dashboard.text.formatting import number, points
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import TeamSet, jsonl
from jobs.kinds import KINDS
from jobs.kinds.evaluate import Evaluate
from jobs.models import Job
from jobs.queries.answers.own_questions import NoQuestions, joined, questions_at
from jobs.queries.parity.entered import ParityError
from jobs.queries.parity.runs import lacking
from jobs.queries.parity.statement import LEAST_MARGIN, MARGIN, MOST_MARGIN

FIELDS = (
    *("base", "id", "base_counts", "counts", "sets", "left_out", "tables", "baseline"),
    *("base_title", "title", "margin", "goal", "planned"),
)
# Fields where a person types results, and those of the address.
NAMED = {"base_name": "base", "name": "id"}
Which = Literal["base", "result"]
SIDES: Sequence[Which] = ("result", "base")


@requires("result.view", "GET", "POST")
@with_old_queries("base", "id")
def parity(request: HttpRequest) -> HttpResponseBase:
    """Show the statement of an address (GET) or of pasted tables (POST), and its form.

    ``?base=res-11&id=res-27&margin=1``; ``res-11,res-12`` are repeats, ``res-27;res-31`` several
    candidates. ``base_counts``, ``counts``
    and ``sets`` are bare counts, ``base_title`` and ``title`` the names of both sides.
    ``format=csv`` exports every digit. The form sends typed results in ``base_name`` and ``name``,
    also "#11" for the result of a job; a redirect leads to the address of their statement.
    """
    source = request.POST if request.method == "POST" else request.GET
    data = {name: source.get(name, "") for name in FIELDS}
    names = {name: source.get(name, "").strip() for name in NAMED}
    typed = {name: names[name] or data[field].replace(",", ", ") for name, field in NAMED.items()}
    # The form that was sent: the forms share some names of fields.
    form: Source = "results"
    if data["tables"].strip():
        form = "tables"
    elif (data["base_counts"] + data["counts"]).strip():
        form = "counts"
    context: dict[str, Any] = {
        "typed": {form: data | typed},
        "least": f"{LEAST_MARGIN:g}",
        "most": f"{MOST_MARGIN:g}",
        "default": f"{MARGIN:g}",
        "goals": words.goals(),
        "evaluations": asked.choices(),
        "errors": {},
    }
    try:
        for name, field in NAMED.items():
            data[field] = asked.ids_of(names[name], field) or data[field]
        if not asked.is_asked(data):
            context["early"] = asked.early_address(data["base"] or data["id"])
            return render(request, "parity/parity.html", context)
        found = asked.family(data) if asked.is_family(data) else asked.stated(data)
    except ParityError as error:
        text = message(error.reason.id, error.reason.args)
        context["errors"] = {form: {error.field: text}} if error.field else {"all": text}
        return render(request, "parity/parity.html", context, status=422)
    if isinstance(found, Family):
        return _family(request, found, context, is_typed=any(names.values()))
    if request.method == "GET" and any(names.values()):
        return redirect(f"{request.path}?{asked.query_of(found)}")
    if request.method == "GET" and request.GET.get("format") == "csv":
        return words.parity_csv(found)
    context |= _context(found)
    heads = [side.results[0] for side in found.sides if side.results]
    context["pictured"] = picture_lines(heads)
    context["link"] = request.build_absolute_uri(f"{request.path}?{context['query']}")
    context["may_import"] = allowed(request.user, "result.import")
    return render(request, "parity/parity.html", context)


def _family(
    request: HttpRequest, found: Family, context: dict[str, Any], *, is_typed: bool
) -> HttpResponseBase:
    """Show the statement on several candidates."""
    if is_typed:
        return redirect(f"{request.path}?{found.query}")
    if request.GET.get("format") == "csv":
        return words.family_csv(found)
    context |= {
        "family": found,
        "headline": words.family_headline(found),
        "table": words.family_table(found),
        "links": [(one.result.ids, asked.query_of(one)) for one, _own in found.members],
        "methods": words.family_methods(found),
        "warnings": [("", text) for text in words.family_warnings(found)],
        "csv": f"?{found.query}&format=csv",
        "report_query": f"{found.query}&",
        "link": request.build_absolute_uri(f"{request.path}?{found.query}"),
    }
    return render(request, "parity/family.html", context)


def _context(found: Stated) -> dict[str, Any]:
    query, statement = asked.query_of(found), found.parity.statement
    own = ("margin", "goal")
    context = {
        "stated": found,
        "statement": statement,
        "headline": words.headline(found),
        "sentence": words.sentence(found),
        "reasons": words.reasons(found),
        "tone": words.TONES.get(statement.decision, "line") if statement else "line",
        "warnings": words.warnings(found),
        "lacking": lacking_sides(found),
        "base_ids": found.base.ids,
        "result_ids": found.result.ids,
        "query": query,
        "report_query": f"{query}&",
        "csv": f"?{query}&format=csv" if query else "",
        "kept": [(name, value) for name, value in parse_qsl(query) if name not in own],
        "margin_value": f"{found.asks.margin:g}",
        "asks_query": asked.asks_query(found.asks, found.goal),
        "swapped": asked.query_of(found, is_swapped=True),
    }
    if statement is None:
        return context
    sets, *folded = words.tables(found, statement)
    return context | {
        "sets": sets,
        "folded": folded,
        "methods": words.methods(statement),
        "plain": points(statement.plain, 3),
        "figure": words.forest_of(statement),
        "margin_text": words.margin_text(statement.margin),
    }


def lacking_sides(stated: Stated) -> list[dict[str, Any]]:
    """Return the sides that lack questions; none for counts and tables. ``reason``: prevents asking
    them. ``later``: runs that answered some, each with its side's results as in an address."""
    found = []
    for which in SIDES if stated.source == "results" else ():
        side, other = _views(stated, which)
        missing = lacking(side.results, other.results)
        if missing is None:
            continue
        later = []
        for run, n in missing.later:
            text, name = "%(result)s answered %(n)s of them.", result_name(run)
            text = ngettext(text, text, n) % {"result": name, "n": number(n)}
            later.append((text, f"{side.ids},{name}"))
        text = _sentence(side, other, missing.total)
        found.append({"which": which, "text": text, "reason": _reason(side), "later": later})
    return found


@requires("questions.change", "GET", "HEAD", "POST")
@with_old_queries("base", "id")
def parity_missing(request: HttpRequest) -> HttpResponse:
    """Save the missing questions of ``side`` as a set, then open the form that asks them."""
    data = {name: request.GET.get(name, "") for name in ("base", "id", "margin", "goal", "planned")}
    which = next((one for one in SIDES if one == request.GET.get("side", "result")), None)
    if not asked.is_asked(data) or which is None:
        raise Http404("no two sides")
    try:
        found = asked.stated(data)
    except ParityError as error:
        raise Http404(error.reason.id) from error
    side, other = _views(found, which)
    export = _export(side, other)
    if export.own is not None and (known := QUESTION_SETS.of_team(_set_id(side))):
        same = QUESTION_SETS.get(known.key)
        is_same = same is not None and jsonl(same.questions) == jsonl(export.own.questions)
        if is_same and not known.removed_at:
            return redirect(_launch_address(side, known.key))
    total = len(export.own.questions) if export.own else 0
    lead = _("%(sentence)s The launch form asks them with the same parameters.")
    context = {
        "title": _("Ask the missing questions"),
        "lead": lead % {"sentence": _sentence(side, other, total)},
        "submit": _("Save and open the launch form"),
        "origin": _("Parity"),
        "back": f"{reverse('parity')}?{asked.query_of(found)}",
        "file": "",
    }

    def saved(team_set: TeamSet) -> HttpResponse:
        return redirect(_launch_address(side, team_set.key))

    return form_page(request, export, context, saved)


def _export(side: SideView, other: SideView) -> Export:
    found = lacking(side.results, other.results)
    if found is None:
        return Export(problem=_("No question is missing."))
    name = _("Missing in %(side)s") % {"side": result_name(side.results[0])}
    runs = {run.pk: run for run in other.results}
    try:
        parts = [questions_at(runs[pk], indexes) for pk, indexes in found.places.items()]
        export = export_of(joined(parts), _set_id(side), name)
    except NoQuestions as error:
        return Export(problem=message(error.reason.id, error.reason.args))
    reason = _reason(side)
    return Export(problem=reason) if reason else export


def _sentence(side: SideView, other: SideView, total: int) -> str:
    """Return "60 questions of res-11 have no scored answer in res-27."."""
    text = ngettext(
        "%(n)s question of %(other)s has no scored answer in %(side)s.",
        "%(n)s questions of %(other)s have no scored answer in %(side)s.",
        total,
    )
    return text % {"n": number(total), "other": other.name, "side": side.name}


def _launch_address(side: SideView, key: str) -> str:
    """Return the launch form that asks a set as the side's first run was asked."""
    job = _job(side)
    if job is None:
        raise ValueError("an import has no job")
    values = {"from": job.pk, "host": job.host.name, "questions": key, "limit": 0}
    query = urlencode({**values, "language": "all", "question_seed": 0, "stop_early": 0})
    return f"{reverse('launch-form', args=[job.kind])}?{query}"


def _reason(side: SideView) -> str:
    """Return why a side cannot be asked questions; "" where it can."""
    if _job(side) is not None:
        return ""
    text = _("%(side)s cannot be asked here: its questions came from files or another tool.")
    return text % {"side": side.name}


def _job(side: SideView) -> Job | None:
    job = side.results[0].job
    return job if job is not None and isinstance(KINDS.get(job.kind), Evaluate) else None


def _views(stated: Stated, which: Which) -> tuple[SideView, SideView]:
    """Return a side and the other one."""
    base, result = stated.sides
    return (base, result) if which == "base" else (result, base)


def _set_id(side: SideView) -> str:
    return f"missing-{result_name(side.results[0])}"


urlpatterns: list[URLPattern] = [
    path("", parity, name="parity"),
    path("missing/", parity_missing, name="parity-missing"),
]
