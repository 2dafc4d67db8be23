"""The audit log: who changed what, when, from where; as a page, as CSV, as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import translation
from django.utils.timezone import make_aware, now
from django.utils.translation import gettext, ngettext

from dashboard.pages.shared.export import as_text
from dashboard.security.permissions import requires
from dashboard.server.downloads import Stream
from dashboard.text.audit import ACTION_LABELS, CSV_HEAD, as_dict, csv_line, rows
from jobs.queries import audit
from jobs.queries.audit import NOBODY, Filters

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
# Days whose begin every database and time zone has.
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9999, 1, 1)


@requires("audit.view", "GET")
def audit_list(request: HttpRequest) -> HttpResponse:
    """List entries, newest first.
    URL parameters: ``q``, ``person``, ``action``, ``from`` and ``to`` (days, both included), and
    ``after`` for the next page."""
    filters, errors = _filters(request)
    after = request.GET.get("after", "")
    entries, following = ([], "") if errors else audit.page(filters, after)
    query = request.GET.copy()
    query.pop("after", None)
    context = {
        "rows": rows(entries),
        "filters": filters,
        "given": {"q": request.GET.get("q", "")}
        | {name: _shown_day(request.GET.get(name, "").strip()) for name in ("from", "to")},
        "errors": errors,
        "title": gettext("Audit log")
        if errors
        else _title(filters, len(entries), more=bool(after or following)),
        "actions": _actions(),
        "people": audit.people(),
        "nobody": NOBODY,
        "is_later_page": bool(after),
        "query": query.urlencode(),
        "after": following,
        "today": f"{now():%Y-%m-%d}",
    }
    return render(request, "audit/list.html", context, status=422 if errors else 200)


@requires("audit.view", "GET")
def audit_export(request: HttpRequest, format: str) -> HttpResponseBase:
    """Download all entries that the list's filters find, as "csv" or "jsonl"."""
    filters, errors = _filters(request)
    if format not in FORMATS or errors:
        raise Http404(format)
    name = f"audit-{now():%Y-%m-%d}.{format}"
    headers = {
        "Content-Type": FORMATS[format],
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return Stream(_pieces(filters, format), headers=headers)


async def _pieces(filters: Filters, format: str) -> AsyncIterator[bytes]:
    """Yield the export page by page: its size does not matter to the memory."""
    language, after, is_first = translation.get_language() or "en", "", True
    piece = sync_to_async(_piece)
    while after or is_first:
        data, after = await piece(filters, format, after, language, is_first=is_first)
        is_first = False
        yield data


def _piece(
    filters: Filters, format: str, after: str, language: str, *, is_first: bool
) -> tuple[bytes, str]:
    with translation.override(language):
        entries, following = audit.page(filters, after, audit.BATCH)
        shown = rows(entries)
        if format == "jsonl":
            lines = [json.dumps(as_dict(row), ensure_ascii=False) for row in shown]
            return "".join(f"{line}\n" for line in lines).encode(errors="replace"), following
        out = io.StringIO()
        writer = csv.writer(out)
        if is_first:
            out.write("\ufeff")  # otherwise Excel assumes the system encoding
            writer.writerow(CSV_HEAD)
        for row in shown:
            writer.writerow([as_text(value) for value in csv_line(row)])
        return out.getvalue().encode(errors="replace"), following


def _filters(request: HttpRequest) -> tuple[Filters, dict[str, str]]:
    """Return the filters of an address, and field -> error."""
    asked = {name: request.GET.get(name, "").strip() for name in ("q", "person", "action")}
    errors: dict[str, str] = {}
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        try:
            days[name] = _day(request.GET.get(name, "").strip())
        except ValueError:
            text = gettext("Enter a day such as %(day)s.")
            errors[name] = text % {"day": f"{now():%Y-%m-%d}"}
    first, last = days.get("from"), days.get("to")
    if first and last and first > last:
        errors["to"] = gettext("The last day is before the first day.")
    filters = Filters(
        person=asked["person"],
        action=asked["action"],
        text=asked["q"],
        since=_begin(first) if first else None,
        until=_begin(last + timedelta(days=1)) if last else None,
    )
    return filters, errors


def _day(text: str) -> date | None:
    """Return the day of ``2026-11-27``; None for "". Raises ValueError for other text."""
    if not text:
        return None
    day = date.fromisoformat(text)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(text)
    return day


def _shown_day(text: str) -> str:
    """Return what a field of a day can show: nothing for other text."""
    try:
        return str(_day(text) or "")
    except ValueError:
        return ""


def _begin(day: date) -> datetime:
    return make_aware(datetime.combine(day, time.min))


def _actions() -> list[tuple[str, str]]:
    choices = [(name, str(label)) for name, label in ACTION_LABELS.items() if ":" not in name]
    return sorted(choices, key=lambda choice: choice[1])


def _title(filters: Filters, count: int, *, more: bool) -> str:
    if more:
        return gettext("Audit log, %(n)s entries per page") % {"n": audit.PAGE_SIZE}
    if filters.any:
        return ngettext("%(n)s entry matches", "%(n)s entries match", count) % {"n": count}
    return ngettext("Audit log, %(n)s entry", "Audit log, %(n)s entries", count) % {"n": count}


urlpatterns: list[URLPattern] = [
    path("", audit_list, name="audit"),
    path("entries.<str:format>", audit_export, name="audit-export"),
]
