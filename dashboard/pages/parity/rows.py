"""Numbers of a parity statement: tables of page and report, chart, CSV, JSON, plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.charts import forest
from dashboard.charts.figures import Figure
from dashboard.pages.parity import words
from dashboard.pages.parity.asked import Stated
from dashboard.pages.shared.cells import Cell, Facts, Heading, Table, Tone, difference, share
from dashboard.pages.shared.export import as_csv
from dashboard.pages.shared.words import gap_text
from dashboard.text.formatting import p_text, percent, points
from dashboard.text.labels import result_name
from jobs.queries.parity.sides import Notes
from jobs.queries.parity.statement import Row, Statement
from jobs.queries.results.results import MOST_ROWS
from jobs.statistics import Decision

# Exit code of a gate in CI by verdict; 1 is that of an error.
Verdict = Decision | Literal["not_comparable"]
GATE: Mapping[Verdict, int] = {
    **{"better": 0, "equivalent": 0, "not_worse": 0},
    **{"worse": 2, "cannot_tell": 3, "not_comparable": 4},
}
_HEAD = (
    *("set", "group", "base_correct", "base_questions", "base_accuracy", "base_low", "base_high"),
    *("correct", "questions", "accuracy", "low", "high", "difference_points", "low_points"),
    *("high_points", "margin_points", "goal", "verdict", "method", "mcnemar_p", "regressed"),
    *("fixed", "more_questions", "base", "result", "version", "questions_sha256"),
    *("base_is_weighted", "is_weighted"),
)


class _Shown(NamedTuple):
    """Row of a table. ``is_sum``: several sets; ``is_whole``: all questions."""

    name: str
    row: Row
    is_sum: bool = False
    is_whole: bool = False


def _shown(statement: Statement) -> list[_Shown]:
    """Return sets, groups of sets and all questions. A group of many sets is one row."""
    rows = statement.rows
    sizes = {name: sum(row.group == name for row in rows) for name in statement.groups}
    shown = []
    for index, row in enumerate(rows):
        is_last = index + 1 == len(rows) or rows[index + 1].group != row.group
        if sizes.get(row.group, 0) <= MOST_ROWS:
            shown.append(_Shown(words.row_name(row, rows), row))
        if row.group in sizes and is_last:
            name = _("%(name)s, all %(n)s") % {"name": row.group, "n": sizes[row.group]}
            shown.append(_Shown(name, statement.groups[row.group], is_sum=True))
    if len(rows) > 1:
        whole = _("all questions")
        shown.append(_Shown(whole, statement.pooled, is_sum=True, is_whole=True))
    return shown


def tables(stated: Stated, statement: Statement) -> list[Table]:
    """Return the table by data set, whose last row is that of all questions, and a table of the
    sets of each large group."""
    found = [_table(stated, statement, _("By data set"), _shown(statement))]
    for name in statement.groups:
        rows = [_Shown(row.name, row) for row in statement.rows if row.group == name]
        if len(rows) > MOST_ROWS:
            found.append(_table(stated, statement, name, rows))
    return found


def _table(stated: Stated, statement: Statement, title: str, rows: Sequence[_Shown]) -> Table:
    columns = [
        Heading(_("Data set"), is_number=False),
        Heading(_("Baseline"), stated.base.called),
        Heading(_("Result"), stated.result.called),
        Heading(_("Difference")),
        Heading(_("Verdict"), is_number=False),
        Heading(_("Method"), is_number=False),
    ]
    note = _("Accuracies in per cent, differences in points, brackets: 95 % intervals.")
    cells = [_cells(one, statement.margin, stated.parity.notes) for one in rows]
    return Table(title, columns, cells, [note])


def _cells(shown: _Shown, margin: float, notes: Notes) -> list[Cell]:
    row = shown.row
    base, result = (
        share(one, row.questions[side], unit="", note=words.right_text(row, side))
        for side, one in enumerate((row.first, row.second))
    )
    tones: Mapping[str, Tone] = {"good": "good", "bad": "bad"}
    tone = tones.get(words.TONES.get(row.decision, ""), "line")
    return [
        Cell(shown.name, note=_about(row, notes), tone="bold" if shown.is_sum else ""),
        base,
        result,
        difference(row.gap, min(row.questions), unit="", tone="bold"),
        Cell(words.verdict(row, margin), tone=tone),
        Cell(words.method_name(row.method), note="" if row.p is None else p_text(row.p)),
    ]


def _about(row: Row, notes: Notes) -> str:
    identity = notes.identities.get(row.name)
    if identity is None:
        return ""
    known = _("by name only")
    if identity.sha256:
        known = _("same questions, SHA-256 %(sum)s…") % {"sum": identity.sha256[:12]}
    version = "" if identity.version in row.name else identity.version
    return _(", ").join(filter(None, (version, known)))


def facts(stated: Stated, statement: Statement) -> Facts:
    row = statement.pooled
    _name, base, result, gap, _verdict, method = _cells(
        _Shown("", row), statement.margin, stated.parity.notes
    )
    sides = [
        replace(cell, unit="%", note=_("; ").join(filter(None, (side.called, cell.note))))
        for cell, side in zip((base, result), stated.sides, strict=True)
    ]
    margin = Cell(words.margin_text(statement.margin), value=stated.asks.margin)
    rows = [
        (_("Difference"), replace(gap, unit=_("points"), note=method.text, tone="")),
        (_("Baseline"), sides[0]),
        (_("Result"), sides[1]),
        (_("Margin"), margin),
    ]
    if row.p is not None:
        rows.append((_("McNemar, exact"), Cell(p_text(row.p), value=row.p, measure="p")))
    if len(statement.rows) > 1:
        plain = points(statement.plain, 3), _("points"), 100 * statement.plain, "points"
        rows.append((_("Plain mean of sets"), Cell(*plain)))
    return Facts(rows, is_large=True)


def forest_of(statement: Statement) -> Figure:
    rows = [
        forest.Difference(one.name, one.row.gap, is_whole=one.is_whole) for one in _shown(statement)
    ]
    return forest.differences(rows, statement.margin)


def parity_csv(stated: Stated) -> HttpResponse:
    """Return a line for each set, each group of sets and all questions, with every digit; of sides
    that are not comparable one line with the verdict."""
    data = as_data(stated)
    pooled = data["pooled"] or {"name": "pooled", "verdict": data["verdict"]}
    lines = [_line(row, data) for row in (*data["sets"], *data["groups"], pooled)]
    return as_csv([_HEAD, *lines], stated.file_name)


def _line(row: Mapping[str, Any], data: Mapping[str, Any]) -> list[Any]:
    known = {**row, "set": row["name"], "margin_points": data["margin_points"]}
    for name, prefix in (("base", "base_"), ("result", "")):
        side = row.get(name, {})
        known |= {f"{prefix}{key}": value for key, value in side.items()}
        known |= {f"{prefix}is_weighted": side.get("weighted"), name: data[name]["name"]}
    known["goal"] = data["goal"] if data["pooled"] else ""
    return ["" if known.get(name) is None else known[name] for name in _HEAD]


def as_data(stated: Stated) -> dict[str, Any]:
    """Return the statement for the API and ``manage.py parity --json``. Accuracies are from 0 to 1;
    names with ``points`` are in points.

    Sides that are not comparable have no rows; ``action`` says what makes them so.
    """
    statement, notes = stated.parity.statement, stated.parity.notes
    verdict = verdict_of(stated)
    base, result = (
        {"name": side.name, "results": list(map(result_name, side.results))}
        for side in stated.sides
    )
    data: dict[str, Any] = {
        "verdict": verdict,
        "exit_code": GATE[verdict],
        "text": words.headline(stated),
        "action": None if statement else words.action(notes),
        "margin_points": stated.asks.margin,
        "goal": stated.goal,
        "planned_questions": stated.asks.planned,
        "look": 1,
        "base": base,
        "result": result,
        "pooled": None,
        "plain_mean_points": None,
        "means_disagree": False,
        "sets": [],
        "groups": [],
        "warnings": [one._asdict() for one in words.warnings(stated)],
        "method": [],
    }
    if statement is None:
        return data
    rows = statement.rows
    return data | {
        "planned_questions": statement.looks.planned,
        "look": statement.looks.number,
        "pooled": _row(statement.pooled, "pooled"),
        "plain_mean_points": 100 * statement.plain,
        "means_disagree": statement.is_opposed,
        "sets": [_row(row, words.row_name(row, rows), notes) for row in rows],
        "groups": [_row(row, name) for name, row in statement.groups.items()],
        "method": words.methods(statement),
    }


def verdict_of(stated: Stated) -> Verdict:
    statement = stated.parity.statement
    return statement.decision if statement else "not_comparable"


def _row(row: Row, name: str, notes: Notes | None = None) -> dict[str, Any]:
    identity = notes.identities.get(row.name) if notes else None
    base, result = (
        {
            "correct": round(row.rights[side]) if row.rights else None,
            "questions": row.questions[side],
            "accuracy": interval.value,
            "weighted": words.is_weighted(row, side),
            "low": interval.low,
            "high": interval.high,
        }
        for side, interval in enumerate((row.first, row.second))
    )
    return {
        "name": name,
        "version": (identity.version if identity else "") or None,
        "questions_sha256": (identity.sha256 if identity else "") or None,
        "group": row.group,
        "base": base,
        "result": result,
        "difference_points": 100 * row.gap.value,
        "low_points": 100 * row.gap.low,
        "high_points": 100 * row.gap.high,
        "method": row.method,
        "verdict": row.decision,
        "mcnemar_p": row.p,
        "regressed": row.flips[0] if row.flips else None,
        "fixed": row.flips[1] if row.flips else None,
        "more_questions": row.more,
    }


def as_text(stated: Stated) -> str:
    lines = [words.headline(stated), words.sentence(stated), *words.reasons(stated)]
    if statement := stated.parity.statement:
        named = [(words.row_name(row, statement.rows), row) for row in statement.rows]
        named += statement.groups.items()
        if len(statement.rows) > 1:
            named.append(("pooled", statement.pooled))
        lines += ["", *(_text(row, name, statement.margin) for name, row in named)]
        if len(statement.rows) > 1:
            lines.append(f"plain mean of the sets: {points(statement.plain, 3)} points")
    lines += [f"warning: {one.text}" for one in words.warnings(stated)]
    return "\n".join(lines)


def _text(row: Row, name: str, margin: float) -> str:
    sides = " -> ".join(
        f"{percent(interval.value)} % ({words.right_text(row, side)})"
        for side, interval in enumerate((row.first, row.second))
    )
    tested = f", {p_text(row.p)} (McNemar)" if row.p is not None else ""
    return f"{name}: {sides}, {gap_text(row.gap)} points, {words.verdict(row, margin)}{tested}"
