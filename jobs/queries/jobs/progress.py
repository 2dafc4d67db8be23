"""Live state of a job: accuracy with interval, pace, remaining time; stalled jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from django.conf import settings
from django.utils.timezone import now

from jobs import logstore
from jobs.base import grouped
from jobs.models import Job, PointBlock, ServedBlock
from jobs.plans import ACCURACY, LONGEST_PART
from jobs.statistics import Interval, wilson


@dataclass(frozen=True, slots=True)
class Standing:
    """State of one data set, or of all under the name "". ``total``: 0: unknown. ``accuracy``:
    share of ``scored``; None before the first. ``left_s``: until all is done; None: unknown.
    ``is_partial``: not all sets have started, so the interval covers only started ones."""

    name: str
    answered: int
    total: int
    scored: int
    right: float
    cut: int
    errors: int
    accuracy: Interval | None
    per_minute: float | None
    left_s: float | None
    is_partial: bool = False

    @property
    def title(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def asked(self) -> int:
        return self.answered + self.errors

    @property
    def is_done(self) -> bool:
        """True if all questions are done and scored; False if the total is unknown."""
        return 0 < self.total <= self.asked and self.scored >= self.answered

    @property
    def waits_for_scores(self) -> bool:
        return self.answered > 0 and self.scored == 0


class Standings(NamedTuple):
    """``sets``: in plan order. ``scores_last``: the tool scores no set before all are asked."""

    whole: Standing
    sets: tuple[Standing, ...]
    begun_at: float | None = None  # start of the last set (seconds, host clock)
    scores_last: bool = False

    @property
    def scored_sets(self) -> int:
        return sum(one.is_done for one in self.sets)


def standings(job: Job) -> Standings | None:
    """None for jobs that are no evaluation, or without counts."""
    expected = _expected(job.plan)
    if expected is None:
        return None
    known: Mapping[str, Any] = job.scores or {}
    names = list(dict.fromkeys([*expected, *sorted(known, key=lambda name: _since(known, name))]))
    sets = [_standing(name, known.get(name), expected.get(name, 0)) for name in names if name]
    total = sum(one.total for one in sets) if all(one.total for one in sets) else 0
    has_begun = all(one.asked for one in sets)
    whole = replace(_standing("", known.get(""), total), is_partial=not has_begun)
    starts = [_since(known, one.name)[0] for one in sets] if has_begun else []
    # OpenCompass in one step, such as the guide's.
    has_step = any(step.get("name") == "score" for step in job.plan.get("steps", ()))
    is_last = job.plan.get("kind") == "evaluate-opencompass" and not has_step
    return Standings(whole, tuple(sets), max(starts, default=None), scores_last=is_last)


def whole_standing(job: Job) -> Standing | None:
    """Return the total state; None before the first question."""
    if not (job.scores or {}).get(""):  # lists load plans only of running evaluations
        return None
    result = standings(job)
    return result.whole if result and result.whole.asked else None


def _expected(plan: Mapping[str, Any]) -> dict[str, int] | None:
    for watch in plan.get("watches", ()):
        if watch.get("name") == ACCURACY:
            return {str(name)[:LONGEST_PART]: int(size) for name, size in watch.get("expected", ())}
    return None


def _since(known: Mapping[str, Any], name: str) -> tuple[float, str]:
    return float(known[name].get("since", 0.0)), name


def _standing(name: str, counts: Mapping[str, Any] | None, total: int) -> Standing:
    values = counts or {}
    answered, scored = int(values.get("answered", 0)), int(values.get("scored", 0))
    right, whole = float(values.get("right", 0.0)), int(values.get("total", 0)) or total
    errors = int(values.get("errors", 0))
    span = values.get("at", 0.0) - values.get("since", 0.0)
    grown = answered + errors - values.get("base", 0)
    pace = grown / span if span > 0 and grown > 0 else None
    left = max(0, whole - answered - errors) if whole else None
    return Standing(
        name=name,
        answered=answered,
        total=whole,
        scored=scored,
        right=right,
        cut=int(values.get("cut", 0)),
        errors=errors,
        accuracy=wilson(right, scored) if scored else None,
        per_minute=None if pace is None else 60 * pace,
        left_s=None if pace is None or left is None else left / pace,
    )


# Output this long after the last figures no longer belongs to the same progress bar.
_GOES_ON = timedelta(seconds=60)


def last_arrival(key: str) -> datetime | None:
    store = logstore.store()
    size = store.size(key)
    arrivals = store.arrivals(key, size, size, limit=1) if size else []
    return datetime.fromtimestamp(arrivals[-1][1] / 1000, UTC) if arrivals else None


def stalled_since(job: Job, moment: datetime | None = None) -> datetime | None:
    """Return since when a running job is stalled; None within ``settings.STALLED_AFTER_S``.
    Progress figures count while printed, because a tool may print the same bar again, but no longer
    once the log continues without them."""
    if job.state != Job.State.RUNNING or job.started_at is None:
        return None
    moment, long = moment or now(), timedelta(seconds=settings.STALLED_AFTER_S)
    figures = job.progress or {}
    since = figures.get("since")
    heard = datetime.fromtimestamp(since, UTC) if since else job.started_at
    # The log is read only if figures do not decide: this runs for every running job.
    if not since or moment - heard > long:
        arrived = last_arrival(f"job/{job.pk}")
        drawn = datetime.fromtimestamp(figures.get("drawn", 0), UTC)
        if arrived and (not since or ("drawn" in figures and arrived - drawn > _GOES_ON)):
            heard = arrived
    return heard if moment - heard > long else None


# Blocks before the cursor to reread, so that windowed rates are complete.
_CONTEXT_BLOCKS = 12
_AT_ONCE = 20  # blocks in memory
ROWS_MAX = 20_000  # of one watch: four times what a chart draws

Sample: TypeAlias = tuple[float, dict[str, float]]
Rows: TypeAlias = list[list[object]]


class Samples(NamedTuple):
    """``(seconds since the epoch, {metric: value})`` of one watch, oldest first, before the cursor
    (``context``) and after it (``fresh``)."""

    context: Sequence[Sample] = ()
    fresh: Sequence[Sample] = ()


class News(NamedTuple):
    """``after``: next cursor, offset of the last block, or the old cursor without new ones."""

    after: int
    samples: Mapping[str, Samples]

    def of(self, watch: str) -> Samples:
        return self.samples.get(watch, Samples())


def samples_after(job_id: int, after: int, watches: Sequence[str]) -> News:
    """Return samples of ``watches`` after the block at offset ``after`` (bytes; -1: all)."""
    blocks = PointBlock.objects.filter(job=job_id, watch__in=watches)
    fresh: dict[str, _Thinned] = {}
    newer = blocks.filter(offset__gt=after).order_by("offset", "id")
    after_now = after
    triples = newer.values_list("offset", "watch", "rows")
    for offset, watch, rows in triples.iterator(chunk_size=_AT_ONCE):
        fresh.setdefault(watch, _Thinned()).add(rows)
        after_now = offset
    samples = {}
    for watch, thinned in fresh.items():
        before = blocks.filter(watch=watch, offset__lte=after).order_by("-offset", "-id")
        context = before.values_list("rows", flat=True)[:_CONTEXT_BLOCKS] if after >= 0 else ()
        samples[watch] = Samples(_flat(list(context)), _flat([thinned.rows()]))
    return News(after_now, samples)


class _Thinned:
    """Rows of one watch, evenly thinned to at most ``ROWS_MAX``; the last one is always kept. A
    job's live metrics may have 100 MB: only what a chart can show stays in memory."""

    def __init__(self) -> None:
        self._kept: Rows = []
        self._every, self._count = 1, 0
        self._last: list[object] = []

    def add(self, rows: Rows) -> None:
        for row in rows:
            if self._count % self._every == 0:
                self._kept.append(row)
            self._count += 1
            if len(self._kept) > ROWS_MAX:
                self._kept = self._kept[::2]
                self._every *= 2
        self._last = rows[-1] if rows else self._last

    def rows(self) -> Rows:
        is_kept = not self._last or (self._kept and self._kept[-1] is self._last)
        return self._kept if is_kept else [*self._kept, self._last]


def all_samples(job_id: int, watch: str) -> list[Sample]:
    blocks = PointBlock.objects.filter(job=job_id, watch=watch).order_by("offset", "id")
    return _flat(list(blocks.values_list("rows", flat=True)))


def has_points(job_id: int, watches: Sequence[str]) -> bool:
    return PointBlock.objects.filter(job=job_id, watch__in=watches).exists()


def served_samples(deployment_ids: Sequence[int], since: datetime) -> dict[int, list[Sample]]:
    blocks = ServedBlock.objects.filter(deployment__in=deployment_ids, until__gte=since)
    rows = blocks.order_by("until", "id").values_list("deployment_id", "rows")
    return {deployment_id: _flat(blocks) for deployment_id, blocks in grouped(rows).items()}


def _flat(blocks: list[Rows]) -> list[Sample]:
    rows = [(float(row[0]), dict(row[1])) for rows in blocks for row in rows]  # type: ignore[arg-type, call-overload]
    return sorted(rows, key=lambda row: row[0])
