"""Queue order of a host: by priority, then place. People take turns, and so do the pipelines and
matrices of one person; people can move jobs. Each change holds the host's lock."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from jobs import notifications
from jobs.base import grouped
from jobs.base.errors import JobsError, LaunchError
from jobs.models import Host, Job
from jobs.models.jobs import PLACES_A_SECOND, last_place
from jobs.schedule.lifecycle import lock_host, lock_waiting

STEPS = ("first", "earlier", "later", "last")


class NotMoved(JobsError):
    """The move is not possible; the message is for people."""

    id = "job:not_moved"


class PassesOthers(NotMoved):
    """The job would pass another person's job without permission."""

    id = "job:passes_others"


class Move(NamedTuple):
    """Old and new position of a job or row within its priority, from 1."""

    was: int
    now: int


def check_length(host: Host) -> None:
    """Raise ``LaunchError`` if ``QUEUE_LIMIT`` is reached. The caller holds the host's lock."""
    if Job.objects.filter(host=host, state=Job.State.QUEUED).count() >= settings.QUEUE_LIMIT:
        message = _(
            "The queue of %(host)s is full: %(n)s jobs (QUEUE_LIMIT). Cancel some, choose "
            "another host, or retry later."
        )
        raise LaunchError(message % {"n": settings.QUEUE_LIMIT, "host": host.name})


def take_turn(job: Job) -> None:
    """Set the place of a job that is new in the queue, or in its priority. The caller holds the
    host's lock."""
    level = in_order(job.host).filter(priority=job.priority).exclude(pk=job.pk)
    columns = ("pk", "place", "created_by_id", "chain")
    rows: list[Any] = [*level.values_list(*columns, named=True)]
    index, behind = _in_turn(rows, job.created_by_id, job.chain)
    _put(job, rows, index)
    if behind:
        # It takes the place of the person's next job, which takes that of the one behind it.
        _exchange([job.pk, *(row.pk for row in behind)])
    job.refresh_from_db(fields=["place"])


def in_order(host: Host) -> QuerySet[Job]:
    return Job.objects.filter(host=host, state=Job.State.QUEUED).order_by(*Job.QUEUE_ORDER)


def place_among(rows: Sequence[Any], draft: Job) -> int:
    """Index at which ``draft`` would wait among ``rows`` of :func:`in_order` of its priority."""
    index, behind = _in_turn(rows, draft.created_by_id, draft.chain)
    return rows.index(behind[0]) if behind else index


def _in_turn(rows: Sequence[Any], person: int | None, group: object) -> tuple[int, list[Any]]:
    """Index among ``rows`` at which one more job of ``person`` gets in, and the rows of that person
    that a job of ``group`` comes before."""
    own = [row for row in rows if row.created_by_id == person]
    behind = own[_turn([row.chain for row in own], group) :]
    return _turn([row.created_by_id for row in rows], person), behind


def _turn(names: Sequence[object], name: object) -> int:
    """Index at which one more ``name`` gets in: behind all others of its own, and before the first
    name that has had more turns by then."""
    turns, own, passed = Counter[object](), names.count(name), 0
    for index, each in enumerate(names):
        turns[each] += 1
        if passed == own and turns[each] > own + 1:
            return index
        passed += each == name
    return len(names)


def rows_of(jobs: Iterable[Any]) -> list[list[Any]]:
    """Rows of a queue: queued jobs of one group, person and priority are one, at the place of the
    first."""
    keyed = (((job.priority, job.chain or job.pk, job.created_by_id), job) for job in jobs)
    return list(grouped(keyed).values())


