"""The audit log: who changed what, when, from where; as a page, as CSV, as JSON lines."""

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

from dashboard.pages.shared.export import BOM, csv_text
from dashboard.security.permissions import requires
from dashboard.server.downloads import Stream
from dashboard.text.audit import ACTION_LABELS, CSV_HEAD, as_dict, csv_line, rows
from jobs.queries import audit
from jobs.queries.audit import NOBODY, AuditFilters

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
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
    headers = {
        "Content-Type": FORMATS[format],
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return Stream(_pieces(filters, format), headers=headers)


async def _pieces(filters: AuditFilters, format: str) -> AsyncIterator[bytes]:
    """Yield the export page by page: its size does not matter to the memory."""
    language, after = translation.get_language() or "en", ""
    while True:
        data, after = await sync_to_async(_piece)(filters, format, after, language)
        yield data
        if not after:
            return


def _piece(filters: AuditFilters, format: str, after: str, language: str) -> tuple[bytes, str]:
    """Return the page after an entry, and its last entry if there are more; "": none."""
    with translation.override(language):
        entries, following = audit.page(filters, after, audit.BATCH)
        if format == "jsonl":
            lines = [json.dumps(as_dict(row), ensure_ascii=False) for row in rows(entries)]
            text = "".join(f"{line}\n" for line in lines)
        else:
            text = csv_text([*([] if after else [CSV_HEAD]), *map(csv_line, rows(entries))])
        if after:
            text = text.removeprefix(BOM)
        return text.encode(errors="replace"), following


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
