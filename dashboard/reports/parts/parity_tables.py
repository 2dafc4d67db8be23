"""Parity statement in reports: verdict, table by data set, chart, method."""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext as _

from dashboard.pages.parity import words
from dashboard.pages.parity.asked import Stated
from dashboard.pages.parity.data import statement_of
from dashboard.pages.parity.rows import ShownRow, folded_rows, forest_of, shown_rows, whole_row
from dashboard.reports.document import Block, Cell, Column, Facts, Figure, Listing, Table, Tone
from dashboard.reports.parts import numbers
from dashboard.text.formatting import points
from jobs.statistics import Interval

_TONES: dict[str, Tone] = {"good": "good", "bad": "bad"}


def statement_blocks(stated: Stated) -> list[Block]:
    """Return the verdict with its reasons and the numbers behind it."""
    statement = statement_of(stated)
    texts = [words.headline(statement)]
    texts.append(words.sentence(statement, stated.base.name, stated.result.name))
    return [Listing([*texts, *words.reasons(statement)]), _facts(stated)]


def _facts(stated: Stated) -> Facts:
    statement = statement_of(stated)
    whole = whole_row(statement)
    row = whole.row
    rows = [
        (_("Difference"), _gap(whole)),
        (_("Baseline"), _side(whole, stated, 0)),
        (_("Result"), _side(whole, stated, 1)),
        (_("Margin"), Cell(words.margin_text(statement.margin), value=stated.asks.margin)),
    ]
    if row.p is not None:
        rows.append((_("McNemar, exact"), Cell(whole.p, value=row.p, measure="p")))
    if len(statement.rows) > 1:
        plain = Cell(
            points(statement.plain, 3),
            unit=_("points"),
            value=100 * statement.plain,
            measure="points",
        )
        rows.append((_("Plain mean of sets"), plain))
    return Facts(rows, is_large=True)


def _side(whole: ShownRow, stated: Stated, side: int) -> Cell:
    """Return the accuracy of a side with its name and counts."""
    view, interval, counts = (
        (stated.base, whole.row.first, whole.base_counts),
        (stated.result, whole.row.second, whole.result_counts),
    )[side]
    note = _("; ").join(filter(None, (view.called, counts)))
    return replace(numbers.share(interval, whole.row.questions[side]), note=note)


def _gap(shown: ShownRow) -> Cell:
    gap = shown.row.gap
    return Cell(
        shown.gap,
        unit=_("points"),
        value=100 * gap.value,
        measure="points",
        interval=shown.bounds,
        low=100 * gap.low,
        high=100 * gap.high,
        n=min(shown.row.questions),
        of="questions",
        note=shown.method,
    )


def set_tables(stated: Stated) -> list[Block]:
    """Return the table by data set, its chart, and the sets of large groups."""
    statement = statement_of(stated)
    figure = forest_of(statement)
    notes = stated.parity.notes
    rows = shown_rows(statement, notes)
    blocks: list[Block] = [
        _table(stated, _("By data set"), rows),
        Figure(_("Differences"), figure, figure.height, _band(statement.margin)),
    ]
    return blocks + [_table(stated, name, sets) for name, sets in folded_rows(statement, notes)]


def _band(margin: float) -> str:
    return _("band: ±%(margin)s") % {"margin": words.margin_text(margin)}


def _table(stated: Stated, title: str, rows: list[ShownRow]) -> Table:
    heads = [
        Column(_("Data set"), is_number=False),
        Column(_("Baseline"), stated.base.called),
        Column(_("Result"), stated.result.called),
        Column(_("Difference")),
        Column(_("Verdict"), is_number=False),
    ]
    note = _("Accuracies in per cent, differences in points, brackets: 95 % intervals.")
    return Table(title, heads, [_row(shown) for shown in rows], [note])


def _row(shown: ShownRow) -> list[Cell]:
    row = shown.row
    return [
        Cell(shown.name, note=shown.about, tone="bold" if shown.is_sum else ""),
        _accuracy(row.first, row.questions[0], shown.base_counts),
        _accuracy(row.second, row.questions[1], shown.result_counts),
        _gap(shown),
        Cell(
            shown.verdict,
            note=shown.p,
            tone=_TONES.get(shown.tone, ""),
        ),
    ]


def _accuracy(interval: Interval, questions: int, counts: str) -> Cell:
    cell = numbers.share(interval, questions)
    return Cell(
        cell.text,
        value=cell.value,
        measure=cell.measure,
        interval=cell.interval,
        low=cell.low,
        high=cell.high,
        n=cell.n,
        of=cell.of,
        note=counts,
    )


def methods(stated: Stated) -> Listing:
    """Return how the numbers were calculated, with the sources."""
    return Listing(words.methods(statement_of(stated)), _("Statistics"))
