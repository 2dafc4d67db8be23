"""What pages and the API show of a host's line: each job, why it waits and when it may start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.timezone import now
from django.utils.translation import gettext, pgettext_lazy

from dashboard.security.permissions import allowed
from dashboard.text.formatting import about, clock
from dashboard.text.messages import sentence
from jobs import dispatch
from jobs.errors import LaunchError
from jobs.kinds.lib.base import Remark
from jobs.models import Job
from jobs.queries.deployments import needing
from jobs.queries.jobs.forecast import Forecast, forecasts

PRIORITIES: dict[str, int] = {
    "urgent": Job.Priority.URGENT,
    "normal": Job.Priority.NORMAL,
    "low": Job.Priority.LOW,
}
_NAMES = {number: name for name, number in PRIORITIES.items()}
_WORDS = {
    "urgent": pgettext_lazy("priority", "urgent"),
    "normal": pgettext_lazy("priority", "normal"),
    "low": pgettext_lazy("priority", "low"),
}
OF_THE_HOST = ("forecast:away", "forecast:draining", "forecast:disk")
_SOON_S = 60.0  # below this nobody wants to know more exactly


@dataclass(frozen=True, slots=True)
class Row:
    """A job in the line, as one person sees it.

    ``earlier`` and ``later``: they may move it that way by one. ``may_raise``: they may let it come
    before other people's jobs.
    """

    job: Job
    why: Remark
    forecast: Forecast
    may_order: bool = False
    may_raise: bool = False
    earlier: bool = False
    later: bool = False

    @property
    def starts(self) -> str:
        """When it is likely to start, in words."""
        return starts(self.forecast, self.why)

    @property
    def is_next(self) -> bool:
        """Whether it starts as soon as its host hears of it, whoever stands ahead."""
        return is_next(self.forecast)


def is_next(forecast: Forecast) -> bool:
    """Whether no other job has to end before this one starts.

    Seconds do not tell: one whose predecessor ends in a moment is not the next to start.
    """
    return forecast.remark.id == "forecast:now"


def starts(forecast: Forecast, why: Remark | None = None) -> str:
    """When a job is likely to start, with what that supposes; or why nobody knows.

    ``why`` it waits, where that is told beside it: what has to be stopped, or that the host starts
    nothing, is not told twice.
    """
    seconds, words = forecast.starts_in_s, sentence(forecast.remark.id, forecast.remark.args)
    if why is not None and seconds is None and _is_told(forecast.remark, why):
        return gettext("Start time unknown.")
    if seconds is None:
        return words
    if is_next(forecast):
        return gettext("Starts next.")
    if seconds < _SOON_S:
        return gettext("Starts in less than a minute, %(supposed)s.") % {"supposed": words}
    return gettext("Starts in about %(time)s (%(clock)s), %(supposed)s.") % {
        "time": about(seconds),
        "clock": clock(now() + timedelta(seconds=seconds)),
        "supposed": words,
    }


def _is_told(remark: Remark, why: Remark) -> bool:
    if remark.id in OF_THE_HOST and remark.id.partition(":")[2] == why.id.partition(":")[2]:
        return True
    return "servers" in remark.args and remark.args["servers"] == why.args.get("servers")


def starts_in(forecast: Forecast) -> str:
    """The same in as few words as a list has room for."""
    seconds = forecast.starts_in_s
    if seconds is None:
        return gettext("start time unknown")
    if is_next(forecast):
        return gettext("starts next")
    if seconds < _SOON_S:
        return gettext("starts in less than a minute")
    return gettext("starts in about %(time)s") % {"time": about(seconds)}


def priority_name(number: int) -> str:
    """The name of a priority in addresses, APIs and commands."""
    return _NAMES[number]


def priority_word(name: str) -> str:
    """What a priority is called, translated."""
    return str(_WORDS[name])


def read_priority(name: str) -> int:
    """The priority that ``name`` names; "" is the normal one.

    Raises:
        LaunchError: none is called so.
    """
    try:
        return PRIORITIES[name or "normal"]
    except KeyError:
        words = gettext("Choose one of %(expected)s.") % {"expected": ", ".join(PRIORITIES)}
        raise LaunchError(words, "priority") from None


def priority_for(user: AbstractBaseUser | AnonymousUser, name: str) -> int:
    """The same, for a job that ``user`` launches.

    Raises:
        LaunchError: none is called so, or only others may launch such jobs.
    """
    priority = read_priority(name)
    if priority < Job.Priority.NORMAL and not _may_launch_urgent(user):
        words = gettext("Only administrators can move a job ahead of jobs of others.")
        raise LaunchError(words, "priority")
    return priority


def priorities_for(user: AbstractBaseUser | AnonymousUser) -> list[str]:
    """The priorities that ``user`` may launch with."""
    return [name for name in PRIORITIES if name != "urgent" or _may_launch_urgent(user)]


def waits(jobs: Sequence[Job]) -> dict[int, tuple[Remark, Forecast]]:
    """Why each of these queued jobs waits and when it may start, by its id. Where servers are to
    be stopped for it, the open jobs that need these are named."""
    whys, whens = dispatch.reasons(jobs), forecasts(jobs)
    remarks = [*whys.values(), *(when.remark for when in whens.values())]
    told = [one for remark in remarks for one in remark.args.get("servers") or ()]
    if told:
        needed = needing((one["id"], one["job"]) for one in told)
        for one in told:
            one["needed_by"] = [job.pk for job in needed.get(one["job"], ())]
    return {job.pk: (whys[job.pk], whens[job.pk]) for job in jobs}


def rows(
    user: AbstractBaseUser | AnonymousUser,
    jobs: Sequence[Job],
    *,
    before: Job | None = None,
    more: bool = False,
) -> list[Row]:
    """A stretch of one host's line. ``before`` is the job ahead of it; ``more``: others follow."""
    told = waits(jobs)
    found = []
    for (ahead, job), (_job, behind) in zip(
        pairwise([before, *jobs]), pairwise([*jobs, None]), strict=True
    ):
        if job is None:
            continue
        may_raise, may_order = allowed(user, "job.raise", job), allowed(user, "job.order", job)
        passes = ahead is not None and ahead.priority == job.priority
        own = ahead is not None and ahead.created_by_id == job.created_by_id
        follows = more if behind is None else behind.priority == job.priority
        why, forecast = told[job.pk]
        found.append(
            Row(
                job,
                why,
                forecast,
                may_order=may_order,
                may_raise=may_raise,
                earlier=may_order and passes and (own or may_raise),
                later=may_order and follows,
            )
        )
    return found


def _may_launch_urgent(user: AbstractBaseUser | AnonymousUser) -> bool:
    return allowed(user, "job.raise")
