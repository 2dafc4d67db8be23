"""The public API of the audit log, for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from dashboard.api.answers import AuditEntries, answers
from dashboard.api.auth import caller
from dashboard.api.errors import invalid
from dashboard.api.requests import AuditAsked
from dashboard.text.audit import as_dict, rows
from jobs.queries import audit
from jobs.queries.sorting import read_cursor, read_moment

router = Router(tags=["Audit log"])


@router.get(
    "audit",
    auth=caller("audit.view"),
    **answers(AuditEntries),
    url_name="api-audit",
    summary="List changes by people",
)
def list_audit_entries(request: HttpRequest, query: Query[AuditAsked]) -> dict[str, Any]:
    """Newest first. A token needs the scope *admin*, its user the role of an administrator."""
    if query.before and read_cursor(query.before, audit.AT) is None:
        raise invalid("before", _("“before” is not a cursor of this API."))
    filters = audit.Filters(
        person=query.person,
        action=query.action,
        text=query.text,
        since=_moment("since", query.since),
        until=_moment("until", query.until),
    )
    entries, older = audit.page(filters, query.before, query.limit)
    following = None
    if older:
        asked = request.GET.copy()
        asked["before"] = older
        following = request.build_absolute_uri(f"{request.path}?{asked.urlencode()}")
    return {"entries": [as_dict(row) for row in rows(entries)], "next": following}


def _moment(field: str, text: str) -> datetime | None:
    try:
        return read_moment(text) if text else None
    except ValueError:
        message = _("Enter a time with its zone, such as 2026-11-27T08:00:00Z.")
        raise invalid(field, message) from None