def move(
    job_id: int,
    *,
    to: str = "",
    before: int | None = None,
    after: int | None = None,
    can_overtake: bool,
    whole: bool = False,
) -> Move:
    """Move a queued job within its priority, past other people's jobs only with ``can_overtake``.
    ``whole``: all queued jobs of its group, in their order; they and the passed rows exchange
    places, so that no other job moves. Raises ``Job.DoesNotExist``, ``NotMoved``,
    ``PassesOthers``."""
    with transaction.atomic():
        host = lock_host(Job.objects.values_list("host_id", flat=True).get(pk=job_id))
        job = Job.objects.only("pk", "host_id", "priority", "state", "created_by_id").get(pk=job_id)
        level = in_order(host).filter(priority=job.priority)
        columns = ("pk", "place", "created_by_id", "chain", "priority")
        jobs: list[Any] = [*level.values_list(*columns, named=True)]
        rows = rows_of(jobs) if whole else [[one] for one in jobs]
        was = _row_with(rows, job.pk)
        if was is None:
            raise NotMoved(_("This job is no longer queued."))
        mine = rows.pop(was)
        if whole and {before, after} & {one.pk for one in mine}:  # dropped among its own jobs
            target = was
        elif whole and to == "earlier" and not can_overtake:  # past the next one of that person
            own = [index for index in range(was) if _is_of(mine, rows[index])]
            target = max(own, default=max(0, was - 1))
        else:
            target = _index(job, rows, was, to=to, before=before, after=after)
        passed = rows[target:was] or rows[was:target]
        others = [row for row in passed if target < was and not _is_of(mine, row)]
        if others and not can_overtake:
            passed = [row for row in passed if row not in others]
            if not whole or not passed:
                message = _(
                    "Not moved: job #%(job)s of another person would be passed. Ask an "
                    "administrator."
                )
                raise PassesOthers(message % {"job": others[0][0].pk})
        if whole and passed:
            order = [mine, *passed] if target < was else [*passed, mine]
            _exchange([one.pk for row in order for one in row])
        elif passed:
            _put(mine[0], [row[0] for row in rows], target)
        if passed:
            notifications.notify("job", id=job.pk)
    return Move(was + 1, target + 1)


def _row_with(rows: Sequence[Sequence[Any]], pk: int | None) -> int | None:
    return next((at for at, row in enumerate(rows) if any(one.pk == pk for one in row)), None)


def _is_of(mine: Sequence[Any], row: Sequence[Any]) -> bool:
    return bool(row[0].created_by_id == mine[0].created_by_id)


def _exchange(ids: Sequence[int]) -> None:
    """Give queued jobs the places that they have together, in this order."""
    lock_waiting(ids)
    places = sorted(Job.objects.filter(pk__in=ids).values_list("place", flat=True))
    moved = [Job(pk=pk, place=place) for pk, place in zip(ids, places, strict=True)]
    Job.objects.bulk_update(moved, ["place"], batch_size=500)


def set_priority(
    job_id: int, priority: int, *, can_overtake: bool = False, whole: bool = False
) -> list[int]:
    """Set the priority of a queued job; a higher one also for jobs it depends on. ``can_overtake``:
    it keeps its place, even before other people's jobs. ``whole``: of all jobs of its row. Returns
    ids of changed jobs. Raises ``Job.DoesNotExist``: unknown job; ``NotMoved``: the job is no
    longer queued."""
    with transaction.atomic():
        host = lock_host(Job.objects.values_list("host_id", flat=True).get(pk=job_id))
        queued = Job.objects.filter(state=Job.State.QUEUED)
        if not queued.filter(pk=job_id).exists():
            raise NotMoved(_("This job is no longer queued."))
        columns = ("pk", "chain", "priority", "created_by_id")
        rows = rows_of(in_order(host).values_list(*columns, named=True)) if whole else []
        at = _row_with(rows, job_id)
        ids = [job_id] if at is None else [one.pk for one in rows[at]]
        lock_waiting({*ids, *(pk for one in ids for pk in _all_before(one, priority))})
        changed = [
            pk for one in ids for pk in raise_those_before(one, priority, can_overtake=can_overtake)
        ]
        own = queued.filter(pk__in=ids).exclude(priority=priority)
        changed += _enter(own, priority, can_overtake)
        for pk in changed:
            notifications.notify("job", id=pk)
    return changed


