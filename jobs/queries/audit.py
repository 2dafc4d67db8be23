"""Entries of the audit log: filtered, newest first, paged by keyset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from jobs.models import AuditEntry
from jobs.queries.sorting import Column, Order, read_moment, sorted_page

PAGE_SIZE = 50
BATCH = 1000
NOBODY = ":none"  # a person's filter for entries without an account; no user name has a colon
NEWEST = Order("at", descending=True)
AT = Column(F("at"), read_moment, always=True, indexed=True)


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of the list; "" and None mean any. ``since`` is included, ``until`` is not.

    ``person``: a user name, or ``NOBODY``. ``text``: words, each in one of the fields.
    """

    person: str = ""
    action: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def any(self) -> bool:
        """Return True if a filter is set."""
        return any((self.person, self.action, self.text, self.since, self.until))


def page(filters: Filters, after: str = "", size: int = PAGE_SIZE) -> tuple[list[AuditEntry], str]:
    """Return at most ``size`` entries, newest first, and the next cursor, "" at the end."""
    return sorted_page(filtered(filters).select_related("user"), AT, NEWEST, after, size)


def each(filters: Filters) -> Iterator[AuditEntry]:
    """Yield all entries, newest first, with bounded memory.

    Pages by keyset: an entry that is added meanwhile moves no other one.
    """
    after = ""
    while True:
        entries, after = page(filters, after, BATCH)
        yield from entries
        if not after:
            return


def filtered(filters: Filters) -> QuerySet[AuditEntry]:
    """Return the entries that pass all filters."""
    entries = AuditEntry.objects.all()
    if filters.person == NOBODY:
        entries = entries.filter(user=None)
    elif filters.person:
        # By id, so that an index has the order; a join would sort.
        people = User.objects.filter(username=filters.person).values_list("pk", flat=True)
        entries = entries.filter(user_id__in=list(people))
    if filters.action:
        entries = entries.filter(action=filters.action)
    if filters.since is not None:
        entries = entries.filter(at__gte=filters.since)
    if filters.until is not None:
        entries = entries.filter(at__lt=filters.until)
    words = filters.text.split()
    if words:
        entries = entries.annotate(detail_text=Cast("detail", TextField()))
    for word in words:
        entries = entries.filter(_matches(word))
    return entries


def people() -> list[str]:
    """Return the names of people with entries."""
    own = Exists(AuditEntry.objects.filter(user=OuterRef("pk")))
    return list(User.objects.filter(own).order_by("username").values_list("username", flat=True))


def _matches(word: str) -> Q:
    # SQLite stores JSON with escapes for all but ASCII.
    written = json.dumps(word)[1:-1]
    return (
        Q(subject__icontains=word)
        | Q(action__icontains=word)
        | Q(origin__icontains=word)
        | Q(user__username__icontains=word)
        | Q(detail_text__icontains=word)
        | Q(detail_text__icontains=written)
    )
