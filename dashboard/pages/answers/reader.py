"""Reader of answers: filters of an address, headings and links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.pages.shared.columns import Column
from dashboard.text.answers import MEANINGS, TITLES
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.numbers import result_pk
from jobs.models import Result
from jobs.queries.answers.answer_list import (
    FIRST,
    ORDERS,
    PLACES,
    SHOWN,
    VERDICTS,
    Matches,
    Wanted,
    bases_of,
)
from jobs.queries.results.named import NotNumbered, pk_of
from jobs.queries.sorting import Order

LONGEST = 200
COLUMNS: Sequence[Column] = (
    Column("index", gettext_lazy("No."), orders=[("index", gettext_lazy("No."))], css="r"),
    Column("verdict", gettext_lazy("Verdict"), orders=[("verdict", gettext_lazy("Verdict"))]),
    Column(
        "question",
        gettext_lazy("Question"),
        orders=[
            ("question", gettext_lazy("Question")),
            ("set", gettext_lazy("Set")),
            ("category", gettext_lazy("Category")),
        ],
    ),
    Column("flags", gettext_lazy("Flags"), orders=[("flags", gettext_lazy("Flags"))], falls=True),
    Column(
        "tokens",
        gettext_lazy("Tokens"),
        orders=[("tokens", gettext_lazy("Tokens")), ("length", gettext_lazy("Chars"))],
        css="r",
        falls=True,
    ),
    Column(
        "latency",
        gettext_lazy("Time, s"),
        orders=[("latency", gettext_lazy("Time, s"))],
        css="r",
        falls=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Filters of an address. ``problem``: invalid ones, in words; ``bases`` are the choices."""

    wanted: Wanted
    bases: Sequence[Result]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter: how many answers it leaves, and the address that switches it."""

    name: str
    title: str
    meaning: str
    count: int
    query: str
    is_on: bool


def asked(query: QueryDict, result: Result) -> Asked:
    """Return the filters of an address. Unknown values are left out."""
    bases, base, problem = bases_of(result), None, ""
    if text := query.get("base", ""):
        number = result_pk(text)
        base = next((one for one in bases if one.pk == number), None) or _other(number, result)
        if base is None:
            problem = _base_problem(text)
    shown = [name for name in SHOWN if name in query.getlist("show")]
    if base is None:
        shown = [name for name in shown if name != "changed"]
    places = [name for name in PLACES if name in query.getlist("in")]
    wanted = Wanted(
        shown=tuple(shown),
        subset=query.get("set", "")[:LONGEST],
        category=query.get("category", "")[:LONGEST],
        text=query.get("q", "").strip()[:LONGEST],
        places=tuple(places or PLACES),
        order=_order(query.get("order", "")),
        base=base,
    )
    return Asked(wanted, bases, problem)


def _base_problem(text: str) -> str:
    try:
        pk_of(text)
    except NotNumbered as error:
        return message(error.reason.id, error.reason.args)
    return _("No evaluation with answers to compare with: %(id)s.") % {"id": text[:30]}


def _order(text: str) -> Order:
    name = text.removeprefix("-")
    return Order(name, text.startswith("-")) if name in ORDERS else FIRST


def _other(number: int | None, result: Result) -> Result | None:
    """Return a result that has rows and is not among the choices: its questions differ."""
    if number is None:
        return None
    same = Result.objects.filter(pk=number, type=result.type, rows_version__gt=0)
    return same.exclude(pk=result.pk).select_related("deployment", "endpoint", "host").first()


def chips(query: QueryDict, wanted: Wanted, found: Matches) -> list[list[Chip]]:
    """Return the filters in groups: verdicts, flags, others. One without answers is left out,
    unless it is on, or a verdict."""
    groups = (VERDICTS, SHOWN[len(VERDICTS) : -3], SHOWN[-3:])
    made = [[_chip(query, wanted, found, name) for name in names] for names in groups]
    return [
        [chip for chip in group if chip.count or chip.is_on or chip.name in VERDICTS[:2]]
        for group in made
    ]


def _chip(query: QueryDict, wanted: Wanted, found: Matches, name: str) -> Chip:
    is_on = name in wanted.shown
    shown = [one for one in wanted.shown if one != name] if is_on else [*wanted.shown, name]
    changed = plain(query)
    changed.setlist("show", shown)
    return Chip(
        name, str(TITLES[name]), str(MEANINGS[name]), found.counts[name], _written(changed), is_on
    )


def plain(query: QueryDict) -> QueryDict:
    """Return an address' filters without the page of the list."""
    kept = query.copy()
    kept.pop("page", None)
    return kept


def without(query: QueryDict, *names: str) -> str:
    """Return an address' filters without some."""
    kept = plain(query)
    for name in names:
        kept.pop(name, None)
    return _written(kept)


def base_choices(read: Asked) -> list[tuple[str, str]]:
    """Return the results to compare with, as number and words."""
    known = list(read.bases)
    if read.wanted.base is not None and read.wanted.base not in known:
        known.insert(0, read.wanted.base)
    return [(result_name(one), f"{result_name(one)} {one.measured}") for one in known]


def _written(query: QueryDict) -> str:
    return query.urlencode(safe="/")
