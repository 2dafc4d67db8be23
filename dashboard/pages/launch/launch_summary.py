"""Summary before a launch: host, queue, earlier jobs, fields."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.launch.launch_form import LaunchForm
from dashboard.text import queue_words as queue
from dashboard.text.formatting import since
from dashboard.text.labels import host_title
from jobs.kinds.lib.base import promised_job
from jobs.launch.launch import Preview
from jobs.models import Host, Job
from jobs.queries.hosts.hosts import is_away, lacks_room
from jobs.schedule.forecast import Forecast


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One line of the list. ``state``: passed, note (a fact), warning or failed. ``job``: a related
    job."""

    state: str
    message: str
    remark: str = ""
    job: int | None = None

    @property
    def word(self) -> str:
        """Label of the state."""
        return {
            "passed": _("passed"),
            "note": _("info"),
            "warning": _("warning"),
            "failed": _("blocked"),
        }[self.state]


def checks(
    host: Host, result: Preview, form: LaunchForm, starts: Forecast | None = None
) -> list[SummaryLine]:
    """Return all checks; blocking ones last, next to the button.

    ``starts``: forecast of the start; None if unknown.
    """
    return [*_host(host), *_queue(host, starts), *_first(result), *_awaited(form), *_form(form)]


def _host(host: Host) -> list[SummaryLine]:
    if host.heartbeat_at is None:
        return [
            SummaryLine(
                "warning",
                _("%(host)s has not connected yet; the job waits in the queue.") % _name(host),
            )
        ]
    heard = since(host.heartbeat_at)
    if is_away(host):
        message = _("%(host)s is offline; the job starts when the host is back.") % _name(host)
        return [SummaryLine("warning", message, heard)]
    if host.is_outdated:
        text = _("%(host)s runs an earlier version. The job starts when it is upgraded.")
        return [SummaryLine("warning", text % _name(host))]
    if host.draining:
        message = _("%(host)s is paused: no new jobs start there.") % _name(host)
        return [SummaryLine("note", message)]  # paused on purpose: not a warning
    if lacks_room(host):
        return [
            SummaryLine(
                "warning",
                _("The disk of %(host)s is full; the job starts once there is room.") % _name(host),
            )
        ]
    return [SummaryLine("passed", _("%(host)s is online.") % _name(host), heard)]


def _queue(host: Host, starts: Forecast | None) -> list[SummaryLine]:
    if starts is None:
        return []
    if starts.starts_in_s is None:
        if starts.message.id in queue.OF_THE_HOST:
            return []  # listed by _host
        return [SummaryLine("note", queue.starts(starts))]
    if not queue.is_next(starts):
        open_here = Job.objects.filter(host=host)
        runs = open_here.filter(state__in=Job.ON_HOST_STATES).order_by("pk").first()
        first = runs or open_here.filter(state=Job.State.QUEUED).order_by(*Job.QUEUE_ORDER).first()
        return [SummaryLine("note", queue.starts(starts), job=first.pk if first else None)]
    if Job.objects.filter(host=host, state=Job.State.QUEUED).exists():
        return [SummaryLine("passed", _("Starts next: queued jobs do not block this one."))]
    return [SummaryLine("passed", _("The queue is empty: the job starts immediately."))]


def _first(result: Preview) -> list[SummaryLine]:
    return [
        SummaryLine(
            "note",
            _("Environment %(name)s is missing on the host: a job installs it first.")
            % {"name": name},
            _("one-time"),
        )
        for name in result.will_add
    ]


def _awaited(form: LaunchForm) -> list[SummaryLine]:
    lines = []
    for field in form.fields:
        number = promised_job(field.value)
        if number is not None:
            message = _("%(field)s is not finished yet: this job starts afterwards.") % {
                "field": field.label
            }
            lines.append(SummaryLine("note", message, job=number))
    return lines


def _form(form: LaunchForm) -> list[SummaryLine]:
    wrong = sum(bool(field.error) for field in form.fields if not field.missing)
    lines = [SummaryLine("failed", field.missing.message) for field in form.fields if field.missing]
    if wrong:
        message = ngettext(
            "%(count)d field is invalid.", "%(count)d fields are invalid.", wrong
        ) % {"count": wrong}
        lines.append(SummaryLine("failed", message))
    return lines


def _name(host: Host) -> dict[str, str]:
    return {"host": host_title(host)}
