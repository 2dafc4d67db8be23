"""Typical durations of jobs, from earlier ones of the same host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import linear_regression, median
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform

from jobs.kinds import KINDS, work_done, work_of
from jobs.kinds.lib.base import EXACT
from jobs.kinds.lib.load import did_all
from jobs.models import Host, Job

_HISTORY = 600  # ended jobs of a host used for durations


def usual_times(host: Host, jobs: Sequence[Job]) -> dict[int, Durations]:
    """Return typical durations on ``host``, by job id; jobs without history are omitted."""
    pairs = zip(jobs, usual_of(host, jobs), strict=True)
    return {job.pk or 0: times for job, times in pairs if times is not None}


def usual_of(host: Host, jobs: Sequence[Job]) -> list[Durations | None]:
    """Return typical durations of jobs or drafts on ``host``, in order; None without history."""
    by_kind: dict[str, list[Past]] = defaultdict(list)
    for row in _ended(host, {job.kind for job in jobs}).values_list(*PAST_COLUMNS)[:_HISTORY]:
        by_kind[row[0]] += pasts([row])
    return [_of(job, by_kind[job.kind]) for job in jobs]


_DURATIONS = 12  # earlier runs used for an estimate


_ALIKE = 0.02  # relative difference below which amounts of work are equal


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier job for estimates. ``work``: amount done, see ``Kind.work``; ``asked``: requested
    amount, if different; ``exact``: guide verbatim; ``paced_s``: the part of ``seconds`` that grows
    with the work, None if unknown.
    """

    title: str
    model: str
    seconds: float
    work: float | None = None
    asked: float | None = None
    exact: bool = False
    paced_s: float | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations of earlier runs, seconds. ``same``: identical work.

    ``scaled``: durations are scaled to this amount of work.
    """

    count: int
    typical_s: float
    shortest_s: float
    longest_s: float
    same: bool
    scaled: bool = False


def durations(job: Job, host: Host) -> Durations | None:
    """Return durations of jobs like ``job`` (or a draft) on ``host``: see :func:`typical`."""
    rows = _ended(host, {job.kind}).exclude(pk=job.pk or 0).values_list(*PAST_COLUMNS)[:50]
    return _of(job, pasts(rows))


def _ended(host: Host, kinds: Set[str]) -> QuerySet[Job]:
    """Return complete jobs of these kinds on ``host``, the latest first."""
    done = Job.objects.filter(
        host=host, kind__in=kinds, state=Job.State.SUCCEEDED, duration_s__isnull=False
    ).exclude(Q(resumed=True) | Q(result__incomplete=True))
    return done.order_by("-created_at", "-id")


def _of(job: Job, past: Sequence[Past]) -> Durations | None:
    amount, exact, own = work_of(job.kind, job.params), _is_exact(job.params), only_same(job.kind)
    return typical(past, job.title, job.model_id, amount, exact=exact, only_same=own)


def only_same(kind: str) -> bool:
    """Return True for installations: those of other things do not tell their durations."""
    return kind in KINDS and KINDS[kind].brings


# Columns of a job for :func:`pasts`; the last one has the counts of all data sets together.
PAST_COLUMNS = (
    *("kind", "title", "model_id", "duration_s", "params", "result__metrics"),
    KeyTransform("", "scores"),
)


def pasts(rows: Iterable[tuple[Any, ...]]) -> list[Past]:
    """Return earlier jobs from columns, without those that did not complete their work."""
    past_jobs = []
    for kind, title, model, seconds, params, metrics, counts in rows:
        measured = metrics or {}
        if did_all(params, measured):
            amounts = work_done(kind, params, measured), work_of(kind, params)
            exact = _is_exact(params)
            paced_s = _paced_s(seconds or 0.0, measured, params, counts or {})
            past = Past(title, model, seconds or 0.0, *amounts, exact=exact, paced_s=paced_s)
            past_jobs.append(past)
    return past_jobs


def _paced_s(
    seconds: float,
    metrics: Mapping[str, Any],
    params: Mapping[str, Any],
    counts: Mapping[str, Any],
) -> float | None:
    """Return how long requests took: of an evaluation by its counts, of a benchmark by its tool."""
    asked = counts.get("answered", 0) + counts.get("errors", 0)
    grown = asked - counts.get("base", 0)
    span = counts.get("at", 0.0) - counts.get("since", 0.0)
    if grown > 0 and span > 0:
        return float(min(seconds, span * asked / grown))
    duration = metrics.get("duration_s")
    if duration and len(params.get("concurrency") or ()) == 1:
        return float(min(seconds, duration))
    return None


def _is_exact(params: Mapping[str, Any]) -> bool:
    return params.get(EXACT) is True


def typical(
    rows: Sequence[Past],
    title: str,
    model: str,
    amount: float | None = None,
    *,
    exact: bool = False,
    only_same: bool = False,
) -> Durations | None:
    """Return durations of jobs of one kind, latest first: same title, else same model, else all.
    Verbatim and corrected runs (``exact``) differ. Jobs with the same ``amount`` take precedence;
    other durations are scaled. ``only_same``: the title alone tells, and runs that found their
    content there are left out: they took less than half of the longest.
    """
    same = [row for row in rows if row.title == title and row.exact == exact]
    if only_same:
        alike, rest = [], []
        longest = max((row.seconds for row in same), default=0.0)
        same = [row for row in same if row.seconds >= longest / 2]
    else:
        alike, rest = [row for row in rows if model and row.model == model], list(rows)
    chosen = same or alike or rest
    equal = [row for row in chosen if _is_as_much(row.work, amount) or _repeats(row, title, amount)]
    # Rows of an older version lack amounts: their durations are used as they are.
    scaled = _scaled(chosen, amount) if amount is not None and not equal else []
    seconds = (scaled or [row.seconds for row in equal or chosen])[:_DURATIONS]
    if not seconds:
        return None
    return Durations(
        *(len(seconds), median(seconds), min(seconds), max(seconds)),
        same=bool(same) and bool(equal),
        scaled=bool(scaled),
    )


def _scaled(rows: Sequence[Past], amount: float) -> list[float]:
    """Scale the durations of ``rows`` to another amount of work.

    Fixed time (start, warm-up) is what the requests did not take. Where that is unknown, it comes
    from a least-squares line through several amounts; with one amount, all time is scaled.
    """
    known = [(row.work, row.seconds) for row in rows if row.work]
    rests = [row.seconds - row.paced_s for row in rows if row.work and row.paced_s is not None]
    fixed = 0.0
    if rests:
        fixed = min(median(rests), *(seconds for _did, seconds in known))
    elif len({did for did, _seconds in known}) > 1:
        line = linear_regression(*zip(*known, strict=True))
        fixed = min(max(0.0, line.intercept), *(seconds for _did, seconds in known))
    squares = sum(did * did for did, _seconds in known)
    pace = sum(did * (seconds - fixed) for did, seconds in known) / squares if known else 0.0
    if not pace:  # no slope: more work cannot be estimated
        fixed, pace = 0.0, 1.0
    # Keep each run's deviation from the line.
    return [seconds * (fixed + pace * amount) / (fixed + pace * did) for did, seconds in known]


def _repeats(row: Past, title: str, amount: float | None) -> bool:
    """Return True if the request is identical, so the work repeats."""
    return row.asked is not None and row.title == title and _is_as_much(row.asked, amount)


def _is_as_much(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _ALIKE * other