def raise_those_before(job_id: int, priority: int, *, can_overtake: bool = False) -> list[int]:
    """Raise queued jobs that a job depends on to its priority; return their ids. Otherwise an
    urgent job would wait for one that others overtake. ``can_overtake``: as above."""
    lower = _all_before(job_id, priority)
    if not lower:
        return []
    lock_waiting(lower)
    return _enter(Job.objects.filter(pk__in=lower, state=Job.State.QUEUED), priority, can_overtake)


def _all_before(job_id: int, priority: int) -> list[int]:
    """Queued jobs of lower priority that a job depends on, transitively."""
    waiting = Job.objects.filter(state=Job.State.QUEUED, priority__gt=priority)
    predecessors: set[int] = set()
    front = {job_id}
    while front:
        front = set(waiting.filter(before__in=front).values_list("pk", flat=True)) - predecessors
        predecessors |= front
    return sorted(predecessors)


def _enter(jobs: QuerySet[Job], priority: int, can_overtake: bool) -> list[int]:
    """Move queued jobs to another priority; return their ids. Without permission to pass they take
    their turn there, or a detour through an empty priority would lead to the front."""
    columns = ("pk", "host", "place", "created_by_id", "chain")
    entered = []
    for job in jobs.order_by("place", "pk").select_related("host").only(*columns):
        job.priority = priority
        Job.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(priority=priority)
        if not can_overtake:
            take_turn(job)
        entered.append(job.pk)
    return entered


def set_exclusive(job_id: int, *, exclusive: bool) -> bool:
    """Set exclusive use of a queued job. False: no change. Raises ``NotMoved``."""
    with transaction.atomic():
        lock_host(Job.objects.values_list("host_id", flat=True).get(pk=job_id))
        queued = Job.objects.filter(pk=job_id, state=Job.State.QUEUED)
        if not queued.exists():
            raise NotMoved(_("This job is no longer queued."))
        changed = queued.exclude(exclusive=exclusive).update(exclusive=exclusive)
        if changed:
            notifications.notify("job", id=job_id)
    return changed == 1


def _index(
    job: Job,
    rows: Sequence[Sequence[Any]],
    was: int,
    *,
    to: str,
    before: int | None,
    after: int | None,
) -> int:
    """The job's index in ``rows``, which exclude it."""
    steps = {
        "first": 0,
        "earlier": max(0, was - 1),
        "later": min(len(rows), was + 1),
        "last": len(rows),
    }
    if to:
        if to not in steps:
            raise NotMoved(_("Choose one of %(expected)s.") % {"expected": ", ".join(STEPS)})
        return steps[to]
    other = before if before is not None else after
    position = _row_with(rows, other)
    if position is not None:
        return position if before is not None else position + 1
    if other is not None and other != job.pk:
        if Job.objects.filter(pk=other, host_id=job.host_id, state=Job.State.QUEUED).exists():
            message = _(
                "Job #%(job)s has another priority, and priority takes precedence over order."
            )
            raise NotMoved(message % {"job": other})
        raise NotMoved(_("Job #%(job)s is no longer queued on this host.") % {"job": other})
    message = _("Name the job to place this one before or after, or choose one of %(steps)s.")
    raise NotMoved(message % {"steps": ", ".join(STEPS)})


def _put(mine: Any, rows: Sequence[Any], index: int) -> None:
    """Set a place of ``mine`` between its new neighbours; respace all if there is no gap."""
    left = rows[index - 1].place if index else None
    right = rows[index].place if index < len(rows) else None
    if right is None:
        place = max(last_place(), (left or 0) + 1)
    elif left is None:
        place = right - PLACES_A_SECOND
    elif right - left > 1:
        place = left + (right - left) // 2
    else:  # a second apart; none after the last, because new jobs come last
        ordered = [*rows[:index], mine, *rows[index:]]
        lock_waiting(row.pk for row in ordered)
        first = max(row.place for row in ordered) - (len(ordered) - 1) * PLACES_A_SECOND
        moved = [Job(pk=row.pk, place=first + i * PLACES_A_SECOND) for i, row in enumerate(ordered)]
        Job.objects.bulk_update(moved, ["place"], batch_size=500)
        return
    Job.objects.filter(pk=mine.pk, state=Job.State.QUEUED).update(place=place)
