"""Comparison of matrices: the same cells of a baseline and of others, side by side."""

from collections.abc import Mapping, Sequence
from math import expm1, log1p
from typing import NamedTuple

from jobs.queries.comparison.comparison import Change, changed
from jobs.queries.comparison.settings import Setting, differences, settings
from jobs.queries.matrices import CellView, MatrixPage
from jobs.statistics import mean

Place = tuple[int | None, int, int]  # input tokens, output tokens, concurrency
# Settings that are the place of a cell, or a name.
_OF_CELL = frozenset(("concurrency", "input_tokens", "output_tokens", "what"))


class CellPair(NamedTuple):
    """The cell of one place in the baseline and in the other matrix; None: it has none there.
    ``change``: None without both numbers."""

    base: CellView | None
    other: CellView | None
    change: Change | None = None


class AgainstBaseline(NamedTuple):
    """A matrix against the baseline, by place."""

    page: MatrixPage
    pairs: Mapping[Place, CellPair]

    @property
    def changes(self) -> list[Change]:
        """Return the changes of comparable cells."""
        known = [pair.change for pair in self.pairs.values() if pair.change is not None]
        return [change for change in known if change.absolute is not None]

    @property
    def ratio(self) -> float | None:
        """Return the geometric mean of the ratios minus 1; None without one, or for shares."""
        ratios = [change.relative for change in self.changes if change.relative is not None]
        return expm1(mean([log1p(one) for one in ratios])) if ratios and min(ratios) > -1 else None


class MatrixComparison(NamedTuple):
    """``settings``: those that differ, with a value for each matrix."""

    pages: Sequence[MatrixPage]
    against: Sequence[AgainstBaseline]
    settings: Sequence[Setting]


def compare_matrices(pages: Sequence[MatrixPage]) -> MatrixComparison:
    """Compare the first matrix with the others. All have one metric."""
    base, *others = ({place_of(cell): cell for cell in page.cells} for page in pages)
    against = [
        AgainstBaseline(
            page, {place: _pair(page, base.get(place), own.get(place)) for place in base | own}
        )
        for page, own in zip(pages[1:], others, strict=True)
    ]
    measured = [{place for place, cell in own.items() if cell.results} for own in (base, *others)]
    shared = next((place for place in base if all(place in known for known in measured)), None)
    heads = [
        own[shared if shared is not None else next(iter(known))].results[0]
        for own, known in zip((base, *others), measured, strict=True)
        if known
    ]
    found = settings(heads) if len(heads) == len(pages) else []
    differing = [one for one in found if one.differs and one.name not in _OF_CELL]
    return MatrixComparison(pages, against, differing)


def place_of(cell: CellView) -> Place:
    return cell.input_tokens, cell.output_tokens, cell.concurrency


def _pair(page: MatrixPage, base: CellView | None, other: CellView | None) -> CellPair:
    if base is None or other is None or base.value is None or other.value is None:
        return CellPair(base, other)
    heads = [base.results[0], other.results[0]]
    if differences(heads, [head.metrics for head in heads]):
        return CellPair(base, other, Change(other.value, verdict="not_comparable"))
    return CellPair(base, other, changed(page.metric, base.values, other.values))
