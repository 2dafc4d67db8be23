"""Groups of jobs in lists: a pipeline or a matrix, or a job with its requirements, is one row."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from jobs.models import Job, Matrix

ASKS = "needs_confirmation"
_OPEN = (ASKS, Job.State.RUNNING, Job.State.STARTING, Job.State.QUEUED)
# By these states, the worst first, a group counts its runs.
_WORST = (*Job.BROKEN_STATES, *_OPEN, Job.State.CANCELLED, Job.State.SUCCEEDED)
_SCANNED = 1000  # jobs searched for the first of each group
MOST_RUNS = 100  # of one unfolded list


class GroupRun(NamedTuple):
    """Last attempt of a job of a group. ``state``: a state of jobs, or ``ASKS``."""

    id: int
    state: str
    kind: str


@dataclass(frozen=True)
class JobGroup:
    """``runs``: in the order of launch. ``jobs``: their number, earlier attempts included.
    ``matching``: jobs that a filter keeps."""

    id: UUID
    runs: tuple[GroupRun, ...]
    jobs: int
    matching: tuple[GroupRun, ...]
    model_id: str
    started_at: datetime | None
    finished_at: datetime | None
    matrix: Matrix | None

    @cached_property
    def states(self) -> tuple[str, ...]:
        return tuple(run.state for run in self.runs)

    @property
    def state(self) -> str:
        return state_of_runs(self.states)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of runs by state, the worst first."""
        counted = Counter(self.states)
        return {str(state): counted[state] for state in _WORST if counted[state]}

    @cached_property
    def open_ids(self) -> list[int]:
        return [run.id for run in self.runs if run.state == ASKS or run.state in Job.OPEN_STATES]

    @property
    def took_s(self) -> float | None:
        """Seconds from the first start to the last end; None while active, or if nothing ran."""
        if self.open_ids or self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


def state_of_runs(states: Collection[str]) -> str:
    """Return the state of a whole: open while a run is, else the worst of its runs; succeeded
    without runs."""
    known = (state for state in (*_OPEN, *_WORST) if state in states)
    return str(next(known, Job.State.SUCCEEDED))


def heads(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Of each group among ``jobs`` the newest one, and all single jobs."""
    newer = jobs.order_by().filter(chain=OuterRef("chain"), pk__gt=OuterRef("pk"))
    return jobs.filter(Q(chain=None) | ~Exists(newer))  # most jobs have none: nothing is read


def firsts(jobs: QuerySet[Job], most: int) -> list[Job]:
    """Of each group the first job in the order of ``jobs``, and single jobs: at most ``most``."""
    found: dict[Any, int] = {}
    for pk, chain in jobs.values_list("pk", "chain")[:_SCANNED]:
        if len(found) < most:
            found.setdefault(chain or pk, pk)
    return list(jobs.filter(pk__in=found.values()))


def groups_of(jobs: Iterable[Job], matching: QuerySet[Job] | None = None) -> dict[UUID, JobGroup]:
    """Groups of these jobs with more than one job, by ``Job.chain``. ``matching``: jobs of a list
    that is filtered."""
    asked = {job.chain for job in jobs if job.chain is not None}
    if not asked:
        return {}
    spans = Job.objects.filter(chain__in=asked).order_by().values("chain")
    spans = spans.annotate(size=Count("pk"), began=Min("started_at"), ended=Max("finished_at"))
    about: dict[UUID, Any] = {
        row["chain"]: row for row in spans if row["size"] > 1 and row["chain"]
    }
    if not about:
        return {}
    runs, kept = _runs(list(about)), set[int]()
    if matching is not None:
        kept = set(matching.order_by().filter(chain__in=about).values_list("pk", flat=True))
    matrices = {one.chain: one for one in Matrix.objects.filter(chain__in=about).defer("spec")}
    return {
        chain: JobGroup(
            chain,
            tuple(current),
            len(every),
            tuple(run for run in every if run.id in kept),
            model_id,
            about[chain]["began"],
            about[chain]["ended"],
            matrices.get(chain),
        )
        for chain, (current, every, model_id) in runs.items()
    }


def _runs(chains: Collection[UUID]) -> dict[UUID, tuple[list[GroupRun], list[GroupRun], str]]:
    """Last attempts and all jobs of each group, and the model of its first job with one: a later
    one may install a tool with the tour's. A further run of a cell repeats its first, too, but each
    of the two has a cell."""
    asks = Q(state=Job.State.QUEUED) & ~Q(needs_confirmation=[])
    rows = Job.objects.filter(chain__in=chains).order_by("pk").annotate(asks=asks)
    every: dict[UUID, list[GroupRun]] = defaultdict(list)
    slots: dict[UUID, dict[int, GroupRun]] = defaultdict(dict)
    slot_of: dict[int, int] = {}
    columns = ("chain", "pk", "state", "kind", "repeats_id", "cell", "asks", "model_id")
    has_cell: dict[int, bool] = {}
    models: dict[UUID, str] = defaultdict(str)
    for chain, pk, state, kind, repeats, cell, is_asking, model_id in rows.values_list(*columns):
        models[chain] = models[chain] or model_id
        run = GroupRun(pk, ASKS if is_asking else state, kind)
        replaces = repeats in slot_of and not has_cell[repeats]
        slot_of[pk] = slot_of[repeats] if replaces else pk
        has_cell[pk] = cell is not None
        slots[chain][slot_of[pk]] = run
        every[chain].append(run)
    return {chain: (list(slots[chain].values()), every[chain], models[chain]) for chain in every}
