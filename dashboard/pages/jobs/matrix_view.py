"""A matrix as its page and its report show it: cells with marks, one conclusion with exceptions."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.charts.matrix_heat import lengths
from dashboard.pages.results.conclusion import (
    WARNING_SHAPES,
    headline,
    noise_words,
    rate_cell,
    sides_of,
)
from dashboard.pages.shared import cells
from dashboard.pages.shared.cells import Cell
from dashboard.text.formatting import change_text
from dashboard.text.labels import cell_marks, metric_text, state_of, style_of
from dashboard.text.messages import message
from jobs.base import grouped
from jobs.models import Job, MatrixCell
from jobs.queries.matrices import CellView, LengthsRow, MatrixPage
from jobs.queries.overview import RunningJob
from jobs.queries.results.conclusion import Conclusion, Shape, conclude
from jobs.queries.results.curve import RATE, limits_of
from jobs.statistics import Interval

# Of rows that end alike, but not at the same concurrency.
_ALIKE: dict[Shape, str | Promise] = {
    "none": gettext_lazy("no conclusion: requests failed, or no output was measured."),
    "single": gettext_lazy("too many requests failed at every concurrency but one."),
    "flat": gettext_lazy("saturated at the lowest usable concurrency."),
    "saturated": gettext_lazy("saturated below the highest concurrency."),
    "rising": gettext_lazy("throughput still rises at the highest concurrency measured."),
    "limited": gettext_lazy("not saturated at the max concurrency."),
    "falls": gettext_lazy("throughput falls at the highest concurrencies."),
    "fails": gettext_lazy("requests fail at the highest concurrencies."),
}


class MatrixPlace(NamedTuple):
    """A row or a cell, with the address of its run; "": none."""

    name: str
    address: str = ""


class MatrixFinding(NamedTuple):
    """A sentence about some rows or cells. ``is_flagged``: it needs attention."""

    text: str
    where: Sequence[MatrixPlace] = ()
    is_flagged: bool = False

    @property
    def sentence(self) -> str:
        return counted(self.text, [place.name for place in self.where])


class ShownCell(NamedTuple):
    """A cell as it is drawn. ``number``: None without a value. ``look``: state to show, "" for a
    cell that is done. ``role``: "best" or "recommended" of its row. Addresses may be ""."""

    state: str
    heat: int
    number: Cell | None
    look: str
    marks: Sequence[str]
    is_simulated: bool
    role: str
    why: str
    result_address: str
    state_address: str
    running: RunningJob | None


_PEOPLE = frozenset(("user", "person", "by"))  # arguments of messages that name somebody
_ABSENT = ShownCell(
    *("absent", 0, None, "", ()),
    False,
    role="",
    why="",
    result_address="",
    state_address="",
    running=None,
)


class HeatMapTable(NamedTuple):
    """The table, which is the heat map. ``rows``: lengths with cells. ``missing``: why cells have
    no number."""

    has_input: bool
    columns: Sequence[int]
    rows: Sequence[tuple[int | None, int, Sequence[ShownCell]]]
    missing: Sequence[MatrixFinding]
    has_simulated: bool
    has_roles: bool


class RowConclusion(NamedTuple):
    """Conclusion of one pair of lengths. ``place``: of its row. ``uncertain``: why its runs differ
    too much, or "". ``loaded``: runs beside other programs. ``sides``: client and engine, each text
    with True where it needs attention."""

    place: int
    lengths: str
    found: Conclusion
    headline: str
    figures: Sequence[tuple[str, Cell]]
    uncertain: str
    loaded: int
    runs: int
    sides: Sequence[tuple[str, bool]]
    is_open: bool

    @property
    def texts(self) -> list[tuple[str, bool]]:
        loaded = [_loaded(self.loaded, self.runs)] if self.loaded else []
        return [*((text, True) for text in (self.uncertain, *loaded) if text), *self.sides]


class MatrixConclusion(NamedTuple):
    """One conclusion of all rows. ``by_row``: that of each row, with its details."""

    headline: str
    is_warning: bool
    figures: Sequence[tuple[str, Cell]]
    exceptions: Sequence[MatrixFinding]
    by_row: Sequence[RowConclusion]
    drifts: Sequence[tuple[str, str]]


def counted(text: str, names: Sequence[str], count: int | None = None) -> str:
    """Return a text with what it is of, and how many: "Exit code 1 (2): 128 → 128 @ 1, 4";
    without a number if it is one. ``count``: where a name stands for several."""
    count, text = len(names) if count is None else count, text.rstrip(_("."))
    if not names:
        return text
    args = {"text": text, "n": count, "names": _(", ").join(names)}
    return (_("%(text)s (%(n)s): %(names)s") if count > 1 else _("%(text)s: %(names)s")) % args


def places_text(places: Iterable[tuple[int | None, int, int]]) -> str:
    """Return input tokens, output tokens and concurrency: "128 → 128 @ 1, 4; 256 → 256 @ 1"."""
    rows = grouped(((row, output), str(concurrency)) for row, output, concurrency in places)
    return _("; ").join(f"{lengths(*row)} @ {_(', ').join(own)}" for row, own in rows.items())


def name_of(cell: CellView | MatrixCell) -> str:
    return f"{lengths(cell.input_tokens, cell.output_tokens)} @ {cell.concurrency}"


def table_of(page: MatrixPage, concluded: Sequence[RowConclusion]) -> HeatMapTable:
    roles = {one.place: _roles(one.found) for one in concluded}
    rows = [
        (
            row.input_tokens,
            row.output_tokens,
            [
                _shown(cell, page.metric, roles.get(place, {})) if cell else _ABSENT
                for cell in row.across(page.columns)
            ],
        )
        for place, row in enumerate(page.rows)
    ]
    shown = [cell for _input, _output, line in rows for cell in line]
    return HeatMapTable(
        has_input=bool(page.rows) and page.rows[0].input_tokens is not None,
        columns=page.columns,
        rows=rows,
        missing=[*missing(page), *absent(page)],
        has_simulated=any(cell.is_simulated for cell in shown),
        has_roles=any(cell.role for cell in shown),
    )


def _roles(found: Conclusion) -> dict[int, str]:
    """Return the best and the recommended concurrency of a row; a recommended best has one word."""
    best = {found.best.concurrency: "best"} if found.best else {}
    knee = None if found.is_open else found.knee
    return best | ({knee.concurrency: "recommended"} if knee else {})


def _shown(cell: CellView, metric: str, roles: dict[int, str]) -> ShownCell:
    number, result, bad = None, cell.first.result, cell.bad
    if cell.value is not None:
        n = len(cell.values)
        number = cells.bare(metric, cell.value, cell.interval, n=n, of="runs")
    look = "" if cell.state == "done" else cell.state
    if bad is not None and bad.job is not None and cell.state not in ("running", "queued"):
        look = state_of(bad.job)
    job = cell.to_open
    return ShownCell(
        cell.state,
        cell.heat,
        number,
        look,
        cell_marks(cell),
        is_simulated=any(one.simulated for one in cell.results),
        role=roles.get(cell.concurrency, ""),
        why=_why(cell),
        result_address=reverse("result-detail", args=[result.pk]) if number and result else "",
        state_address=_row_of(cell)
        if bad
        else (reverse("job-detail", args=[job.pk]) if job else ""),
        running=cell.running,
    )


def _row_of(cell: CellView) -> str:
    """Return the fragment of the run that a person wants to see, in the table of runs."""
    return f"#run-{(cell.bad or cell.first).cell.pk}"


def _why(cell: CellView, *, has_people: bool = True) -> str:
    if cell.state == "skipped" and cell.skip is not None:
        return message(cell.skip.id, cell.skip.args)
    job = cell.bad.job if cell.bad is not None else None
    return reason_of(job, has_people=has_people) if job is not None else ""


def reason_of(job: Job, *, has_people: bool) -> str:
    """Return why a job ended. ``has_people``: who ended it has a name."""
    args = dict(job.message_args)
    if not has_people:
        args |= {name: _("the team") for name in _PEOPLE & args.keys()}
    return message(job.message_id, args)


def missing(page: MatrixPage, *, has_people: bool = True) -> list[MatrixFinding]:
    """Return failures and skipped cells, those of one reason together. The text of a reason with
    numbers is that of its first cell."""
    groups: dict[tuple[str, str], list[CellView]] = {}
    for cell in page.cells:
        if cell.bad is not None and cell.bad.job is not None:
            state = state_of(cell.bad.job)
            groups.setdefault((state, cell.bad.job.message_id), []).append(cell)
        elif cell.state == "skipped" and cell.skip is not None:
            groups.setdefault((cell.state, cell.skip.id), []).append(cell)
    findings = []
    for (state, _id), found in groups.items():
        why = _why(found[0], has_people=has_people)
        text = _(": ").join(filter(None, (str(style_of(state).word), why)))
        where = [
            MatrixPlace(name_of(cell), "" if state == "skipped" else _row_of(cell))
            for cell in found
        ]
        findings.append(MatrixFinding(text, where))
    return findings


def absent(page: MatrixPage) -> list[MatrixFinding]:
    """Return the places of the table where a row has no cell."""
    where = [
        MatrixPlace(f"{lengths(row.input_tokens, row.output_tokens)} @ {concurrency}")
        for row in page.rows
        for concurrency, cell in zip(page.columns, row.across(page.columns), strict=True)
        if cell is None
    ]
    return [MatrixFinding(_("Not in this matrix."), where)] if where else []


def conclusion_of(page: MatrixPage, rows: Sequence[RowConclusion]) -> MatrixConclusion | None:
    """Return what most rows have in common, with all exceptions; None without a conclusion."""
    if not rows:
        return None
    most = max(grouped((row.found.shape, row) for row in rows).values(), key=len)
    others = [row for row in rows if row.found.shape != most[0].found.shape]
    best = max((row for row in rows if row.found.best), key=_rate, default=None)
    figures = list(best.figures) if best else []
    if best and figures:
        label, cell = figures[0]
        if page.best and page.metric.startswith(RATE):
            cell = _best_cell(page, page.best)
        else:
            cell = replace(cell, note=_(", ").join((best.lengths, cell.note)))
        figures = [(label, cell), *(figures[1:] if len(rows) == 1 else ())]
    drifts = [(name_of(cell), cell.drift) for cell in page.cells if cell.drift is not None]
    return MatrixConclusion(
        _common(most, len(rows), is_alone=len(page.rows) == 1),
        is_warning=most[0].found.shape in WARNING_SHAPES,
        figures=figures,
        exceptions=[
            *_by_text((row.headline, row, row.found.shape in WARNING_SHAPES) for row in others),
            *_flagged(rows),
            *_uncounted(page),
            *(
                MatrixFinding(
                    _("The value changed from the first to the last third of the runs."),
                    [MatrixPlace(f"{name} {_change(drift)}")],
                    is_flagged=True,
                )
                for name, drift in drifts
                if not drift.includes_zero
            ),
        ],
        by_row=rows,
        drifts=[(name, _change(drift)) for name, drift in drifts],
    )


def _best_cell(page: MatrixPage, best: CellView) -> Cell:
    row = [lengths(best.input_tokens, best.output_tokens)] if len(page.rows) > 1 else []
    at = _("at concurrency %(n)s") % {"n": best.concurrency}
    note = _(", ").join((*row, at, *cell_marks(best)))
    more = {"n": len(best.values), "of": "runs", "note": note}
    cell = cells.bare(page.metric, best.value, best.interval, **more)
    return replace(cell, unit=metric_text(page.metric, 0.5)[1])


def _rate(row: RowConclusion) -> float:
    return row.found.best.rate if row.found.best else 0.0


def _common(rows: Sequence[RowConclusion], total: int, *, is_alone: bool) -> str:
    first = rows[0]
    if total == 1:
        return first.headline if is_alone else _(": ").join((first.lengths, first.headline))
    is_same = all(row.headline == first.headline for row in rows)
    args = {
        "n": len(rows),
        "total": total,
        "text": first.headline if is_same else _ALIKE[first.found.shape],
    }
    if len(rows) == total:
        return _("All %(n)s measured rows: %(text)s") % args
    return _("%(n)s of %(total)s measured rows: %(text)s") % args


def _by_text(found: Iterable[tuple[str, RowConclusion, bool]]) -> list[MatrixFinding]:
    """Return each text once, with its rows."""
    groups = grouped(
        ((text, is_flagged), MatrixPlace(row.lengths)) for text, row, is_flagged in found
    )
    return [MatrixFinding(text, where, is_flagged) for (text, is_flagged), where in groups.items()]


def _flagged(rows: Sequence[RowConclusion]) -> list[MatrixFinding]:
    findings = _by_text((row.uncertain, row, True) for row in rows if row.uncertain)
    findings += _by_text(
        (text, row, True) for row in rows for text, is_flagged in row.sides if is_flagged
    )
    if loaded := sum(row.loaded for row in rows):
        text = _loaded(loaded, sum(row.runs for row in rows))
        findings.append(MatrixFinding(text, is_flagged=True))
    if opened := [MatrixPlace(row.lengths) for row in rows if row.is_open]:
        findings.append(MatrixFinding(_("Preliminary: runs are still open."), opened))
    return findings


def _uncounted(page: MatrixPage) -> list[MatrixFinding]:
    """Return the cells whose runs are all disturbed or incomplete."""
    where = [
        MatrixPlace(
            f"{name_of(cell)} ({_(', ').join(cell_marks(cell))})"
            if cell_marks(cell)
            else name_of(cell)
        )
        for cell in page.cells
        if cell.results and not any(result.counts for result in cell.results)
    ]
    text = _("Some cells have only runs that do not count. Repeat them on an idle host.")
    return [MatrixFinding(text, where, is_flagged=True)] if where else []


def _change(drift: Interval) -> str:
    low, high = change_text(drift.low), change_text(drift.high)
    return f"{change_text(drift.value)} [{low}, {high}]"


def _loaded(count: int, total: int) -> str:
    return _("Other programs used the CPU in %(n)s of %(total)s runs.") % {
        "n": count,
        "total": total,
    }


def row_conclusions(page: MatrixPage) -> list[RowConclusion]:
    """Return the conclusions of the rows with two measured concurrencies or more."""
    rate = page.metric if page.metric.startswith(RATE) else RATE
    rows = enumerate(page.rows)
    return [_conclusion(place, row, rate) for place, row in rows if len(row.points) > 1]


def _conclusion(place: int, row: LengthsRow, rate: str) -> RowConclusion:
    points, results = row.points, row.results
    found = conclude(points, limits=limits_of(results[0].deployment))
    marks = {cell.concurrency: cell_marks(cell) for cell in row.cells}
    figures = []
    if found.best is not None and found.knee is not None:
        figures = [(_("Best throughput"), rate_cell(found.best, marks, rate))]
        if not found.is_open:
            figures.append((_("Recommended concurrency"), Cell(str(found.knee.concurrency))))
    first = {cell.concurrency: cell.results[0] for cell in row.cells if cell.results}
    sides = sides_of(points, results[0], first)
    return RowConclusion(
        place,
        lengths(row.input_tokens, row.output_tokens),
        found,
        headline(found),
        figures,
        noise_words(found),
        loaded=sum(result.loaded for result in results),
        runs=len(results),
        sides=sides.texts if sides else (),
        is_open=any(cell.state in ("queued", "running") for cell in row.cells),
    )
