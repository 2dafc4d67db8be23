"""The audit log, secrets without their values, and permitted sources."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.actions import access as actions
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Operations,
    Time,
    about,
    invalid,
    listing,
    one_of,
    read,
)
from dashboard.pages.shared.addresses import or_404
from dashboard.text.audit import as_dict
from jobs.access import sources
from jobs.access.sources import special_range
from jobs.models import Secret, Source
from jobs.queries import audit
from jobs.queries.sorting import read_cursor, read_moment

audit_log = Operations("Audit log")


class AuditEntryAnswer(ApiAnswer):
    """Entry of the audit log: person, action, object, time and address."""

    id: int
    at: Time
    person: str | None = about("null: no account, such as a command")
    action: str
    label: str = about("action as text")
    subject: str = about("such as job 17")
    detail: dict[str, Any]
    origin: str = about("address, manage.py for a command, or empty if unknown")
    digest: str = about("SHA-256 of the entry and of the digest before it")


AuditEntries = listing(
    "AuditEntries", "Entries of the audit log, newest first.", "entries", AuditEntryAnswer
)


class AuditAsked(base.Page):
    """Filter of the audit log."""

    person: str = about("a user name, or :none for entries without an account", "")
    action: str = ""
    text: str = about("words, each in subject, details, person or origin", "")
    since: str = about("first moment, ISO 8601 with time zone", "")
    until: str = about("end, exclusive, ISO 8601 with time zone", "")


@audit_log.on("GET audit", "audit.view", "api-audit", AuditEntries)
def list_audit_entries(request: HttpRequest, query: Query[AuditAsked]) -> Json:
    """List changes by people. Newest first. A token needs the scope *admin*, its user the role of
    an administrator."""
    if query.before and read_cursor(query.before, audit.AT) is None:
        raise invalid("before", _("“before” is not a cursor of this API."))
    moments = {name: _moment(name, getattr(query, name)) for name in ("since", "until")}
    filters = audit.AuditFilters(query.person, query.action, query.text, **moments)
    entries, older = audit.page(filters, query.before, query.limit)
    return base.page(request, "entries", [*map(as_dict, entries)], older)


def _moment(field: str, text: str) -> datetime | None:
    try:
        return read_moment(text) if text else None
    except ValueError:
        message = _("Enter a time with its zone, such as 2026-11-27T08:00:00Z.")
        raise invalid(field, message) from None


secrets_ = Operations("Secrets", "secrets")


class SecretAnswer(ApiAnswer):
    """A secret without its value."""

    name: str
    purpose: Annotated[
        str,
        one_of(["", *Secret.Purpose.values]),
        about("empty if unknown"),
    ]
    endpoints: list[str] = about("URL prefixes to which it may be sent")
    hosts: list[str] | None = read(
        lambda row: None if row.all_hosts else [host.name for host in row.hosts.all()],
        "null: all hosts",
    )
    people: list[str] | None = read(
        lambda row: None if row.everyone else [one.username for one in row.people.all()],
        "null: everyone",
    )
    set_at: Time


Secrets = listing("Secrets", "All secrets, by name.", "secrets", SecretAnswer)


class SecretAsked(Asked):
    """Value and rules of a secret."""

    value: str | None = about("null: the stored value stays", None)
    purpose: Annotated[str, one_of(Secret.Purpose.values)]
    endpoints: list[str] = Field(
        default_factory=list, description="URL prefixes; empty for an engine key: all deployments"
    )
    hosts: list[str] | None = about("names; null: all hosts", None)
    people: list[str] | None = about("user names; null: everyone", None)


@secrets_.on("GET ", "secret.manage", "api-secrets", Secrets)
def list_secrets(request: HttpRequest) -> Json:
    """List secrets. All, by name, without their values."""
    rows = Secret.objects.prefetch_related("hosts", "people")
    return {"secrets": [SecretAnswer.of(row) for row in rows], "next": None}


@secrets_.on("PUT /{str:secret}", "secret.manage", "api-secret", SecretAnswer, 413, 422)
def set_secret(request: HttpRequest, secret: str, asked: SecretAsked) -> Json:
    """Set a secret, or change its rules. Without a value, a stored secret keeps its own."""
    rules = asked.model_dump(exclude={"value"})
    actions.keep_secret(request.user, secret, asked.value, **rules)
    return SecretAnswer.of(Secret.objects.prefetch_related("hosts", "people").get(name=secret))


@secrets_.on("DELETE /{str:secret}", "secret.manage", "api-secret", SecretAnswer)
def delete_secret(request: HttpRequest, secret: str) -> Json:
    """Delete a secret. Running jobs keep the values they have."""
    deleted = SecretAnswer.of(get_object_or_404(Secret, name=secret))
    actions.delete_secret(request.user, secret)
    return deleted


SourceType = Annotated[str, one_of(Source.Type.values)]
sources_ = Operations("Sources", "sources")


class SourceAsked(Asked):
    """A source to permit."""

    type: SourceType
    address: str
    note: str = ""


class SourceAnswer(ApiAnswer):
    """A source that an administrator added."""

    id: int
    type: SourceType
    address: str = about("of git, image and data also a prefix")
    special: str = read(
        lambda row: str(special_range(row.address)),
        "the special range of the address, as text; empty: none",
    )
    note: str
    added_by: str | None = read("created_by.username", "null: a command on the server")
    added_at: Time = read("created_at")


class IncludedSource(ApiAnswer):
    """A source that the catalogue names."""

    type: SourceType
    address: str = about("an image without its registry, which is that of each host")
    origin: str = read("origin", "what names it, as text", then=str)


class Sources(ApiAnswer):
    """All permitted sources."""

    sources: list[SourceAnswer]
    included: list[IncludedSource]
    next: str | None


@sources_.on("GET ", "source.view", "api-sources", Sources)
def list_sources(request: HttpRequest) -> Json:
    """List permitted sources. The added ones, then those that the catalogue includes."""
    rows = Source.objects.select_related("created_by")
    included = [IncludedSource.of(one) for one in sources.included()]
    return {"sources": [SourceAnswer.of(row) for row in rows], "included": included, "next": None}


@sources_.on("POST ", "source.manage", "api-sources", SourceAnswer, 201, 413, 422)
def add_source(request: HttpRequest, asked: SourceAsked) -> Json:
    """Add a source. Jobs of everyone may use it from now on."""
    return SourceAnswer.of(actions.add_source(request.user, asked.type, asked.address, asked.note))


@sources_.on("DELETE /{int:source_id}", "source.manage", "api-source", SourceAnswer)
def remove_source(request: HttpRequest, source_id: int) -> Json:
    """Remove a source. Queued jobs that need it fail; running jobs continue."""
    return SourceAnswer.of(or_404(actions.remove_source, request.user, source_id))
