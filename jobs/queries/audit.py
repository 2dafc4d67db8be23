"""Entries of the audit log: filtered, newest first, paged by keyset; and its chain."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from jobs.base.errors import JobsError
from jobs.models import AuditEntry, Instance
from jobs.queries.sorting import Order, SortKey, read_moment, sorted_page

PAGE_SIZE = 50
BATCH = 1000
NOBODY = ":none"  # a person's filter for entries without an account; no user name has a colon
NEWEST = Order("at", descending=True)
AT = SortKey(F("at"), read_moment, always=True, indexed=True)


class AuditFilters(NamedTuple):
    """Filters of the list; "" and None mean any. ``since`` is included, ``until`` is not.
    ``person``: a user name, or ``NOBODY``. ``text``: words, each in one of the fields."""

    person: str = ""
    action: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def any(self) -> bool:
        return any((self.person, self.action, self.text, self.since, self.until))


def page(
    filters: AuditFilters, after: str = "", size: int = PAGE_SIZE
) -> tuple[list[AuditEntry], str]:
    """Return at most ``size`` entries, newest first, and the next cursor, "" at the end."""
    return sorted_page(filtered(filters).select_related("user"), AT, NEWEST, after, size)


def filtered(filters: AuditFilters) -> QuerySet[AuditEntry]:
    bounds = {"action": filters.action, "at__gte": filters.since, "at__lt": filters.until}
    entries = AuditEntry.objects.filter(**{name: value for name, value in bounds.items() if value})
    if filters.person == NOBODY:
        entries = entries.filter(user=None)
    elif filters.person:
        # By id, so that an index has the order; a join would sort.
        people = User.objects.filter(username=filters.person).values_list("pk", flat=True)
        entries = entries.filter(user_id__in=list(people))
    words = filters.text.split()
    if words:
        entries = entries.annotate(detail_text=Cast("detail", TextField()))
    for word in words:
        entries = entries.filter(_matches(word))
    return entries


def plain(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as JSON, for exports and the API."""
    return {
        "id": entry.pk,
        "at": entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "person": entry.user.get_username() if entry.user else None,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail if isinstance(entry.detail, dict) else {},
        "origin": entry.origin,
        "digest": entry.digest,
    }


class ChainBroken(JobsError):
    """Entries that were changed, removed or added outside of the dashboard."""

    id = "internal:audit_chain"


def verify() -> int:
    """Return the number of entries, each of which follows from the one before. Raises ChainBroken:
    one does not, or the last ones are missing."""
    # Read first: an entry that is added meanwhile comes after it.
    head = _head()
    previous, count, has_head = "", 0, not head
    for entry in AuditEntry.objects.order_by("pk").iterator(BATCH):
        if entry.digest != entry.digest_after(previous):
            raise ChainBroken(
                f"entry {entry.pk} ({entry.action}, {entry.subject}, {entry.at:%Y-%m-%d %H:%M} "
                "UTC) does not follow from the one before: it was changed, or entries before it "
                "are missing"
            )
        previous, count = entry.digest, count + 1
        has_head = has_head or previous == head
    if count and not head and not _head():  # the first entry, if added meanwhile, has set it
        raise ChainBroken(f"the digest of the last entry, {count} in all, was removed")
    if not has_head:
        raise ChainBroken(f"entries after the last one, {count} in all, are missing")
    return count


def _head() -> str:
    return Instance.objects.values_list("audit_head", flat=True).first() or ""


def compare(lines: Iterable[str]) -> int:
    """Return the number of exported entries, each of which the database has unchanged; else raise
    ``ChainBroken``. ``ValueError``, ``KeyError``: a line is no exported entry."""
    count, left = 0, iter(lines)
    while batch := list(islice(left, BATCH)):
        exported = {int(one["id"]): one["digest"] for one in map(json.loads, batch)}
        kept = dict(AuditEntry.objects.filter(pk__in=exported).values_list("pk", "digest"))
        for number, digest in exported.items():
            if kept.get(number) != digest:
                raise ChainBroken(f"entry {number} of the file is not in the database as exported")
        count += len(exported)
    return count


def people() -> list[str]:
    own = Exists(AuditEntry.objects.filter(user=OuterRef("pk")))
    return list(User.objects.filter(own).order_by("username").values_list("username", flat=True))


def _matches(word: str) -> Q:
    # SQLite stores JSON with escapes for all but ASCII.
    found = Q(detail_text__icontains=json.dumps(word)[1:-1])
    for name in ("subject", "action", "origin", "user__username", "detail_text"):
        found |= Q(**{f"{name}__icontains": word})
    return found
