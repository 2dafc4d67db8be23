"""A section of a host's queue: rows of jobs and groups, with what the viewer may move."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest

from dashboard.pages.shared.groups import JobRow, rows_of
from dashboard.security.permissions import allowed
from dashboard.text.queue_words import QueueRow, waits
from jobs.models import Host, Job
from jobs.queries.hosts import waiting_on
from jobs.queries.jobs.groups import MOST_RUNS
from jobs.schedule import queue

_COLUMNS = ("pk", "chain", "priority", "created_by_id")


class QueuePlace(NamedTuple):
    """A row. ``position``: of its first job in the queue, from 1. ``queued_jobs``: their
    number.
    ``runs``: those of an unfolded group."""

    row: JobRow
    queued: QueueRow
    position: int
    queued_jobs: int = 1
    runs: Sequence["QueuePlace"] = ()


class QueueSection(NamedTuple):
    """Part of a queue of ``total`` jobs. ``head``: the first row that has a reason, which others
    share. ``earlier``, ``later``: positions at which other parts start; None: there is none."""

    places: Sequence[QueuePlace]
    total: int
    head: QueueRow | None
    earlier: int | None
    later: int | None
    more: int


def section(request: HttpRequest, host: Host, start: int, most: int) -> QueueSection:
    """Return at most ``most`` rows, from the one whose first job is at ``start`` or later."""
    narrow: list[Any] = [*queue.in_order(host).values_list(*_COLUMNS, named=True)]
    every, position = queue.rows_of(narrow), {one.pk: at for at, one in enumerate(narrow, 1)}
    first = sum(position[row[0].pk] < start for row in every)
    shown = every[first : first + most]
    found = waiting_on([host]).filter(pk__in=[row[0].pk for row in shown])
    (rows,) = rows_of(request, (list(found), waiting_on([host])))
    asked = [each for row in rows for each in (row, *row.runs)]
    jobs = [each.job for each in asked]
    reasons = waits(jobs, {each.job.pk: each.forecast for each in asked if each.forecast})

    def place(row: JobRow, job: Job, line: Sequence[Sequence[Any]], at: int) -> QueuePlace:
        level = [one[0] for one in line if one[0].priority == job.priority]
        ahead = [one for one in line[:at] if one[0].priority == job.priority]
        can_prioritize, may_order = (
            allowed(request.user, name, job) for name in ("job.raise", "job.order")
        )
        # A row passes the next one of its person, a single run the one before it.
        passed = ahead if row.group else ahead[-1:]
        own = can_prioritize or any(one[0].created_by_id == job.created_by_id for one in passed)
        queued = QueueRow(
            job,
            *reasons[job.pk],
            may_order=may_order,
            can_prioritize=can_prioritize,
            earlier=may_order and bool(ahead) and own,
            later=may_order and level[-1].pk != line[at][0].pk,
        )
        return QueuePlace(row, queued, position[job.pk], len(line[at]))

    single = [[one] for one in narrow]
    places = []
    for at, row in enumerate(rows, first):
        own = {one.pk for one in every[at]}
        runs = [each for each in row.runs if each.job.pk in own][:MOST_RUNS]
        unfolded = [place(each, each.job, single, position[each.job.pk] - 1) for each in runs]
        places.append(place(row, row.job, every, at)._replace(runs=unfolded))
    after = every[first + most :]
    return QueueSection(
        places,
        len(narrow),
        next((one.queued for one in places if not one.row.job.open_confirmations), None),
        position[every[max(0, first - most)][0].pk] if first else None,
        position[after[0][0].pk] if after else None,
        sum(map(len, after)),
    )
