"""The audit log, for administrators."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.api.base import Answer, Json, Operations, Page, Time, listing, page
from dashboard.api.errors import invalid
from dashboard.text.audit import as_dict, rows
from jobs.queries import audit
from jobs.queries.sorting import read_cursor, read_moment

operations = Operations("Audit log")


class AuditEntryAnswer(Answer):
    """Entry of the audit log: person, action, object, time and address."""

    id: int
    at: Time
    person: str | None = Field(description="null: no account, such as a command")
    action: str
    label: str = Field(description="action as text")
    subject: str = Field(description="such as job 17")
    detail: dict[str, Any]
    origin: str = Field(description="address, manage.py for a command, or empty if unknown")
    digest: str = Field(description="SHA-256 of the entry and of the digest before it")


AuditEntries = listing(
    "AuditEntries", "Entries of the audit log, newest first.", "entries", AuditEntryAnswer
)


class AuditAsked(Page):
    """Filter of the audit log."""

    person: str = Field("", description="a user name, or :none for entries without an account")
    action: str = ""
    text: str = Field("", description="words, each in subject, details, person or origin")
    since: str = Field("", description="first moment, ISO 8601 with time zone")
    until: str = Field("", description="end, exclusive, ISO 8601 with time zone")


@operations.on("GET audit", "audit.view", AuditEntries, name="api-audit")
def list_audit_entries(request: HttpRequest, query: Query[AuditAsked]) -> Json:
    """List changes by people. Newest first. A token needs the scope *admin*, its user the role of
    an administrator."""
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
    return page(request, "entries", [as_dict(row) for row in rows(entries)], older)


def _moment(field: str, text: str) -> datetime | None:
    try:
        return read_moment(text) if text else None
    except ValueError:
        message = _("Enter a time with its zone, such as 2026-11-27T08:00:00Z.")
        raise invalid(field, message) from None
