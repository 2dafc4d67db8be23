"""Queue of a host for pages and API: each job with its reason and start time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.timezone import now
from django.utils.translation import gettext, pgettext

from dashboard.security.permissions import allowed
from dashboard.text.formatting import about, clock
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.models import Job
from jobs.queries.engines import needing
from jobs.schedule import dispatch
from jobs.schedule.forecast import Forecast, forecasts

PRIORITIES: dict[str, int] = {
    "urgent": Job.Priority.URGENT,
    "normal": Job.Priority.NORMAL,
    "low": Job.Priority.LOW,
}
_NAMES = {number: name for name, number in PRIORITIES.items()}
OF_THE_HOST = ("forecast:away", "forecast:protocol", "forecast:draining", "forecast:disk")
_SOON_S = 60.0  # precise enough below this


class QueueRow(NamedTuple):
    """A job of the queue, for one viewer. ``earlier`` and ``later``: the viewer may move it, or
    its row, one place. ``can_prioritize``: it may pass jobs of others."""

    job: Job
    why: Message
    forecast: Forecast
    may_order: bool = False
    can_prioritize: bool = False
    earlier: bool = False
    later: bool = False

    @property
    def reason(self) -> str:
        return message(self.why.id, self.why.args)

    @property
    def starts(self) -> str:
        return starts(self.forecast, self.why)

    @property
    def is_next(self) -> bool:
        return is_next(self.forecast)


def is_next(forecast: Forecast) -> bool:
    """Return True if no other job has to end first. Seconds are no criterion: a job whose
    predecessor ends soon is not next."""
    return forecast.message.id == "forecast:now"


def starts(forecast: Forecast, why: Message | None = None) -> str:
    """Return text of a forecast start with its assumption, or the reason why it is unknown.
    ``why``: the queue reason shown nearby; servers to stop and host reasons are not repeated."""
    seconds, remark = forecast.starts_in_s, forecast.message
    reason = message(remark.id, remark.args)
    if why is not None and seconds is None:
        same = remark.id.partition(":")[2] == why.id.partition(":")[2]
        servers = remark.args.get("servers")
        is_told = servers is not None and servers == why.args.get("servers")
        if is_told or (same and remark.id in OF_THE_HOST):
            return gettext("Start time unknown.")
    if seconds is None:
        return reason
    if is_next(forecast):
        return gettext("Starts next.")
    if seconds < _SOON_S:
        return gettext("Starts in less than a minute, %(supposed)s.") % {"supposed": reason}
    return gettext("Starts in about %(time)s (%(clock)s), %(supposed)s.") % {
        "time": about(seconds),
        "clock": clock(now() + timedelta(seconds=seconds)),
        "supposed": reason,
    }


def starts_in(forecast: Forecast) -> str:
    seconds = forecast.starts_in_s
    if seconds is None:
        return gettext("start time unknown")
    if is_next(forecast):
        return gettext("starts next")
    if seconds < _SOON_S:
        return gettext("starts in less than a minute")
    return gettext("starts in about %(time)s") % {"time": about(seconds)}


def priority_name(number: int) -> str:
    return _NAMES[number]


def priority_word(name: str) -> str:
    return pgettext("priority", name)


def read_priority(name: str) -> int:
    """Parse a priority; "" is normal. Raises ``LaunchError``: unknown priority."""
    try:
        return PRIORITIES[name or "normal"]
    except KeyError:
        text = gettext("Choose one of %(expected)s.") % {"expected": ", ".join(PRIORITIES)}
        raise LaunchError(text, "priority") from None


def priority_for(user: AbstractBaseUser | AnonymousUser, name: str) -> int:
    """Parse a priority of a new job. Raises ``LaunchError``: unknown, or not permitted."""
    priority = read_priority(name)
    if priority < Job.Priority.NORMAL and not allowed(user, "job.raise"):
        text = gettext("Only administrators can move a job ahead of jobs of others.")
        raise LaunchError(text, "priority")
    return priority


def priorities_for(user: AbstractBaseUser | AnonymousUser) -> list[str]:
    return [name for name in PRIORITIES if name != "urgent" or allowed(user, "job.raise")]


def waits(
    jobs: Sequence[Job], known: Mapping[int, Forecast] | None = None
) -> dict[int, tuple[Message, Forecast]]:
    """Return reason and forecast of queued jobs, by id, with the active jobs that need servers
    to be stopped. ``known``: their forecasts, else read now."""
    whys, whens = dispatch.reasons(jobs), known or forecasts(jobs)
    remarks = [*whys.values(), *(whens[job.pk].message for job in jobs)]
    servers = [one for remark in remarks for one in remark.args.get("servers") or ()]
    if servers:
        needed = needing((one["id"], one["job"]) for one in servers)
        for one in servers:
            one["needed_by"] = [job.pk for job in needed.get(one["job"], ())]
    return {job.pk: (whys[job.pk], whens[job.pk]) for job in jobs}


def rows(user: AbstractBaseUser | AnonymousUser, jobs: Sequence[Job]) -> list[QueueRow]:
    """Return queued jobs with reason and forecast. What may be moved where, only a queue says."""
    reasons = waits(jobs)
    return [
        QueueRow(
            job,
            *reasons[job.pk],
            may_order=allowed(user, "job.order", job),
            can_prioritize=allowed(user, "job.raise", job),
        )
        for job in jobs
    ]
