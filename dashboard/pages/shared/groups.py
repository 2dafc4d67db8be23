"""Rows of lists of jobs: a group of jobs is one row, which unfolds to its runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.labels import style_of
from jobs.base import grouped
from jobs.catalog import MODELS
from jobs.models import Job, Result
from jobs.queries.jobs.groups import MOST_RUNS, GroupRun, JobGroup, groups_of
from jobs.schedule.forecast import Forecast, forecasts

OPEN = "open"  # in the address: id of an unfolded group
_NAMED = 3  # matching jobs that a folded row names


def midnight() -> datetime:
    """Return the begin of the viewer's day."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


class Activity(NamedTuple):
    """Title of a page about jobs, and the counts that follow it."""

    title: str
    rest: str


def activity(counts: Mapping[str, int], hosts_in_need: int = 0) -> Activity:
    """Return counts of ``jobs.queries.overview.counts`` in words. What needs a person is the title:
    "1 failed today, 4 hosts need attention"; without it, what runs."""
    needs: list[tuple[int, Callable[[int], str]]] = [
        (counts["failed_today"], lambda _n: _("%(n)s failed today")),
        (counts["lost_today"], lambda _n: _("%(n)s lost today")),
        (
            counts["needs_confirmation"],
            lambda n: ngettext("%(n)s needs confirmation", "%(n)s need confirmation", n),
        ),
        (
            hosts_in_need,
            lambda n: ngettext("%(n)s host needs attention", "%(n)s hosts need attention", n),
        ),
    ]
    waiting = counts["waiting"] - counts["needs_confirmation"]
    others: list[tuple[int, Callable[[int], str]]] = [
        (counts["running"], lambda n: ngettext("%(n)s job running", "%(n)s jobs running", n)),
        (
            counts["away"],
            lambda n: ngettext("%(n)s on an offline host", "%(n)s on offline hosts", n),
        ),
        (waiting, lambda n: ngettext("%(n)s queued", "%(n)s queued", n)),
    ]
    if not counts["running"]:
        others[0] = (1, lambda _n: _("No jobs running"))
    first, rest = (
        _(", ").join(text(n) % {"n": n} for n, text in each if n) for each in (needs, others)
    )
    return Activity(first, rest) if first else Activity(rest, "")


class JobRow(NamedTuple):
    """A job, or the group that ``job`` stands for. ``runs``: rows of an unfolded group, at most
    ``MOST_RUNS``. ``toggle``: query that folds or unfolds it. ``left_s``: None if unknown."""

    job: Job
    forecast: Forecast | None = None
    group: JobGroup | None = None
    runs: Sequence["JobRow"] = ()
    toggle: str = ""
    is_open: bool = False
    left_s: float | None = None

    @property
    def title(self) -> str:
        """Return the first line: "Matrix of 50 runs"."""
        assert self.group is not None  # noqa: S101 -- a template asks for groups only
        count = len(self.group.runs)
        if self.group.matrix is not None:
            return ngettext("Matrix of %(n)s run", "Matrix of %(n)s runs", count) % {"n": count}
        return ngettext("Pipeline of %(n)s job", "Pipeline of %(n)s jobs", count) % {"n": count}

    @property
    def subject(self) -> str:
        """Return what a matrix measures, the model of a pipeline, or the title of its last job."""
        group = self.group
        if group is None or group.matrix is not None:
            return group.matrix.title if group and group.matrix else self.job.title
        model = MODELS.get(group.model_id)
        return model.name if model else group.model_id or self.job.title

    @property
    def address(self) -> str:
        assert self.group is not None  # noqa: S101 -- a template asks for groups only
        if self.group.matrix is not None:
            return reverse("matrix-detail", args=[self.group.matrix.pk])
        return reverse("pipeline", args=[self.group.id])

    @property
    def last(self) -> int:
        """Return the highest number of its jobs."""
        return max(run.id for run in self.group.runs) if self.group else self.job.pk

    @property
    def words(self) -> str:
        """Return the runs by state: "1 failed, 30 succeeded"."""
        counts, each = self.group.counts if self.group else {}, _("%(n)s %(state)s")
        words = (each % {"n": n, "state": style_of(state).word} for state, n in counts.items())
        return _(", ").join(words)

    @property
    def named(self) -> Sequence[GroupRun]:
        """Return the matching jobs, where a filter keeps few of several."""
        found = self.group.matching if self.group else ()
        few = found and len(found) <= _NAMED and self.group and len(found) < self.group.jobs
        return found if few else ()


def rows_of(
    request: HttpRequest, *lists: tuple[Sequence[Job], QuerySet[Job]], filtered: bool = False
) -> list[list[JobRow]]:
    """Return the rows of each list: its jobs stand for their groups, and all jobs of the list, in
    the order of an unfolded group. ``filtered``: rows of the only list name jobs that match."""
    jobs = [job for shown, _every in lists for job in shown]
    groups = groups_of(jobs, lists[0][1] if filtered else None)
    opened = set(request.GET.getlist(OPEN))
    unfolded = [chain for chain in groups if str(chain) in opened]
    runs = [
        grouped((job.chain, job) for job in every.filter(chain__in=unfolded)[:MOST_RUNS])
        if unfolded
        else {}
        for _shown, every in lists
    ]
    asked = [*jobs, *(run for each in runs for some in each.values() for run in some)]
    measured = Result.objects.only("job", "type", "metrics")
    ended_well = [job for job in asked if job.state == Job.State.SUCCEEDED]
    prefetch_related_objects(ended_well, Prefetch("result", measured))
    wanted = [job for job in asked if job.state == Job.State.QUEUED]
    for job in jobs:
        if job.chain in groups:
            wanted += [Job(pk=pk, host=job.host) for pk in groups[job.chain].open_ids]
    known = forecasts(wanted)

    def row(job: Job, unfolded_runs: Mapping[UUID | None, Sequence[Job]]) -> JobRow:
        group = groups.get(job.chain) if job.chain else None
        if group is None:
            return JobRow(job, known.get(job.pk))
        ends = [known[pk].ends_in_s if pk in known else None for pk in group.open_ids]
        left_s = None if None in ends else max(filter(None, ends), default=None)
        own = [JobRow(run, known.get(run.pk)) for run in unfolded_runs.get(job.chain, ())]
        toggle = _toggled(request, str(group.id))
        return JobRow(job, known.get(job.pk), group, own, toggle, str(group.id) in opened, left_s)

    return [
        [row(job, of_list) for job in shown]
        for (shown, _every), of_list in zip(lists, runs, strict=True)
    ]


def _toggled(request: HttpRequest, name: str) -> str:
    """Return the query of this page with the group ``name`` unfolded, or folded again."""
    query = request.GET.copy()
    opened = query.getlist(OPEN)
    others = [one for one in opened if one != name]
    query.setlist(OPEN, others if name in opened else [*others, name])
    return query.urlencode()
