"""Lists of jobs: filtered, newest first or sorted by a column, paged by keyset."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet, prefetch_related_objects

from jobs.base.numbers import number_from
from jobs.models import Host, Job
from jobs.queries.jobs.groups import heads
from jobs.queries.sorting import (
    MADE,
    NEWEST,
    Order,
    SortKey,
    read_float,
    read_moment,
    read_whole,
    sorted_page,
)
from jobs.queries.sorting import text as text_column
from jobs.queries.text_search import has_word, meets

PAGE_SIZE = 50

# Groups of states for filters, in addition to single states.
OPEN, FAILED_OR_LOST = "open", "failed_or_lost"
NEEDS_CONFIRMATION = "needs_confirmation"
GROUPS: Mapping[str, tuple[str, ...]] = {
    OPEN: Job.OPEN_STATES,
    FAILED_OR_LOST: Job.BROKEN_STATES,
}

# Sort columns, named as in the address: ``?order=-duration``.
COLUMNS: Mapping[str, SortKey] = {
    "job": SortKey(F("pk"), read_whole, always=True),
    "kind": text_column("kind", always=True),
    "state": text_column("state", always=True),
    "host": text_column("host__name", always=True),
    "person": text_column("created_by__username"),
    "started": SortKey(F("started_at"), read_moment),
    "ended": SortKey(F("finished_at"), read_moment),
    "duration": SortKey(F("duration_s"), read_float),
    "made": MADE,
}
# Fields that no page of a list shows. Their JSON would be a third of its time.
_UNSEEN = (
    *("plan", "params", "inputs", "guide", "product", "made", "ended", "host_load"),
    *("confirmed", "removed_args"),
)
# Read after the jobs: with a join, SQLite may walk all jobs of each host and sort them.
_NAMED = ("host", "created_by")
# In these orders a group is one row, at the place of its newest job. In others its jobs differ.
GROUPED = ("made", "job", "host", "person")


class JobFilters(NamedTuple):
    """Filters of a list; "" means any. ``state``: a state, a name of ``GROUPS``, or
    "needs_confirmation". ``pinned``: only kept jobs."""

    state: str = ""
    kind: str = ""
    host: str = ""
    person: str = ""
    text: str = ""
    pinned: str | bool = ""

    @property
    def any(self) -> bool:
        return any((self.state, self.kind, self.host, self.person, self.text, self.pinned))


def page(jobs: QuerySet[Job], *, after: str = "", limit: int = PAGE_SIZE) -> tuple[list[Job], str]:
    """Return the newest of ``jobs``, and the next cursor, "" at the end."""
    return sorted_page(jobs, COLUMNS[NEWEST.name], NEWEST, after, limit)


def grouped_page(
    jobs: QuerySet[Job],
    hosts: Callable[[], Iterable[Host]],
    order: Order = NEWEST,
    *,
    after: str = "",
    limit: int = PAGE_SIZE,
) -> tuple[list[Job], str]:
    """Return a page with the fields that it shows: of each group only the newest job, in the orders
    of ``GROUPED``. ``hosts`` returns all hosts; it is called after the jobs are read."""
    jobs = jobs.defer(*_UNSEEN).prefetch_related(None).prefetch_related("created_by")
    jobs = heads(jobs) if order.name in GROUPED else jobs
    shown, following = sorted_page(jobs, COLUMNS[order.name], order, after, limit)
    by_id = {host.pk: host for host in hosts()}
    for job in shown:
        if host := by_id.get(job.host_id):  # else it is new, and read by itself
            job.host = host
    prefetch_related_objects([job for job in shown if job.state == Job.State.RUNNING], "steps")
    # Live accuracy needs the plans of running evaluations.
    scored = {job.pk: job for job in shown if job.state == Job.State.RUNNING and job.scores}
    for pk, plan in Job.objects.filter(pk__in=scored).values_list("pk", "plan") if scored else ():
        scored[pk].plan = plan
    return shown, following


def matching(filters: JobFilters) -> QuerySet[Job]:
    jobs = Job.objects.prefetch_related(*_NAMED, "steps")
    if filters.state == NEEDS_CONFIRMATION:
        jobs = jobs.filter(state=Job.State.QUEUED).exclude(needs_confirmation=[])
    elif filters.state == OPEN:
        jobs = jobs.filter(Job.in_states(Job.OPEN_STATES))
    elif filters.state:
        jobs = jobs.filter(state__in=GROUPS.get(filters.state, (filters.state,)))
    if filters.kind:
        jobs = jobs.filter(kind=filters.kind)
    if filters.host:
        # By id, so that an index provides the order; a join would sort.
        hosts = Host.objects.filter(name=filters.host).values_list("pk", flat=True)
        jobs = jobs.filter(host_id__in=list(hosts))
    if filters.person:
        people = User.objects.filter(username=filters.person).values_list("pk", flat=True)
        jobs = jobs.filter(created_by_id__in=list(people))
    if filters.pinned:
        jobs = jobs.filter(pinned_at__isnull=False)
    return jobs.filter(meets(Job.objects, [_matches(word) for word in filters.text.split()]))


def _matches(word: str) -> Q:
    number = number_from(word.removeprefix("#"))
    # No joins: a group is looked into only for jobs that match.
    condition = (
        has_word(word)
        | Q(host__in=Host.objects.filter(name__icontains=word))
        | Q(created_by__in=User.objects.filter(username__icontains=word))
    )
    return condition if number is None else condition | Q(pk=number)
