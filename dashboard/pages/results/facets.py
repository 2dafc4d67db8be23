"""Head of the result list: filters of an address, facets, chips, saved views."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise
from django.utils.timezone import get_current_timezone, now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.pages.shared.columns import chosen, written
from dashboard.security.permissions import allowed
from dashboard.security.request import person
from dashboard.text.labels import host_word, phrase, stack_name
from jobs.base.numbers import number_from
from jobs.queries.results import listing
from jobs.queries.results.listing import FACETS, Counts, Filters, tag_names, views_for
from jobs.services import results

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
_FACET_TITLES: Mapping[str, str | Promise] = {
    "type": gettext_lazy("Kind"),
    "model": gettext_lazy("Model"),
    "precision": gettext_lazy("Precision"),
    "stack": gettext_lazy("Stack"),
    "parallelism": gettext_lazy("Parallelism"),
    "host": gettext_lazy("Host"),
    "person": gettext_lazy("Started by"),
    "tag": gettext_lazy("Tags"),
    "mark": gettext_lazy("Marks"),
    "stamp": gettext_lazy("Flags"),
}
_TITLES: Mapping[str, str | Promise] = {
    **_FACET_TITLES,
    "q": gettext_lazy("text"),
    "deployment": gettext_lazy("deployment"),
    "pinned": gettext_lazy("Files"),
    "endpoint": gettext_lazy("endpoint"),
    "days": gettext_lazy("Created"),
    "from": gettext_lazy("Created from"),
    "to": gettext_lazy("Created until"),
}
_FLAGS: Mapping[str, str | Promise] = {
    "external": gettext_lazy("external"),
    "simulated": gettext_lazy("simulated"),
    "incomplete": gettext_lazy("incomplete"),
    "disturbed": gettext_lazy("disturbed"),
    "loaded": gettext_lazy("loaded host"),
    "imported": gettext_lazy("imported"),
    "few": gettext_lazy("few samples"),
    "cut": gettext_lazy("answers cut off"),
}
_WORDS: Mapping[str, str | Promise] = {
    "benchmark": gettext_lazy("benchmark"),
    "evaluation": gettext_lazy("evaluation"),
    "quiet": gettext_lazy("no flags"),
    "released": gettext_lazy("released"),
    "baseline": gettext_lazy("baseline"),
    "noted": gettext_lazy("with notes"),
    **_FLAGS,
}


class Asked(NamedTuple):
    """Filters of an address; ``errors`` by field, whose filter is then left out."""

    filters: Filters
    errors: Mapping[str, str]
    days: int | None
    dates: Mapping[str, str]


def asked(query: QueryDict) -> Asked:
    words = {str(word).casefold(): name for name, word in _FLAGS.items()}
    errors: dict[str, str] = {}
    bounds: dict[str, datetime] = {}
    dates = {name: query.get(name, "").strip() for name in _DATES}
    for name, text in dates.items():
        if text:
            try:
                date_ = date.fromisoformat(text)
                day = datetime(date_.year, date_.month, date_.day, tzinfo=get_current_timezone())
                day.astimezone(UTC)  # as a database is asked: the year 1 may overflow
                bounds[_DATES[name]] = day + timedelta(days=1) if name == "to" else day
            except (ValueError, OverflowError):
                errors[name] = _("Enter a date such as %(example)s.") % {"example": "2026-11-27"}
    days = number_from(query.get("days", ""))
    if days in DAYS:
        earliest = now() - timedelta(days=days)
        bounds["since"] = max(earliest, bounds.get("since", earliest))
    filters = Filters(
        facets={facet: query.getlist(facet) for facet in FACETS},
        stamps=[stamp for stamp in query.getlist("stamp") if stamp in listing.STAMPS],
        text=query.get("q", "").strip(),
        stamp_words={**{name: name for name in _FLAGS}, **words},
        deployment=number_from(query.get("deployment", "")),
        endpoint=number_from(query.get("endpoint", "")),
        pinned="1" in query.getlist("pinned"),
        tags=[tag for tag in query.getlist("tag") if tag],
        marks=[mark for mark in query.getlist("mark") if mark in listing.MARKS],
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


def facets(filters: Filters, stored: Counts | None = None) -> list[dict[str, Any]]:
    """Return the facets with counts and selection. ``stored``: those of ``counts_of``, if known."""
    counts = listing.facet_counts(filters, stored)
    added = {"tag": filters.tags, "mark": filters.marks}
    chosen = {**filters.facets, "stamp": filters.stamps, **added}
    counts |= {"tag": listing.tag_counts(filters), "mark": listing.mark_counts(filters)}
    for name, values in added.items():  # also without a result, so that they can be cleared
        known = {value for value, _n in counts[name]}
        counts[name] += [(value, 0) for value in values if value not in known]
    rows = []
    for name, title in _FACET_TITLES.items():
        options = [
            {"value": value, "word": word_of(name, value), "count": n, "on": value in chosen[name]}
            for value, n in counts[name]
        ]
        rows.append({"name": name, "title": title, "options": options})
    pinned = listing.pinned_count(filters)
    if pinned or filters.pinned:
        option = {"value": "1", "word": _("kept"), "count": pinned, "on": filters.pinned}
        rows.append({"name": "pinned", "title": _TITLES["pinned"], "options": [option]})
    return rows


def chips(query: QueryDict, read: Asked) -> list[dict[str, Any]]:
    """Return the active filters, each with the query without it."""
    rows = []
    for name, title in _TITLES.items():
        for value in query.getlist(name):
            if name in read.errors or (name == "days" and read.days is None):
                continue
            without = query.copy()
            without.setlist(name, [one for one in without.getlist(name) if one != value])
            without.pop("after", None)
            if word := word_of(name, value):
                rows.append({"title": title, "word": word, "without": without.urlencode()})
    return rows


def word_of(name: str, value: str) -> str:
    """Return the value of a filter as text; what people typed stays unchanged."""
    if name == "stack":
        return stack_name(value)
    if name == "host":
        return host_word(value)
    if name == "days":
        n = number_from(value) or 0
        return ngettext("last day", "last %(n)s days", n) % {"n": n}
    if name == "pinned":
        return _("kept")
    if name in ("q", "tag", "from", "to", "deployment", "endpoint", "person"):
        return value
    return str(_WORDS[value]) if value in _WORDS else phrase(value)


def list_head(request: HttpRequest, read: Asked, counts: Counts | None = None) -> dict[str, Any]:
    user, shown = person(request), [column.name for column in chosen(request, "results")]
    grouped, single = request.GET.copy(), request.GET.copy()
    for query in (grouped, single):
        query.pop("after", None)
    grouped["group"] = "identity"
    single.pop("group", None)
    return {
        "facets": facets(read.filters, counts),
        "read": read,
        "days": [{"value": n, "word": word_of("days", str(n)), "on": read.days == n} for n in DAYS],
        "chosen": chips(request.GET, read),
        "views": [
            (view, allowed(request.user, "result.change_view", view))
            for view in (views_for(user) if user else ())
        ],
        "view_query": kept(request.GET, columns=written(shown, "results")),
        "may_save_view": allowed(request.user, "result.save_view"),
        "longest_view": results.VIEW_CHARS,
        "may_tag": allowed(request.user, "result.tag"),
        "tag_names": tag_names(),
        "longest_tag": results.TAG_CHARS,
        "as_identities": grouped.urlencode(),
        "as_runs": single.urlencode(),
    }
