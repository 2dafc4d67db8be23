"""Rows of a parity statement for table, chart and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.charts import forest
from dashboard.charts.figures import Figure
from dashboard.pages.parity import incomparable, words
from dashboard.pages.parity.asked import Stated
from dashboard.pages.shared.export import as_csv
from dashboard.text.formatting import p_text, percent, points
from jobs.queries.parity.sides import Notes
from jobs.queries.parity.statement import Row, Statement
from jobs.queries.results.set_scores import MOST_ROWS
from jobs.statistics import Interval


@dataclass(frozen=True, slots=True)
class ShownRow:
    """Row with its texts. ``is_sum``: several sets; ``is_whole``: all questions; ``about``: version
    and checksum of a set."""

    name: str
    row: Row
    margin: float
    about: str = ""
    is_sum: bool = False
    is_whole: bool = False

    @property
    def base(self) -> str:
        """Return the accuracy of the baseline in per cent with its interval."""
        return _share(self.row.first)

    @property
    def result(self) -> str:
        """Return the accuracy of the result in per cent with its interval."""
        return _share(self.row.second)

    @property
    def base_counts(self) -> str:
        """Return the correct answers of the baseline: "154 / 159"."""
        return words.right_text(self.row, 0)

    @property
    def result_counts(self) -> str:
        """Return the correct answers of the result."""
        return words.right_text(self.row, 1)

    @property
    def gap(self) -> str:
        """Return the difference in points."""
        return points(self.row.gap.value)

    @property
    def bounds(self) -> str:
        """Return the interval of the difference in points."""
        return words.bounds(self.row.gap)

    @property
    def p(self) -> str:
        """Return the p value of McNemar's test; "" where it does not apply."""
        return p_text(self.row.p) if self.row.p is not None else ""

    @property
    def verdict(self) -> str:
        """Return the verdict in words."""
        return words.verdict(self.row, self.margin)

    @property
    def tone(self) -> str:
        """Return the look of the verdict."""
        return words.TONES.get(self.row.decision, "line")

    @property
    def method(self) -> str:
        """Return the name of the formula."""
        return words.method_name(self.row.method)


def _share(interval: Interval) -> str:
    low, high = percent(interval.low), percent(interval.high)
    return f"{percent(interval.value)} [{low}, {high}]"


def shown_rows(statement: Statement, notes: Notes) -> list[ShownRow]:
    """Return sets, groups of sets and all questions. A group of many sets is one row."""
    margin, rows = statement.margin, statement.rows
    sizes = {name: sum(row.group == name for row in rows) for name in statement.groups}
    shown: list[ShownRow] = []
    for index, row in enumerate(rows):
        is_last = index + 1 == len(rows) or rows[index + 1].group != row.group
        if sizes.get(row.group, 0) <= MOST_ROWS:
            shown.append(ShownRow(words.row_name(row, rows), row, margin, _about(row, notes)))
        if row.group in sizes and is_last:
            args = {"name": row.group, "n": sizes[row.group]}
            name = _("%(name)s, all %(n)s") % args
            shown.append(ShownRow(name, statement.groups[row.group], margin, is_sum=True))
    if len(rows) > 1:
        shown.append(whole_row(statement))
    return shown


def _about(row: Row, notes: Notes) -> str:
    identity = notes.identities.get(row.name)
    if identity is None:
        return ""
    known = _("by name only")
    if identity.sha256:
        known = _("same questions, SHA-256 %(sum)s…") % {"sum": identity.sha256[:12]}
    version = "" if identity.version in row.name else identity.version
    return _(", ").join(filter(None, (version, known)))


def whole_row(statement: Statement) -> ShownRow:
    """Return the row of all questions."""
    name = _("all questions")
    return ShownRow(name, statement.pooled, statement.margin, is_sum=True, is_whole=True)


def folded_rows(statement: Statement, notes: Notes) -> list[tuple[str, list[ShownRow]]]:
    """Return the sets of each group that is one row."""
    found = []
    for name in statement.groups:
        rows = [row for row in statement.rows if row.group == name]
        if len(rows) > MOST_ROWS:
            shown = [ShownRow(row.name, row, statement.margin, _about(row, notes)) for row in rows]
            found.append((name, shown))
    return found


def forest_of(statement: Statement) -> Figure:
    """Return the chart of the differences."""
    rows = [
        forest.Difference(one.name, one.row.gap, is_whole=one.is_whole)
        for one in shown_rows(statement, Notes())
    ]
    return forest.differences(rows, statement.margin)


_HEAD = (
    *("set", "group", "base_correct", "base_questions", "base_accuracy", "base_low", "base_high"),
    *("correct", "questions", "accuracy", "low", "high", "difference_points", "low_points"),
    *("high_points", "margin_points", "goal", "verdict", "method", "mcnemar_p", "regressed"),
    *("fixed", "more_questions", "base", "result", "version", "questions_sha256"),
    *("base_is_weighted", "is_weighted"),
)


def parity_csv(stated: Stated) -> HttpResponse:
    """Return a line for each set, each group of sets and all questions, with every digit; of sides
    that are not comparable one line with the verdict."""
    statement = stated.parity.statement
    lines: list[Sequence[Any]] = [_HEAD]
    if statement is None:
        known = {
            "set": "pooled",
            "margin_points": stated.asks.margin,
            "verdict": incomparable.VERDICT,
            "base": stated.base.name,
            "result": stated.result.name,
        }
        lines.append([known.get(name, "") for name in _HEAD])
    else:
        named = [(words.row_name(row, statement.rows), row) for row in statement.rows]
        named += [*statement.groups.items(), ("pooled", statement.pooled)]
        lines += [_line(name, row, stated) for name, row in named]
    response = as_csv(lines)
    response["Content-Disposition"] = f'attachment; filename="{file_name(stated)}.csv"'
    return response


def file_name(stated: Stated) -> str:
    """Return the name of a file of the statement, without an ending."""
    if stated.source != "results":
        return "parity"
    return f"parity-{stated.base.ids}-{stated.result.ids}".replace(",", "+")


def _line(name: str, row: Row, stated: Stated) -> Sequence[Any]:
    rights = [round(right) for right in row.rights] if row.rights else ["", ""]
    identity = stated.parity.notes.identities.get(row.name)
    return [
        name,
        row.group,
        *(rights[0], row.questions[0], row.first.value, row.first.low, row.first.high),
        *(rights[1], row.questions[1], row.second.value, row.second.low, row.second.high),
        *(100 * one for one in (row.gap.value, row.gap.low, row.gap.high)),
        stated.asks.margin,
        stated.goal,
        row.decision,
        row.method,
        "" if row.p is None else row.p,
        *(row.flips or ("", "")),
        "" if row.more is None else row.more,
        stated.base.name,
        stated.result.name,
        *((identity.version, identity.sha256) if identity else ("", "")),
        *(words.is_weighted(row, side) for side in (0, 1)),
    ]
