"""Reads of matrices: cells with their runs, numbers and remaining time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet

from jobs.base import grouped
from jobs.base.messages import Message
from jobs.base.numbers import finite
from jobs.kinds.lib.common import holds_load
from jobs.metrics import METRICS, UNITS, rate_in
from jobs.models import Job, Matrix, MatrixCell, Result
from jobs.queries.jobs.durations import usual_of
from jobs.queries.jobs.groups import state_of_runs
from jobs.queries.overview import RunningJob, running_of
from jobs.queries.results.curve import RATE, CurvePoint, curve
from jobs.queries.results.provenance import counts, with_rates
from jobs.statistics import Interval, mean, mean_interval, relative_difference

_REQUESTS = ("requests", "failed_requests")
STATES = ("done", "running", "queued", "failed", "lost", "cancelled", "skipped")


class RunView(NamedTuple):
    """One run of a cell. ``value``: the chosen metric; None: not measured."""

    cell: MatrixCell
    job: Job | None
    result: Result | None
    value: float | None
    running: RunningJob | None = None

    @property
    def skip(self) -> Message | None:
        return Message(self.cell.skip_id, self.cell.skip_args) if self.cell.skip_id else None

    @property
    def is_warm_up(self) -> bool:
        return self.cell.repeat == MatrixCell.WARM_UP

    @property
    def is_bad(self) -> bool:
        """True if its last attempt failed, was lost or was cancelled."""
        return self.job is not None and self.job.state in Job.UNSUCCESSFUL_STATES

    @property
    def is_failed(self) -> bool:
        """True if its last attempt failed or was lost, and was not skipped."""
        was_cancelled = self.job is not None and self.job.state == Job.State.CANCELLED
        return self.is_bad and not was_cancelled and not self.cell.skip_id


@dataclass(frozen=True, slots=True)
class CellView:
    """One combination with all its runs. ``skip``: why it does not run. ``heat``: 1 to 7, the rank
    of the value among all; 0 without a value."""

    input_tokens: int | None
    output_tokens: int
    concurrency: int
    runs: tuple[RunView, ...]
    skip: Message | None
    heat: int = 0

    @property
    def state(self) -> str:
        """One of ``STATES``. A cell with failed runs and a number is done."""
        jobs = [run.job for run in self.runs if run.job is not None and not run.cell.skip_id]
        if any(job.is_open for job in jobs):
            return _whole(jobs)
        if self.value is not None:
            return "done"
        if self.skip is not None:
            return "skipped"
        return _whole(jobs)

    @property
    def results(self) -> list[Result]:
        measured = [
            run.result for run in self.runs if run.result is not None and not run.is_warm_up
        ]
        return [result for result in measured if result.counts] or measured

    @property
    def values(self) -> list[float]:
        """The values that count: of runs that count, or else of all."""
        measured = [run for run in self.runs if run.value is not None and not run.is_warm_up]
        counted = [run for run in measured if run.result is not None and run.result.counts]
        return [run.value for run in counted or measured if run.value is not None]

    @property
    def value(self) -> float | None:
        return mean(values) if (values := self.values) else None

    @property
    def holds_load(self) -> bool:
        """True where nearly all requests of the runs that count completed."""
        numbers = [[one.metrics.get(name) or 0 for one in self.results] for name in _REQUESTS]
        completed, failed = map(sum, numbers)
        return holds_load(completed, failed)

    @property
    def interval(self) -> Interval | None:
        return mean_interval(self.values)

    @property
    def drift(self) -> Interval | None:
        """Relative change from the first to the last third of the runs; None: under nine runs."""
        ordered = sorted(self.runs, key=lambda run: run.cell.place)
        measured = [run for run in ordered if not run.is_warm_up]
        values = [run.value for run in measured if run.value is not None]
        third = len(values) // 3
        return relative_difference(values[:third], values[-third:]) if third >= 3 else None

    @property
    def first(self) -> RunView:
        """The run to open: the first measured one, or the first."""
        counted = [run for run in self.runs if not run.is_warm_up] or self.runs
        return next((run for run in counted if run.value is not None), counted[0])

    @property
    def to_open(self) -> Job | None:
        """The job to open: running, else failed without a number, else that of :attr:`first`."""
        if self.running is not None:
            return self.running.job
        if self.value is None and self.bad is not None:
            return self.bad.job
        return self.first.job

    @property
    def running(self) -> RunningJob | None:
        return next((run.running for run in self.runs if run.running is not None), None)

    @property
    def bad(self) -> RunView | None:
        """Its first failed or lost run, else its first cancelled one, that was not skipped."""
        stopped = [run for run in self.runs if run.is_bad and not run.cell.skip_id]
        return next((run for run in stopped if run.is_failed), next(iter(stopped), None))


class LengthsRow(NamedTuple):
    """Cells of one pair of lengths, by rising concurrency."""

    input_tokens: int | None
    output_tokens: int
    cells: tuple[CellView, ...]

    @property
    def results(self) -> list[Result]:
        return [result for cell in self.cells for result in cell.results]

    @property
    def points(self) -> list[CurvePoint]:
        return curve(
            [
                [(cell.concurrency, dict(with_rates(result.metrics, counts(result))))]
                for cell in self.cells
                for result in cell.results
            ]
        )

    def across(self, columns: Sequence[int]) -> list[CellView | None]:
        """Return the cells in the columns of the matrix; None where the row has no cell."""
        known = {cell.concurrency: cell for cell in self.cells}
        return [known.get(concurrency) for concurrency in columns]


class MatrixPage(NamedTuple):
    """A matrix with its table. ``metrics``: those that its results have. ``left_s``: estimated
    remaining time; None: unknown. ``unknown``: open runs without an estimate."""

    matrix: Matrix
    metric: str
    metrics: tuple[str, ...]
    columns: tuple[int, ...]
    rows: tuple[LengthsRow, ...]
    left_s: float | None
    unknown: int

    @property
    def cells(self) -> list[CellView]:
        return [cell for row in self.rows for cell in row.cells]

    @property
    def runs(self) -> list[RunView]:
        """All runs in the order of their start, without skipped cells."""
        runs = [run for cell in self.cells for run in cell.runs if run.job is not None]
        return sorted(runs, key=lambda run: run.cell.place)

    @property
    def counts(self) -> dict[str, int]:
        counted = Counter(cell.state for cell in self.cells)
        return {state: counted[state] for state in STATES}

    @property
    def state(self) -> str:
        """State of the whole, as its row in lists has it; "done" for succeeded."""
        return _whole([run.job for run in self.runs if run.job and not run.cell.skip_id])

    @property
    def to_resume(self) -> int:
        """Number of runs that :func:`jobs.launch.matrices.resume_matrix` would queue."""
        return sum(run.is_bad and not run.cell.skip_id for run in self.runs)

    @property
    def open_jobs(self) -> list[Job]:
        jobs = (run.job for run in self.runs if run.job is not None)
        return [job for job in jobs if job.is_open and job.cancel_asked_at is None]

    @property
    def next_job(self) -> Job | None:
        """The queued job that starts first; None while another one runs."""
        jobs = [run.job for run in self.runs if run.job is not None and not run.cell.skip_id]
        if any(job.state in Job.ON_HOST_STATES for job in jobs):
            return None
        return next((job for job in jobs if job.state == Job.State.QUEUED), None)

    @property
    def failures(self) -> int:
        """Number of failed and lost runs."""
        return sum(run.is_failed for run in self.runs)

    @property
    def has_failed_repeats(self) -> bool:
        """True if more runs failed or were lost than its cells tell."""
        return self.failures > self.counts["failed"] + self.counts["lost"]

    @property
    def best(self) -> CellView | None:
        """The cell with the highest value, of those without too many failures."""
        known = [cell for cell in self.cells if cell.value is not None and cell.holds_load]
        return max(known, key=lambda cell: cell.value or 0.0, default=None)


def matrix_page(matrix_id: int, metric: str = RATE) -> MatrixPage | None:
    """None: unknown matrix. ``metric``: the number of each cell, also an output rate in a unit; the
    output rate if none has it."""
    matrix = Matrix.objects.select_related("host", "created_by").filter(pk=matrix_id).first()
    if matrix is None:
        return None
    # Hosts, people and deployments are few: a join would make them of each run anew.
    few = ("job__host", "job__result__host", "job__result__created_by")
    cells = matrix.cells.select_related("job__result").order_by("row", "column", "repeat")
    rows = list(cells.prefetch_related(*few, "job__result__deployment__job"))
    measured = [result for row in rows if (result := _result(row)) is not None]
    known = {name for result in measured for name in result.metrics if name in METRICS}
    known.discard("concurrency")
    chosen = metric if metric in known or metric in map(rate_in, UNITS) else RATE
    by_place = grouped(((row.row, row.column), row) for row in rows)
    heated = _heated({place: _cell(runs, chosen) for place, runs in by_place.items()})
    columns = {column: cell.concurrency for (_row, column), cell in sorted(heated.items())}
    by_row = grouped((number, cell) for (number, _column), cell in sorted(heated.items()))
    left_s, unknown = _left(matrix, list(heated.values()))
    return MatrixPage(
        matrix=matrix,
        metric=chosen,
        metrics=tuple(name for name in METRICS if name in known),
        columns=tuple(columns[column] for column in sorted(columns)),
        rows=tuple(
            LengthsRow(of_row[0].input_tokens, of_row[0].output_tokens, tuple(of_row))
            for of_row in by_row.values()
        ),
        left_s=left_s,
        unknown=unknown,
    )


def matrices() -> QuerySet[Matrix]:
    measured = Q(cells__job__state=Job.State.SUCCEEDED)
    waiting = Q(cells__job__state__in=Job.OPEN_STATES)
    unmeasured = Q(cells__job__state__in=Job.UNSUCCESSFUL_STATES)
    return (
        Matrix.objects.select_related("host", "created_by")
        .annotate(
            done_runs=Count("cells", filter=measured),
            open_runs=Count("cells", filter=waiting),
            unmeasured_runs=Count("cells", filter=unmeasured),
            skipped_cells=Count("cells", filter=~Q(cells__skip_id="")),
        )
        .order_by("-created_at", "-pk")
    )  # a sum by group ignores the model's own order


def _whole(jobs: Sequence[Job]) -> str:
    state = state_of_runs([job.state for job in jobs])
    words = {str(Job.State.SUCCEEDED): "done", str(Job.State.STARTING): "running"}
    return words.get(state, state)


def _result(row: MatrixCell) -> Result | None:
    return getattr(row.job, "result", None) if row.job is not None else None


def _cell(rows: Sequence[MatrixCell], metric: str) -> CellView:
    runs = tuple(_run(row, metric) for row in rows)
    first = rows[0]
    skipped = next((row for row in rows if row.skip_id), None)
    skip = Message(skipped.skip_id, skipped.skip_args) if skipped else None
    return CellView(first.input_tokens, first.output_tokens, first.concurrency, runs, skip)


def _run(row: MatrixCell, metric: str) -> RunView:
    result = _result(row)
    metrics = with_rates(result.metrics, counts(result)) if result is not None else {}
    value = finite(metrics.get(metric))
    on_host = row.job is not None and row.job.state in Job.ON_HOST_STATES
    running = running_of(row.job) if on_host and row.job is not None else None
    return RunView(row, row.job, result, value, running)


def _heated(cells: dict[tuple[int, int], CellView]) -> dict[tuple[int, int], CellView]:
    values = [cell.value for cell in cells.values() if cell.value is not None]
    if not values:
        return cells
    low, high = min(values), max(values)

    def heat(value: float | None) -> int:
        if value is None:
            return 0
        return 4 if high == low else 1 + round(6 * (value - low) / (high - low))

    return {place: replace(cell, heat=heat(cell.value)) for place, cell in cells.items()}


def _left(matrix: Matrix, cells: Sequence[CellView]) -> tuple[float | None, int]:
    """Return the remaining time from past runs, and the number of runs without an estimate."""
    runs = [run for cell in cells for run in cell.runs if run.job is not None and run.job.is_open]
    waiting = [run.job for run in runs if run.job is not None and run.running is None]
    usual = usual_of(matrix.host, waiting) if waiting else []
    known = [times.typical_s for times in usual if times is not None]
    now = [run.running.left_s for run in runs if run.running is not None]
    known += [seconds for seconds in now if seconds is not None]
    return (sum(known) if known else None), len(runs) - len(known)
