"""Parity page: is one result as accurate as another? Of results, bare counts or pasted tables."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods

from dashboard.pages.parity import early, incomparable, named, words
from dashboard.pages.parity.asked import Source, Stated, is_asked, stated
from dashboard.pages.parity.data import headline_of
from dashboard.pages.parity.lacking import lacking_sides
from dashboard.pages.parity.rows import folded_rows, forest_of, parity_csv, shown_rows
from dashboard.pages.parity.warnings import warnings
from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.security.permissions import allowed, requires
from dashboard.text.formatting import points
from dashboard.text.messages import message
from jobs.queries.parity.compared import LEAST_MARGIN, MARGIN, MOST_MARGIN
from jobs.queries.parity.errors import ParityError

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
    form = _form_of(data)
    context: dict[str, Any] = {
        "typed": {form: data | _names(data, names)},
        "least": f"{LEAST_MARGIN:g}",
        "most": f"{MOST_MARGIN:g}",
        "default": f"{MARGIN:g}",
        "goals": words.goals(),
        "evaluations": named.choices(),
        "errors": {},
    }
    try:
        for name, field in NAMED.items():
            data[field] = named.ids_of(names[name], field) or data[field]
        if not is_asked(data):
            context["early"] = early.launch_address(data["base"] or data["id"])
            return render(request, "parity/parity.html", context)
        found = stated(data)
    except ParityError as error:
        text = message(error.reason.id, error.reason.args)
        context["errors"] = {form: {error.field: text}} if error.field else {"all": text}
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "parity/parity.html", context, status=status)
    if request.method == "GET" and any(names.values()):
        return redirect(f"{request.path}?{query_of(found)}")
    if request.method == "GET" and request.GET.get("format") == "csv":
        return parity_csv(found)
    context |= _context(found)
    context["link"] = request.build_absolute_uri(f"{request.path}?{context['query']}")
    context["may_import"] = allowed(request.user, "result.import")
    return render(request, "parity/parity.html", context)


def _form_of(data: Mapping[str, str]) -> Source:
    """Return the form that was sent: the forms share some names of fields."""
    if data["tables"].strip():
        return "tables"
    return "counts" if (data["base_counts"] + data["counts"]).strip() else "results"


def _names(data: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the results as typed, else those of the address."""
    return {name: names[name] or data[field].replace(",", ", ") for name, field in NAMED.items()}


def _context(found: Stated) -> dict[str, Any]:
    query = query_of(found)
    asked = parse_qsl(query)
    context = {
        "stated": found,
        "statement": found.parity.statement,
        "headline": headline_of(found),
        "warnings": warnings(found),
        "lacking": lacking_sides(found),
        "base_ids": found.base.ids,
        "result_ids": found.result.ids,
        "query": query,
        "report_query": f"{query}&",
        "csv": f"?{query}&format=csv" if query else "",
        "kept": [(name, value) for name, value in asked if name not in ("margin", "goal")],
        "margin_value": f"{found.asks.margin:g}",
        "asks_query": _query(_asks(found)),
        "swapped": query_of(found, is_swapped=True),
    }
    return context | _numbers(found)


def _numbers(found: Stated) -> dict[str, Any]:
    """Return verdict, numbers and chart; of sides that are not comparable the cause."""
    statement = found.parity.statement
    if statement is None:
        said = {"sentence": incomparable.sentence(found), "reasons": [incomparable.action(found)]}
        return {**said, "tone": "line"}
    return {
        "sentence": words.sentence(statement, found.base.name, found.result.name),
        "reasons": words.reasons(statement),
        "tone": words.TONES.get(statement.decision, "line"),
        "methods": words.methods(statement),
        "plain": points(statement.plain, 3),
        "rows": shown_rows(statement, found.parity.notes),
        "folded": folded_rows(statement, found.parity.notes),
        "figure": forest_of(statement),
        "margin_text": words.margin_text(statement.margin),
    }


def query_of(found: Stated, *, is_swapped: bool = False) -> str:
    """Return the query of the statement's address; "" for a table beside a result."""
    sides = (found.result, found.base) if is_swapped else (found.base, found.result)
    if found.source == "results":
        named = {"base": sides[0].ids, "id": sides[1].ids}
    elif any(found.counts):
        typed = found.counts[::-1] if is_swapped else found.counts
        named = {
            **{"base_counts": typed[0], "counts": typed[1], "sets": ",".join(found.names)},
            "left_out": ",".join(found.left_out),
            **{"base_title": sides[0].title, "title": sides[1].title},
        }
    else:
        return ""
    return _query(named | _asks(found))


def _asks(found: Stated) -> dict[str, Any]:
    return {
        "margin": f"{found.asks.margin:g}",
        "goal": found.goal,
        "planned": found.asks.planned or "",
    }


def _query(named: Mapping[str, Any]) -> str:
    return urlencode({name: value for name, value in named.items() if value}, safe=",/")


urlpatterns: list[URLPattern] = [path("", parity, name="parity")]
