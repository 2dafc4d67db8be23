"""The audit log: who changed what, when, from where; as a page, as CSV, as JSON lines."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import chain

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.timezone import make_aware, now
from django.utils.translation import gettext, ngettext

from dashboard.pages.shared.export import attachment, csv_pieces
from dashboard.security.permissions import requires
from dashboard.text.audit import ACTION_LABELS, CSV_HEAD, as_dict, csv_line, rows
from jobs.models import AuditEntry
from jobs.queries import audit
from jobs.queries.audit import NOBODY, AuditFilters

FORMATS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
# Days whose begin every database and time zone has.
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9999, 1, 1)


@requires("audit.view", "GET")
def audit_list(request: HttpRequest) -> HttpResponse:
    """List entries, newest first. ``from`` and ``to`` are days, both included."""
    filters, errors, given = _filters(request)
    after = request.GET.get("after", "")
    entries, following = ([], "") if errors else audit.page(filters, after)
    query = request.GET.copy()
    query.pop("after", None)
    title, count = gettext("Audit log"), len(entries)
    if not errors and (after or following):
        title = gettext("Audit log, %(n)s entries per page") % {"n": audit.PAGE_SIZE}
    elif not errors and filters.any:
        title = ngettext("%(n)s entry matches", "%(n)s entries match", count) % {"n": count}
    elif not errors:
        title = ngettext("Audit log, %(n)s entry", "Audit log, %(n)s entries", count) % {"n": count}
    actions = [(name, str(label)) for name, label in ACTION_LABELS.items() if ":" not in name]
    context = {
        "rows": rows(entries),
        "filters": filters,
        "given": given,
        "errors": errors,
        "title": title,
        "actions": sorted(actions, key=lambda choice: choice[1]),
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
    filters, errors, _shown = _filters(request)
    if format not in FORMATS or errors:
        raise Http404(format)
    name = f"audit-{now():%Y-%m-%d}.{format}"
    if format == "csv":
        lines = chain([CSV_HEAD], map(csv_line, chain.from_iterable(_batches(filters))))
        return attachment(csv_pieces(lines), name, FORMATS[format])
    return attachment(map(_json_lines, _batches(filters)), name, FORMATS[format])


def _batches(filters: AuditFilters) -> Iterator[list[AuditEntry]]:
    """Yield all entries page by page: their number does not matter to the memory."""
    after = ""
    while True:
        entries, after = audit.page(filters, after, audit.BATCH)
        yield entries
        if not after:
            return


def _json_lines(batch: list[AuditEntry]) -> str:
    return "".join(f"{json.dumps(as_dict(entry), ensure_ascii=False)}\n" for entry in batch)


def _filters(request: HttpRequest) -> tuple[AuditFilters, dict[str, str], dict[str, str]]:
    """Return the filters of an address, field -> error, and what its fields show."""
    asked = {name: request.GET.get(name, "").strip() for name in ("q", "person", "action")}
    errors, shown = dict[str, str](), {"q": request.GET.get("q", ""), "from": "", "to": ""}
    days: dict[str, date] = {}
    for name in ("from", "to"):
        text = request.GET.get(name, "").strip()
        try:
            day = date.fromisoformat(text) if text else None
            if day and not FIRST_DAY <= day <= LAST_DAY:
                raise ValueError(text)
        except ValueError:
            message = gettext("Enter a day such as %(day)s.")
            errors[name] = message % {"day": f"{now():%Y-%m-%d}"}
        else:
            shown[name] = str(day or "")
            days |= {name: day} if day else {}
    if "from" in days and "to" in days and days["from"] > days["to"]:
        errors["to"] = gettext("The last day is before the first day.")

    def begin(day: date) -> datetime:
        return make_aware(datetime.combine(day, time.min))

    filters = AuditFilters(
        person=asked["person"],
        action=asked["action"],
        text=asked["q"],
        since=begin(days["from"]) if "from" in days else None,
        until=begin(days["to"] + timedelta(days=1)) if "to" in days else None,
    )
    return filters, errors, shown


urlpatterns: list[URLPattern] = [
    path("", audit_list, name="audit"),
    path("entries.<str:format>", audit_export, name="audit-export"),
]
