"""Reader of answers: filters of an address, headings and links, and the questions listed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.pages.shared.columns import Column
from dashboard.text.answers import MEANINGS, TITLES
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.messages import Message
from jobs.base.numbers import result_pk
from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import LONGEST_NAME, LONGEST_NOTE
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
    matches,
)
from jobs.queries.answers.own_questions import NoQuestions, OwnQuestions, questions_at, set_of
from jobs.queries.results.results import NotNumbered, pk_of
from jobs.queries.sorting import Order

LONGEST = 200
_MOST_TRIED = 100
_OF_QUESTION = (("set", gettext_lazy("Set")), ("category", gettext_lazy("Category")))
_CHARS = (("length", gettext_lazy("Chars")),)
COLUMNS: Sequence[Column] = (
    Column("index", gettext_lazy("No."), css="r"),
    Column("verdict", gettext_lazy("Verdict")),
    Column("question", gettext_lazy("Question"), also=_OF_QUESTION),
    Column("flags", gettext_lazy("Flags"), falls=True),
    Column("tokens", gettext_lazy("Tokens"), also=_CHARS, css="r", falls=True),
    Column("latency", gettext_lazy("Time, s"), css="r", falls=True),
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
            problem = _("No evaluation with answers to compare with: %(id)s.") % {"id": text[:30]}
            try:
                pk_of(text)
            except NotNumbered as error:
                problem = message(error.reason.id, error.reason.args)
    shown = [name for name in SHOWN if name in query.getlist("show")]
    if base is None:
        shown = [name for name in shown if name != "changed"]
    order = query.get("order", "")
    name = order.removeprefix("-")
    wanted = Wanted(
        shown=tuple(shown),
        subset=query.get("set", "")[:LONGEST],
        category=query.get("category", "")[:LONGEST],
        text=query.get("q", "").strip()[:LONGEST],
        places=tuple(name for name in PLACES if name in query.getlist("in")) or tuple(PLACES),
        order=Order(name, order.startswith("-")) if name in ORDERS else FIRST,
        base=base,
    )
    return Asked(wanted, bases, problem)


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
    title, meaning, address = str(TITLES[name]), str(MEANINGS[name]), changed.urlencode(safe="/")
    return Chip(name, title, meaning, found.counts[name], address, is_on)


def plain(query: QueryDict) -> QueryDict:
    """Return an address' filters without the page of the list."""
    kept = query.copy()
    kept.pop("page", None)
    return kept


def without(query: QueryDict, *names: str) -> str:
    kept = plain(query)
    for name in names:
        kept.pop(name, None)
    return kept.urlencode(safe="/")


def base_choices(read: Asked) -> list[tuple[str, str]]:
    known = list(read.bases)
    if read.wanted.base is not None and read.wanted.base not in known:
        known.insert(0, read.wanted.base)
    return [(result_name(one), f"{result_name(one)} {one.measured}") for one in known]


@dataclass(frozen=True, slots=True)
class Export:
    """Questions to save as a set or to download. ``own`` is None where there are none; ``problem``
    says why. ``proposed``: id, name and note that a form of a set begins with; the id is free."""

    own: OwnQuestions | None = None
    problem: str = ""
    proposed: dict[str, str] = field(default_factory=dict)


def reason_of(result: Result) -> str:
    try:
        set_of(result)
    except NoQuestions as error:
        return message(error.reason.id, error.reason.args)
    return ""


def export(query: QueryDict, result: Result) -> Export:
    try:
        return _listed(query, result)
    except NoQuestions as error:
        return Export(problem=message(error.reason.id, error.reason.args))


def _listed(query: QueryDict, result: Result) -> Export:
    set_of(result)
    shown = query.getlist("show")
    if unknown := [name for name in shown if name not in SHOWN]:
        raise NoQuestions(Message("questions:filter", {"name": unknown[0][:40]}))
    wanted = asked(query, result).wanted
    if wanted.base is None and ("changed" in shown or query.get("base")):
        raise NoQuestions(Message("questions:no_base"))
    own = questions_at(result, matches(result, wanted).indexes)
    name = _("Answers of %(name)s") % {"name": result_name(result)}
    set_id = f"answers-{result_name(result)}"
    if wanted.base is not None and "changed" in shown:
        args = {"base": result_name(wanted.base), "result": result_name(result)}
        name = _("Changed answers, %(base)s → %(result)s") % args
        set_id = f"changed-{result_name(wanted.base)}-{result_name(result)}"
    return export_of(own, set_id, name)


def export_of(own: OwnQuestions, set_id: str, name: str) -> Export:
    """Return questions with the fields of a new set. Raises ``NoQuestions`` for none."""
    if not own.questions and own.lacking:
        raise NoQuestions(Message("questions:changed_since", {"key": own.key}))
    if not own.questions:
        raise NoQuestions(Message("questions:no_match"))
    tried = (set_id, *(f"{set_id}-{number}" for number in range(2, _MOST_TRIED)))
    free = next((one for one in tried if QUESTION_SETS.of_team(one) is None), "")
    note = (_("From %(key)s.") % {"key": own.key})[:LONGEST_NOTE]
    return Export(own, "", {"id": free, "name": name[:LONGEST_NAME], "note": note})
