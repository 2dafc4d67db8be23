"""Parity page: is one result as accurate as another? Of results, bare counts or pasted tables."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods

from dashboard.pages.parity import asked, rows, words
from dashboard.pages.parity.asked import Source, Stated
from dashboard.pages.parity.lacking import lacking_sides, parity_missing
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.security.permissions import allowed, requires
from dashboard.text.formatting import points
from dashboard.text.messages import message
from jobs.queries.parity.compared import LEAST_MARGIN, MARGIN, MOST_MARGIN
from jobs.queries.parity.entered import ParityError

FIELDS = (
    *("base", "id", "base_counts", "counts", "sets", "left_out", "tables", "baseline"),
    *("base_title", "title", "margin", "goal", "planned"),
)
# Fields where a person types results, and those of the address.
NAMED = {"base_name": "base", "name": "id"}


@require_http_methods(["GET", "POST"])
@requires("result.view")
@with_old_queries("base", "id")
def parity(request: HttpRequest) -> HttpResponse:
    """Show the statement of an address (GET) or of pasted tables (POST), and its form.

    ``?base=res-11&id=res-27&margin=1``; ``res-11,res-12`` are repeats. ``base_counts``, ``counts``
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
        found = asked.stated(data)
    except ParityError as error:
        text = message(error.reason.id, error.reason.args)
        context["errors"] = {form: {error.field: text}} if error.field else {"all": text}
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "parity/parity.html", context, status=status)
    if request.method == "GET" and any(names.values()):
        return redirect(f"{request.path}?{asked.query_of(found)}")
    if request.method == "GET" and request.GET.get("format") == "csv":
        return rows.parity_csv(found)
    context |= _context(found)
    context["link"] = request.build_absolute_uri(f"{request.path}?{context['query']}")
    context["may_import"] = allowed(request.user, "result.import")
    return render(request, "parity/parity.html", context)


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
        "asks_query": asked.asks_query(found),
        "swapped": asked.query_of(found, is_swapped=True),
    }
    if statement is None:
        return context
    sets, *folded = rows.tables(found, statement)
    return context | {
        "sets": sets,
        "folded": folded,
        "methods": words.methods(statement),
        "plain": points(statement.plain, 3),
        "figure": rows.forest_of(statement),
        "margin_text": words.margin_text(statement.margin),
    }


urlpatterns: list[URLPattern] = [
    path("", parity, name="parity"),
    path("missing/", parity_missing, name="parity-missing"),
]
