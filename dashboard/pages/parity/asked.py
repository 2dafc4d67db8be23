"""Request for a parity statement: results, bare counts or pasted tables; page, API, command.

Fields: ``base`` and ``id`` (results), ``base_counts``, ``counts`` and ``sets`` (counts and their
names), ``left_out`` (names of sets without counts), ``base_title`` and ``title`` (names of both
sides of counts), ``tables`` and ``baseline`` (pasted text, its column: "first", "second", "" by
their names), ``margin``, ``goal``, ``planned``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from django.utils.translation import gettext as _

from dashboard.pages.shared.compared import read_groups
from dashboard.pages.shared.provenance import part_title
from dashboard.text.labels import phrase, result_name
from jobs.base.messages import Message
from jobs.base.numbers import number_from, result_number
from jobs.models import Result
from jobs.queries.comparison.comparison import Comparison
from jobs.queries.parity import counts, pasted
from jobs.queries.parity.compared import (
    LEAST_MARGIN,
    MARGIN,
    MOST_MARGIN,
    Parity,
    of_sides,
    parity,
    usual_goal,
)
from jobs.queries.parity.errors import ParityError
from jobs.queries.parity.repeats import no_repeat
from jobs.queries.parity.sides import Notes, Side, side_of
from jobs.queries.parity.statement import Looks, state
from jobs.queries.results.named import NotNumbered, pks_of
from jobs.statistics import Goal

MOST_RUNS = 16
GOALS: Sequence[str] = get_args(Goal)
TABLE_GOAL: Goal = "at_least"  # of counts and tables: the baseline is somebody else's
LONGEST_NAME = 120
Source = Literal["results", "counts", "tables"]
# Where an error of counts is shown.
_FIELDS = {"base": "base_counts", "result": "counts", "names": "sets"}


@dataclass(frozen=True, slots=True)
class Asks:
    """Question about two sides. ``margin`` in points. ``goal``: None for the usual one."""

    margin: float
    goal: Goal | None
    planned: int | None

    def looks(self) -> Looks:
        """Return the looks at sides that are no results."""
        return Looks(self.planned, are_known=False)


@dataclass(frozen=True, slots=True)
class SideView:
    """A side as shown: its name, and its results if it has any. ``title``: the name in an address,
    of counts that have one."""

    name: str
    results: Sequence[Result] = ()
    title: str = ""

    @property
    def called(self) -> str:
        """Return the name next to "Baseline" or "Result"; "" without an own one."""
        return self.name if self.results else self.title

    @property
    def ids(self) -> str:
        """Return the numbers of the results, as in the address."""
        return ",".join(map(result_name, self.results))


@dataclass(frozen=True, slots=True)
class Stated:
    """Statement with its request; ``parity.statement`` is None for sides that are not comparable.

    For an address: ``counts``, both sides as typed; ``left_out``, names of sets without counts.
    """

    source: Source
    parity: Parity
    base: SideView
    result: SideView
    asks: Asks
    counts: tuple[str, str] = ("", "")
    names: Sequence[str] = ()
    left_out: Sequence[str] = ()
    tables: str = ""

    @property
    def goal(self) -> Goal | None:
        """Return the question: the usual one if nobody chose one; None without a statement."""
        statement = self.parity.statement
        return statement.goal if statement else self.asks.goal

    @property
    def results(self) -> list[Result]:
        """Return all results."""
        return [*self.base.results, *self.result.results]


def is_asked(data: Mapping[str, str]) -> bool:
    """Return True when two sides are named; one alone begins the form."""
    given = {name for name, text in data.items() if text.strip()}
    return bool(given & {"counts", "base_counts", "tables"}) or {"base", "id"} <= given


def stated(data: Mapping[str, str]) -> Stated:
    """Return the requested statement.

    Raises:
        ParityError: at a field, with what to do.
    """
    asks = _asks_of(data)
    given = {name: data.get(name, "").strip() for name in ("base", "id", "tables")}
    typed = (data.get("base_counts", "").strip(), data.get("counts", "").strip())
    kinds = [bool(given["id"]), any(typed), bool(given["tables"])]
    if sum(kinds) > 1:
        raise ParityError(Message("parity:both"))
    if given["tables"]:
        chosen = data.get("baseline", "")
        found = _of_tables(given["tables"], given["base"], asks, chosen)
    elif any(typed):
        titles = (data.get("base_title", ""), data.get("title", ""))
        found = _of_counts(typed, titles, data, asks)
    else:
        found = _of_results(given["base"], given["id"], asks)
    asked = found.parity.statement.pooled.questions if found.parity.statement else (0, 0)
    if asks.planned is not None and asks.planned < min(asked):
        raise ParityError(Message("parity:fewer_planned", {"n": min(asked)}), "planned")
    return found


def of_comparison(comparison: Comparison, margin: str, goal: str = "") -> Stated | None:
    """Return the statement of two compared evaluations; None for others, for different work, and
    without a common data set. The work of an import is unknown: it has a statement, with a warning.

    Raises:
        ParityError: at "margin" or "goal".
    """
    asks = _asks_of({"margin": margin, "goal": goal})
    sides = [list(column.runs) for column in comparison.columns]
    is_evaluation = comparison.heads[0].type == Result.Type.EVALUATION
    is_known = all(barrier.is_unknown for barrier in comparison.barriers)
    if len(sides) != 2 or not is_evaluation or not is_known:
        return None
    found = _parity(sides[0], sides[1], asks)
    if found.statement is None:
        return None
    return Stated("results", found, _view(sides[0]), _view(sides[1]), asks)


def _asks_of(data: Mapping[str, str]) -> Asks:
    goal = data.get("goal", "").strip()
    if goal and goal not in GOALS:
        raise ParityError(Message("parity:goal", {"goals": ", ".join(GOALS)}), "goal")
    planned = _planned(data.get("planned", ""))
    return Asks(_margin(data.get("margin", "")), cast("Goal", goal) if goal else None, planned)


def _parity(base: Sequence[Result], result: Sequence[Result], asks: Asks) -> Parity:
    goal = asks.goal or usual_goal(base, result)
    return parity(base, result, asks.margin, goal, asks.planned)


def _margin(text: str) -> float:
    try:
        margin = float(text) if text.strip() else MARGIN
    except ValueError:
        margin = math.nan
    if not LEAST_MARGIN <= margin <= MOST_MARGIN:
        args = {"least": f"{LEAST_MARGIN:g}", "most": f"{MOST_MARGIN:g}"}
        raise ParityError(Message("parity:margin", args), "margin")
    return margin


def _planned(text: str) -> int | None:
    if not text.strip():
        return None
    planned = number_from(text.strip())
    if not planned or planned > counts.MOST_QUESTIONS:
        raise ParityError(Message("parity:planned"), "planned")
    return planned


def _of_results(base: str, result: str, asks: Asks) -> Stated:
    first, second = runs_of(base, "base"), runs_of(result, "id")
    own = {run.pk for run in first}
    twice = next((run for run in second if run.pk in own), None)
    if twice is not None:
        raise ParityError(Message("parity:same", {"name": result_name(twice)}), "id")
    found = _parity(first, second, asks)
    return Stated("results", found, _view(first), _view(second), asks)


def runs_of(text: str, field: str) -> list[Result]:
    """Return the evaluations of one side: "res-11"; "res-11,res-12" for repeats, or for one
    measurement whose runs asked parts of the questions.

    Raises:
        ParityError: at ``field``.
    """
    try:
        numbers = pks_of(text.split(","))
    except NotNumbered as error:
        raise ParityError(error.reason, field) from error
    if not numbers:
        raise ParityError(Message("parity:numbers"), field)
    if len(numbers) > MOST_RUNS:
        raise ParityError(Message("parity:many", {"most": MOST_RUNS}), field)
    groups, absent = read_groups([numbers])
    if absent:
        ids = ", ".join(map(result_number, absent))
        raise ParityError(Message("parity:missing", {"ids": ids}), field)
    for run in groups[0]:
        if run.type != Result.Type.EVALUATION:
            raise ParityError(Message("parity:type", {"name": result_name(run)}), field)
    if other := no_repeat(groups[0]):
        run, names = other
        titles = _(", ").join(dict.fromkeys(map(part_title, names)))
        args = {"a": result_name(groups[0][0]), "b": result_name(run), "parts": titles}
        raise ParityError(Message("parity:no_repeats", args), field)
    return groups[0]


def _view(runs: Sequence[Result]) -> SideView:
    head = runs[0]
    name = result_name(head)
    label = head.device or phrase(head.label) or (head.imported.model if head.imported else "")
    if label:
        name = _("%(result)s (%(label)s)") % {"result": name, "label": label}
    if len(runs) > 1:
        name += _(", %(n)s runs") % {"n": len(runs)}
    return SideView(name, runs)


def _titled(title: str, default: str) -> SideView:
    own = " ".join(title.split())[:LONGEST_NAME]
    return SideView(own or default, title=own)


def _of_counts(
    typed: tuple[str, str], titles: tuple[str, str], data: Mapping[str, str], asks: Asks
) -> Stated:
    names, left_out = (_names_in(data.get(name, "")) for name in ("sets", "left_out"))
    try:
        base, result = (
            counts.counts_of(text, field)
            for text, field in zip(typed, ("base", "result"), strict=True)
        )
        evidence = counts.evidence_of(base, result, names)
    except ParityError as error:
        raise ParityError(error.reason, _FIELDS.get(error.field, error.field)) from error
    statement = state(evidence, asks.margin / 100, asks.goal or TABLE_GOAL, asks.looks())
    found = Parity(statement, Notes(declared=list(names) or [""], left_out=left_out))
    sides = _titled(titles[0], _("Baseline")), _titled(titles[1], _("Result"))
    written = tuple(",".join(one.text for one in side) for side in (base, result))
    both = written[0], written[1]
    return Stated("counts", found, *sides, asks, counts=both, names=names, left_out=left_out)


def _names_in(text: str) -> list[str]:
    return [name.strip()[:LONGEST_NAME] for name in text.split(",")] if text.strip() else []


def _of_tables(text: str, base: str, asks: Asks, chosen: str) -> Stated:
    columns = [(_titled(one.name, one.name), one.side) for one in pasted.columns_of(text)]
    if len(columns) > 2 or (base and len(columns) > 1):
        raise ParityError(Message("parity:many_tables", {"n": len(columns)}), "tables")
    if len(columns) == 1 and not base:
        raise ParityError(Message("parity:one_table"), "tables")
    if base:
        runs = runs_of(base, "base")
        columns.insert(0, (_view(runs), side_of(runs)))
    elif _baseline(columns[0][0].name, columns[1][0].name, chosen):
        columns.reverse()
    (first, own), (second, other) = columns
    found = of_sides(own, other, asks.margin, asks.goal or TABLE_GOAL, asks.looks())
    stated_ = Stated("tables", found, first, second, asks, tables=text)
    return stated_ if base else replace(stated_, **_written(own, other, found))


def _baseline(first: str, second: str, chosen: str) -> int:
    """Return the index of the baseline: as chosen, else by the names of the columns.

    Raises:
        ParityError: at "baseline", where the names do not tell.
    """
    if chosen in ("first", "second"):
        return int(chosen == "second")
    found = pasted.baseline_of(first, second)
    if found is None:
        args = {"first": first[:LONGEST_NAME], "second": second[:LONGEST_NAME]}
        raise ParityError(Message("parity:which_baseline", args), "baseline")
    return found


def _written(own: Side, other: Side, found: Parity) -> dict[str, Any]:
    """Return the tables as counts, for an address that others can open; {} without a statement."""
    if found.statement is None:
        return {}
    names = [row.name for row in found.statement.rows]
    totals = [row.questions for row in found.statement.rows]
    written = [
        ",".join(
            f"{side.sets[name].value:.{side.sets[name].decimals}f}%{total[index]}"
            for name, total in zip(names, totals, strict=True)
        )
        for index, side in enumerate((own, other))
    ]
    left_out = [name for name in dict.fromkeys((*own.names, *other.names)) if name not in names]
    return {"counts": (written[0], written[1]), "names": names, "left_out": left_out}
