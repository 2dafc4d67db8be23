"""Conclusion of each row of a matrix: where throughput ended, and client against engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard.charts.matrix_heat import lengths
from dashboard.pages.results.conclusion import (
    WARNING_SHAPES,
    Figure,
    headline,
    noise_words,
    rate_figure,
)
from dashboard.pages.results.two_sides import sides_table
from dashboard.pages.shared.flags import LOADED
from dashboard.text.labels import cell_marks
from jobs.models import Result
from jobs.queries.matrices import MatrixPage, Row
from jobs.queries.results.benchmark_curve import limits_of
from jobs.queries.results.conclusion import conclude


@dataclass(frozen=True, slots=True)
class RowConclusion:
    """Conclusion of one pair of lengths. ``texts``: noise and load, then findings on client and
    engine, each with True where it needs attention. ``is_disturbed``: only disturbed runs exist of
    some cell. ``is_open``: some run of the row has not ended."""

    lengths: str
    headline: str
    is_warning: bool
    figures: Sequence[Figure]
    texts: Sequence[tuple[str, bool]]
    is_disturbed: bool
    is_open: bool


def row_conclusions(page: MatrixPage) -> list[RowConclusion]:
    """Return the conclusions of the rows with two measured concurrencies or more."""
    rows = (row for row in page.rows if len(row.points) > 1)
    return [_conclusion(row) for row in rows]


def _conclusion(row: Row) -> RowConclusion:
    points, results = row.points, row.results
    found = conclude(points, limits=limits_of(results[0].deployment))
    marks = {cell.concurrency: cell_marks(cell) for cell in row.cells}
    figures = []
    if found.best is not None and found.knee is not None:
        figures = [
            rate_figure(_("Best throughput"), found.best, marks),
            Figure(_("Recommended concurrency"), str(found.knee.concurrency)),
        ]
    first = {cell.concurrency: cell.results[0] for cell in row.cells if cell.results}
    sides = sides_table(points, results[0], first)
    noise = list(filter(None, (noise_words(found), _loaded_words(results))))
    return RowConclusion(
        lengths(row.input_tokens, row.output_tokens),
        headline(found),
        is_warning=found.shape in WARNING_SHAPES or bool(noise),
        figures=figures,
        texts=[*((text, True) for text in noise), *(sides.texts if sides else ())],
        is_disturbed=not all(result.counts for result in results),
        is_open=any(cell.state in ("queued", "running") for cell in row.cells),
    )


def _loaded_words(results: Sequence[Result]) -> str:
    """Return in how many runs other programs used the CPU; "" for none."""
    loaded = sum(any(one["id"] == LOADED for one in result.remarks) for result in results)
    if not loaded:
        return ""
    text = _("Other programs used the CPU in %(n)s of %(total)s runs.")
    return text % {"n": loaded, "total": len(results)}
