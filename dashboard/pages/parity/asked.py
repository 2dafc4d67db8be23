"""Request for a parity statement: results, bare counts or pasted tables; page, API, command.

Fields: ``base`` and ``id`` (results; ``res-27;res-31`` are several candidates), ``base_counts``,
``counts`` and ``sets`` (counts and their names), ``left_out`` (names of sets without counts),
``base_title`` and ``title`` (names of both sides of counts), ``tables`` and ``baseline`` (pasted
text, its column: "first", "second", "" by their names), ``margin``, ``goal``, ``planned``.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, cast, get_args
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.pages.shared.comparison import named, read_groups
from dashboard.pages.shared.words import part_title
from dashboard.text.labels import phrase, result_name
from jobs.base.messages import Message
from jobs.base.numbers import number_from, result_number
from jobs.kinds import KINDS
from jobs.kinds.evaluate import Evaluate
from jobs.models import Result
from jobs.queries.comparison.comparison import Comparison
from jobs.queries.parity import entered
from jobs.queries.parity.entered import ParityError
from jobs.queries.parity.runs import no_repeat
from jobs.queries.parity.sides import Notes, SideSets, side_of
from jobs.queries.parity.statement import (
    LEAST_MARGIN,
    MARGIN,
    MOST_MARGIN,
    Adjusted,
    Looks,
    Parity,
    adjusted,
    of_sides,
    parity,
    state,
    usual_goal,
)
from jobs.queries.results.results import NotNumbered, number_of_job, of_jobs, pk_of, pks_of
from jobs.statistics import Goal

MOST_RUNS = 16
MOST_CANDIDATES = 12
MOST_CHOICES = 50
GOALS: Sequence[str] = get_args(Goal)
TABLE_GOAL: Goal = "at_least"  # of counts and tables: the baseline is somebody else's
LONGEST_NAME = 120
Source = Literal["results", "counts", "tables"]
# Parameters of an evaluation that decide its questions and answers.
_SAME = (
    *("questions", "language", "limit", "question_seed"),
    *("max_tokens", "temperature", "batch", "thinking"),
)


class Asks(NamedTuple):
    """Question about two sides. ``margin`` in points. ``goal``: None for the usual one."""

    margin: float
    goal: Goal | None
    planned: int | None

    @property
    def looks(self) -> Looks:
        """Looks at counts, of which earlier ones are not known."""
        return Looks(self.planned, are_known=False)


class SideView(NamedTuple):
    """A side as shown: its name, and its results if it has any. ``title``: the name in an address,
    of counts that have one. ``called``: name next to "Baseline" or "Result"; "" without one."""

    name: str
    results: Sequence[Result] = ()
    title: str = ""

    @property
    def called(self) -> str:
        return self.name if self.results else self.title

    @property
    def label(self) -> str:
        """Its device, precision or model, without the number of a result; "" for counts."""
        if not self.results:
            return ""
        head = self.results[0]
        return head.device or phrase(head.label) or (head.imported.model if head.imported else "")

    @property
    def ids(self) -> str:
        return ",".join(map(result_name, self.results))


@dataclass(frozen=True, slots=True)
class Stated:
    """Statement with its request; ``parity.statement`` is None for sides that are not comparable.
    ``counts``: both sides as typed; ``left_out``: names of sets without counts."""

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
        """The question: the usual one if nobody chose one; None without a statement."""
        statement = self.parity.statement
        return statement.goal if statement else self.asks.goal

    @property
    def sides(self) -> tuple[SideView, SideView]:
        return self.base, self.result

    @property
    def results(self) -> list[Result]:
        return [*self.base.results, *self.result.results]

    @property
    def file_name(self) -> str:
        if self.source != "results":
            return "parity"
        return f"parity-{self.base.ids}-{self.result.ids}".replace(",", "+")


class Family(NamedTuple):
    """Several candidates against one baseline: the statement of each, and its verdict corrected for
    their number, None where it is not comparable."""

    base: SideView
    asks: Asks
    members: Sequence[tuple[Stated, Adjusted | None]]

    @property
    def results(self) -> list[Result]:
        runs = (run for stated, _own in self.members for run in stated.results)
        return list(dict.fromkeys(runs))

    @property
    def query(self) -> str:
        ids = ";".join(stated.result.ids for stated, _own in self.members)
        named = urlencode({"base": self.base.ids, "id": ids}, safe=",;")
        return f"{named}&{asks_query(self.asks, self.asks.goal)}"

    @property
    def file_name(self) -> str:
        return f"parity-{self.base.ids}-{len(self.members)}".replace(",", "+")


def is_family(data: Mapping[str, str]) -> bool:
    return ";" in data.get("id", "")


def family(data: Mapping[str, str]) -> Family:
    """Return the statement on several candidates: ``base`` and ``id`` are results, as in an
    address. Raises ``ParityError`` at a field."""
    asks = _asks_of(data)
    base = runs_of(data.get("base", ""), "base")
    texts = [text for text in data.get("id", "").split(";") if text.strip()]
    if len(texts) > MOST_CANDIDATES:
        raise ParityError(Message("parity:many_candidates", {"most": MOST_CANDIDATES}), "id")
    found: list[Stated] = []
    taken = list(base)
    for runs in (runs_of(text, "id") for text in texts):
        if twice := next((run for run in runs if run in taken), None):
            raise ParityError(Message("parity:twice", {"name": result_name(twice)}), "id")
        taken += runs
        one = _stated(base, runs, asks)
        statement = one.parity.statement
        if statement and (statement.looks.planned or statement.looks.number > 1):
            raise ParityError(Message("parity:looks", {"name": one.result.name}), "id")
        found.append(one)
    if len(found) < 2:
        raise ParityError(Message("parity:one_candidate"), "id")
    own = adjusted([one.parity for one in found])
    return Family(_view(base), asks, list(zip(found, own, strict=True)))


def is_asked(data: Mapping[str, str]) -> bool:
    """Return True when two sides are named; one alone begins the form."""
    given = {name for name, text in data.items() if text.strip()}
    return bool(given & {"counts", "base_counts", "tables"}) or {"base", "id"} <= given


def stated(data: Mapping[str, str]) -> Stated:
    """Return the requested statement. Raises ``ParityError`` at a field, with what to do."""
    asks = _asks_of(data)
    base, result, tables, *typed = (
        data.get(name, "").strip() for name in ("base", "id", "tables", "base_counts", "counts")
    )
    if sum(map(bool, (result, any(typed), tables))) > 1:
        raise ParityError(Message("parity:both"))
    if tables:
        found = _of_tables(tables, base, asks, data.get("baseline", ""))
    elif any(typed):
        found = _of_counts(typed, data, asks)
    else:
        first, second = runs_of(base, "base"), runs_of(result, "id")
        if twice := next((run for run in second if run in first), None):
            raise ParityError(Message("parity:same", {"name": result_name(twice)}), "id")
        found = _stated(first, second, asks)
    asked = found.parity.statement.pooled.questions if found.parity.statement else (0, 0)
    if asks.planned is not None and asks.planned < min(asked):
        raise ParityError(Message("parity:fewer_planned", {"n": min(asked)}), "planned")
    return found


def of_comparison(comparison: Comparison, margin: str, goal: str = "") -> Stated | None:
    """Return the statement of two compared evaluations; None for others, for different work, and
    without a common data set. The work of an import is unknown: it has a statement, with a warning.
    Raises ``ParityError`` at "margin" or "goal"."""
    asks = _asks_of({"margin": margin, "goal": goal})
    sides = [list(column.runs) for column in comparison.columns]
    is_evaluation = comparison.heads[0].type == Result.Type.EVALUATION
    is_known = all(barrier.is_unknown for barrier in comparison.barriers)
    if len(sides) != 2 or not is_evaluation or not is_known:
        return None
    found = _stated(sides[0], sides[1], asks)
    return found if found.parity.statement else None


def _asks_of(data: Mapping[str, str]) -> Asks:
    goal, planned_text = data.get("goal", "").strip(), data.get("planned", "").strip()
    if goal and goal not in GOALS:
        raise ParityError(Message("parity:goal", {"goals": ", ".join(GOALS)}), "goal")
    try:
        margin = float(data.get("margin", "").strip() or MARGIN)
    except ValueError:
        margin = math.nan
    if not LEAST_MARGIN <= margin <= MOST_MARGIN:
        args = {"least": f"{LEAST_MARGIN:g}", "most": f"{MOST_MARGIN:g}"}
        raise ParityError(Message("parity:margin", args), "margin")
    planned = number_from(planned_text) if planned_text else None
    if planned_text and (not planned or planned > entered.MOST_QUESTIONS):
        raise ParityError(Message("parity:planned"), "planned")
    return Asks(margin, cast("Goal", goal) if goal else None, planned)


def _stated(base: Sequence[Result], result: Sequence[Result], asks: Asks) -> Stated:
    goal = asks.goal or usual_goal(base, result)
    found = parity(base, result, asks.margin, goal, asks.planned)
    return Stated("results", found, _view(base), _view(result), asks)


def runs_of(text: str, field: str) -> list[Result]:
    """Return the evaluations of one side: "res-11"; "res-11,res-12" for repeats, or for one
    measurement whose runs asked parts of the questions. Raises ``ParityError`` at ``field``."""
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
    side = SideView("", runs)
    return side._replace(name=named(runs, side.label))


def _titled(title: str, default: str) -> SideView:
    own = " ".join(title.split())[:LONGEST_NAME]
    return SideView(own or default, title=own)


def _of_counts(typed: Sequence[str], data: Mapping[str, str], asks: Asks) -> Stated:
    names, left_out = (
        [name.strip()[:LONGEST_NAME] for name in text.split(",")] if text.strip() else []
        for text in (data.get("sets", ""), data.get("left_out", ""))
    )
    try:
        base, result = entered.counts_of(typed[0], "base"), entered.counts_of(typed[1], "result")
        evidence = entered.evidence_of_counts(base, result, names)
    except ParityError as error:
        fields = {"base": "base_counts", "result": "counts", "names": "sets"}
        raise ParityError(error.reason, fields.get(error.field, error.field)) from error
    statement = state(evidence, asks.margin / 100, asks.goal or TABLE_GOAL, asks.looks)
    found = Parity(statement, Notes({"declared": names or [""], "left_out": left_out}))
    return Stated(
        *("counts", found),
        _titled(data.get("base_title", ""), _("Baseline")),
        _titled(data.get("title", ""), _("Result")),
        asks,
        counts=(",".join(one.text for one in base), ",".join(one.text for one in result)),
        names=names,
        left_out=left_out,
    )


def _of_tables(text: str, base: str, asks: Asks, chosen: str) -> Stated:
    """Return the statement of pasted tables. The baseline is as chosen, else by the names of the
    columns. Raises ``ParityError`` at "baseline", where the names do not tell."""
    columns = [(_titled(name, name), side) for name, side in entered.columns_of(text)]
    if len(columns) > 2 or (base and len(columns) > 1):
        raise ParityError(Message("parity:many_tables", {"n": len(columns)}), "tables")
    if len(columns) == 1 and not base:
        raise ParityError(Message("parity:one_table"), "tables")
    if base:
        runs = runs_of(base, "base")
        columns.insert(0, (_view(runs), side_of(runs)))
    else:
        names = [view.name for view, _side in columns]
        index = {"first": 0, "second": 1}.get(chosen, entered.baseline_of(*names))
        if index is None:
            args = {"first": names[0][:LONGEST_NAME], "second": names[1][:LONGEST_NAME]}
            raise ParityError(Message("parity:which_baseline", args), "baseline")
        if index:
            columns.reverse()
    (first, own), (second, other) = columns
    found = of_sides(own, other, asks.margin, asks.goal or TABLE_GOAL, asks.looks)
    statement = Stated("tables", found, first, second, asks, tables=text)
    return statement if base else replace(statement, **_written(own, other, found))


def _written(own: SideSets, other: SideSets, found: Parity) -> dict[str, Any]:
    """Return the tables as entered, for an address that others can open; {} without a statement."""
    if found.statement is None:
        return {}
    rows = found.statement.rows
    names = [row.name for row in rows]
    written = [
        ",".join(
            f"{side.sets[row.name].value:.{side.decimals[row.name]}f}%{row.questions[index]}"
            for row in rows
        )
        for index, side in enumerate((own, other))
    ]
    left_out = [name for name in dict.fromkeys((*own.names, *other.names)) if name not in names]
    return {"counts": (written[0], written[1]), "names": names, "left_out": left_out}


def query_of(found: Stated, *, is_swapped: bool = False) -> str:
    """Return the query of the statement's address; "" for a table beside a result."""
    first, second = found.sides[::-1] if is_swapped else found.sides
    if found.source == "results":
        named = {"base": first.ids, "id": second.ids}
    elif any(found.counts):
        typed = found.counts[::-1] if is_swapped else found.counts
        named = {"base_counts": typed[0], "counts": typed[1], "sets": ",".join(found.names)}
        named |= {"left_out": ",".join(found.left_out)}
        named |= {"base_title": first.title, "title": second.title}
    else:
        return ""
    known = {name: value for name, value in named.items() if value}
    return f"{urlencode(known, safe=',/')}&{asks_query(found.asks, found.goal)}"


