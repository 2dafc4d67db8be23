"""What a person should know before a launch: the host, what runs first, what is awaited."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.forms.launch import LaunchForm
from dashboard.presenters import queue
from dashboard.text.formatting import since
from dashboard.text.labels import host_title
from jobs.launch import Preview
from jobs.models import Host, Job
from jobs.queries.hosts.hosts import is_away, lacks_room
from jobs.queries.jobs.forecast import Forecast


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. ``state`` is passed, note (a fact), asks (a warning) or failed; ``job``
    a job to look at."""

    state: str
    sentence: str
    remark: str = ""
    job: int | None = None

    @property
    def word(self) -> str:
        """What the state means for a launch."""
        return {"passed": _("passed"), "note": _("note"), "asks": _("note"), "failed": _("stops")}[
            self.state
        ]


def checks(
    host: Host, seen: Preview, form: LaunchForm, starts: Forecast | None = None
) -> list[Check]:
    """All checks, those that stop the launch last, next to the button.

    ``starts``: when the job would start; None while that cannot be told.
    """
    return [*_host(host), *_queue(host, starts), *_first(seen), *_awaited(form), *_form(form)]


def _host(host: Host) -> list[Check]:
    if host.heartbeat_at is None:
        return [
            Check("asks", _("%(host)s has not reported yet; the job waits for it.") % _name(host))
        ]
    heard = since(host.heartbeat_at)
    if is_away(host):
        sentence = _("%(host)s is away; the job starts when it is back.") % _name(host)
        return [Check("asks", sentence, heard)]
    if host.draining:
        sentence = _("%(host)s takes no new jobs: it is being drained.") % _name(host)
        return [Check("note", sentence)]  # somebody wants it so: nothing is wrong there
    if lacks_room(host):
        return [
            Check("asks", _("The disk of %(host)s is full; the job waits for room.") % _name(host))
        ]
    return [Check("passed", _("%(host)s answers.") % _name(host), heard)]


def _queue(host: Host, starts: Forecast | None) -> list[Check]:
    if starts is not None and starts.starts_in_s is None:
        # That of the host itself stands above.
        return (
            [] if starts.remark.id in queue.OF_THE_HOST else [Check("note", queue.starts(starts))]
        )
    if starts is None:
        return []
    if not queue.is_next(starts):
        open_here = Job.objects.filter(host=host)
        runs = open_here.filter(state__in=Job.ON_HOST_STATES).order_by("pk").first()
        first = runs or open_here.filter(state=Job.State.QUEUED).order_by(*Job.LINE).first()
        return [Check("note", queue.starts(starts), job=first.pk if first else None)]
    if Job.objects.filter(host=host, state=Job.State.QUEUED).exists():
        return [Check("passed", _("Starts next: no job that is queued holds it up."))]
    return [Check("passed", _("Nothing is ahead of it: it starts at once."))]


def _first(seen: Preview) -> list[Check]:
    return [
        Check(
            "note",
            _("The environment %(name)s is not on the host yet: a job makes it first.")
            % {"name": name},
            _("once"),
        )
        for name in seen.will_add
    ]


def _awaited(form: LaunchForm) -> list[Check]:
    found = []
    for field in form.fields:
        number = field.value.removeprefix("job:")
        if number != field.value and number.isdecimal():
            sentence = _("%(field)s is still being made: this job starts after it.") % {
                "field": field.label
            }
            found.append(Check("note", sentence, job=int(number)))
    return found


def _form(form: LaunchForm) -> list[Check]:
    wrong = sum(bool(field.error) for field in form.fields if not field.missing)
    found = [Check("failed", field.missing.sentence) for field in form.fields if field.missing]
    if wrong:
        sentence = ngettext(
            "%(count)d field needs another value.", "%(count)d fields need another value.", wrong
        ) % {"count": wrong}
        found.append(Check("failed", sentence))
    return found


def _name(host: Host) -> dict[str, str]:
    return {"host": host_title(host)}
