"""Filters of the result list: read from an address, and shown as facets and chips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.http import QueryDict
from django.utils.timezone import get_current_timezone, now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.labels import host_word, phrase, stack_name
from jobs.base.numbers import number_from
from jobs.models import Host
from jobs.queries.results.filters import MARKS, Filters
from jobs.queries.results.result_counts import FACETS, STAMPS, Counts
from jobs.queries.results.results import facet_counts, mark_counts, pinned_count, tag_counts

DAYS = (7, 30, 90)
_DATES = {"from": "since", "to": "until"}
# What a saved view keeps of an address.
KEPT = frozenset(
    (
        *FACETS,
        *("stamp", "q", "deployment", "endpoint", "pinned", "tag", "mark", "days", "from", "to"),
        *("order", "group", "columns"),
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Filters of an address; ``errors`` by field, whose filter is then left out."""

    filters: Filters
    errors: Mapping[str, str]
    days: int | None
    dates: Mapping[str, str]


def asked(query: QueryDict) -> Asked:
    """Read the filters of an address."""
    errors: dict[str, str] = {}
    bounds: dict[str, datetime] = {}
    dates = {name: query.get(name, "").strip() for name in _DATES}
    for name, text in dates.items():
        if text:
            try:
                day = _day(text)
                bounds[_DATES[name]] = day + timedelta(days=1) if name == "to" else day
            except (ValueError, OverflowError):
                errors[name] = _("Enter a date such as %(example)s.") % {"example": "2026-11-27"}
    days = number_from(query.get("days", ""))
    if days in DAYS:
        earliest = now() - timedelta(days=days)
        bounds["since"] = max(earliest, bounds.get("since", earliest))
    filters = Filters(
        facets={facet: query.getlist(facet) for facet in FACETS},
        stamps=[stamp for stamp in query.getlist("stamp") if stamp in STAMPS],
        text=query.get("q", "").strip(),
        stamp_words=_stamp_words(),
        deployment=number_from(query.get("deployment", "")),
        endpoint=number_from(query.get("endpoint", "")),
        pinned="1" in query.getlist("pinned"),
        tags=[tag for tag in query.getlist("tag") if tag],
        marks=[mark for mark in query.getlist("mark") if mark in MARKS],
        since=bounds.get("since"),
        until=bounds.get("until"),
    )
    return Asked(filters, errors, days if days in DAYS else None, dates)


def kept(query: QueryDict, **more: str) -> str:
    """Return what a saved view keeps of an address, and ``more``."""
    clean = QueryDict(mutable=True)
    for name, values in query.lists():
        if name in KEPT and any(values):
            clean.setlist(name, [value for value in values if value])
    for name, value in more.items():
        clean[name] = value
    return clean.urlencode()


def _day(text: str) -> datetime:
    """Return the first moment of a day in the viewer's zone. Raises ValueError, OverflowError."""
    day = date.fromisoformat(text)
    moment = datetime(day.year, day.month, day.day, tzinfo=get_current_timezone())
    moment.astimezone(UTC)  # as a database is asked: the year 1 may overflow
    return moment


def facets(filters: Filters, known: Counts | None = None) -> list[dict[str, Any]]:
    """Return the facets with values, result counts and selection. ``known``: the counts of
    ``jobs.queries.results.results.counts_of``."""
    counts = facet_counts(filters, known)
    chosen = {**filters.facets, "stamp": filters.stamps, "tag": filters.tags, "mark": filters.marks}
    counts |= {"tag": _with_chosen(tag_counts(filters), filters.tags)}
    counts |= {"mark": _with_chosen(mark_counts(filters), filters.marks)}
    rows = []
    for name, title in _titles().items():
        options = [
            {"value": value, "word": word_of(name, value), "count": n, "on": value in chosen[name]}
            for value, n in counts[name]
        ]
        rows.append({"name": name, "title": title, "options": options})
    pinned = pinned_count(filters)
    if pinned or filters.pinned:
        option = {"value": "1", "word": _("kept"), "count": pinned, "on": filters.pinned}
        rows.append({"name": "pinned", "title": _("Files"), "options": [option]})
    return rows


def chips(query: QueryDict, read: Asked) -> list[dict[str, str]]:
    """Return the active filters, each with the query without it."""
    own = {"q": _("text"), "deployment": _("deployment"), "pinned": _("Files")}
    own |= {"endpoint": _("endpoint")}
    own |= {"days": _("Created"), "from": _("Created from"), "to": _("Created until")}
    titles = {**_titles(), **own}
    rows = []
    for name, title in titles.items():
        for value in query.getlist(name):
            if name in read.errors or (name == "days" and read.days is None):
                continue
            without = query.copy()
            without.setlist(name, [one for one in without.getlist(name) if one != value])
            without.pop("after", None)
            word = word_of(name, value)
            rows.append({"title": title, "word": word, "without": without.urlencode()})
    return [row for row in rows if row["word"]]


def day_options(read: Asked) -> list[dict[str, Any]]:
    """Return the choices of a span of days."""
    return [{"value": n, "word": word_of("days", str(n)), "on": read.days == n} for n in DAYS]


def word_of(name: str, value: str) -> str:
    """Return the value of a filter as text; what people typed stays unchanged."""
    if name == "stack":
        return stack_name(value)
    if name == "days":
        n = number_from(value) or 0
        return ngettext("last day", "last %(n)s days", n) % {"n": n}
    if name == "pinned":
        return _("kept")
    if name in ("q", "tag", "from", "to", "deployment", "endpoint", "person"):
        return value
    return _words().get(value) or phrase(value)


def _with_chosen(counts: list[tuple[str, int]], chosen: Iterable[str]) -> list[tuple[str, int]]:
    """Add chosen values without a result, so that they can be cleared."""
    known = {value for value, _n in counts}
    return [*counts, *((value, 0) for value in chosen if value not in known)]


def _titles() -> dict[str, str]:
    return {
        "type": _("Kind"),
        "model": _("Model"),
        "precision": _("Precision"),
        "stack": _("Stack"),
        "parallelism": _("Parallelism"),
        "host": _("Host"),
        "person": _("Started by"),
        "tag": _("Tags"),
        "mark": _("Marks"),
        "stamp": _("Flags"),
    }


def _words() -> dict[str, str]:
    return {
        "benchmark": _("benchmark"),
        "evaluation": _("evaluation"),
        "quiet": _("no flags"),
        "released": _("released"),
        "baseline": _("baseline"),
        "noted": _("with notes"),
        Host.Type.THIS_COMPUTER: host_word(Host.Type.THIS_COMPUTER),
        **_flags(),
    }


def _flags() -> dict[str, str]:
    return {
        "external": _("external"),
        "simulated": _("simulated"),
        "incomplete": _("incomplete"),
        "disturbed": _("disturbed"),
        "loaded": _("loaded host"),
        "imported": _("imported"),
        "few": _("few samples"),
        "cut": _("answers cut off"),
    }


def _stamp_words() -> dict[str, str]:
    """Return search words for flags: names and translated labels."""
    shown = _flags()
    return {name: name for name in shown} | {w.casefold(): name for name, w in shown.items()}