def asks_query(asks: Asks, goal: Goal | None) -> str:
    """Return the part of a statement's address that does not name its sides."""
    asked = {"margin": f"{asks.margin:g}", "goal": goal, "planned": asks.planned}
    return urlencode({name: value for name, value in asked.items() if value})


def choices() -> list[tuple[str, str]]:
    """Return the latest evaluations, newest first: name, and what a person searches by."""
    rows = Result.objects.filter(type=Result.Type.EVALUATION).order_by("-created_at", "-id")
    found = []
    for one in rows.select_related("deployment", "endpoint", "imported")[:MOST_CHOICES]:
        when = f"{timezone.localtime(one.created_at):%Y-%m-%d %H:%M}"
        label, what = phrase(one.label), phrase(one.what)
        parts = (one.model_id, label, what, one.measured, one.device, when)
        found.append((result_name(one), _(", ").join(dict.fromkeys(filter(None, parts)))))
    return found


def ids_of(text: str, field: str) -> str:
    """Return typed results as in an address; "" of no text. "#11" is the result of job 11, and
    semicolons are between candidates. Raises ``ParityError`` at ``field``."""
    candidates = re.split(r"[;；]", text)
    if len(candidates) > 1:
        return ";".join(filter(None, (ids_of(one, field) for one in candidates)))
    parts = [part.strip() for part in re.split(r"[,，、]", text) if part.strip()]
    if len(parts) > MOST_RUNS:
        raise ParityError(Message("parity:many", {"most": MOST_RUNS}), field)
    jobs = {part: job for part in parts if (job := number_of_job(part)) is not None}
    found = of_jobs(jobs.values())
    absent = [part for part, job in jobs.items() if job not in found]
    if absent:
        raise ParityError(Message("parity:no_result", {"names": ", ".join(absent)}), field)
    try:
        pks = [found[jobs[part]] if part in jobs else pk_of(part) for part in parts]
    except NotNumbered as error:
        raise ParityError(error.reason, field) from error
    return ",".join(map(result_number, pks))


def early_address(text: str) -> str:
    """Return the launch form of an evaluation that stops early, with a result, "res-11", as its
    baseline and its questions; "" where it is none. The person chooses host and deployment."""
    try:
        runs = runs_of(text, "id")
    except ParityError:
        return ""
    job = runs[0].job
    if len(runs) > 1 or job is None or not isinstance(KINDS.get(job.kind), Evaluate):
        return ""
    if job.params.get("samples", 1) != 1:
        return ""
    same = {name: job.params[name] for name in _SAME if job.params.get(name) is not None}
    query = urlencode({**same, "stop_early": 1, "baseline": result_name(runs[0])})
    return f"{reverse('launch-form', args=[Evaluate.name])}?{query}"
