"""Parts of every launch form: host, command, script, preflight and its confirmation."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.actions.action import once
from dashboard.pages.launch.launch_form import Field
from dashboard.pages.shared.export import attachment
from dashboard.pages.shared.plan import CommandView, against, command_view
from dashboard.security.request import person
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.launch.launch import LaunchPreview
from jobs.models import Host, Preflight
from jobs.plans import Plan
from jobs.schedule import preflights

Answer = TypeVar("Answer")
# The page polls no longer than this; an online host answers in less than a second.
PATIENCE = timedelta(seconds=20)
_FORMS = ("launch-form", "pipeline-form")
_SHAPES = {"ok": "passed", "warn": "warning", "failed": "failed", "unknown": "queued"}


class FormFault(NamedTuple):
    """Error of a form. ``anchor``: id of the control to correct; "": the page has none."""

    anchor: str
    label: str
    text: str


def faults(errors: Mapping[str, str], fields: Iterable[Field]) -> list[FormFault]:
    """Return errors with their controls: of a hidden field that which shows it."""
    known = {"host": ("f-host", _("Host")), "priority": ("f-priority", _("Priority"))}
    for one in fields:
        shown = one.when[0] if one.when and one.is_hidden else one.name
        known[one.name] = (f"f-{shown}", one.label)
    return [FormFault(*known.get(name, ("", "")), text) for name, text in errors.items() if text]


def command_of(planned: LaunchPreview | None, before: Plan | None = None) -> CommandView | None:
    """Return the command for display, changes against ``before`` marked; None without a plan."""
    if planned is None or planned.plan is None:
        return None
    return command_view(
        planned.plan,
        planned.values,
        proposed=planned.open_slots,
        before=before,
        guide=against(planned.guide),
    )


def script_file(script: str | None, name: str) -> HttpResponseBase:
    """Return a shell script as a download; Http404 for a form without a plan."""
    if script is None:
        raise Http404("this form makes no plan")
    return attachment(script, name, "text/x-shellscript")


def launched(request: HttpRequest, run: Callable[[], Answer]) -> Answer | None:
    """Launch once; None if refused, with the reason on the next page."""
    try:
        return once(request, run)
    except LaunchError as error:
        messages.error(request, str(error))
        return None


class Unconfirmed(LaunchError):
    """The preflight found warnings that the form does not confirm; the message names them."""


def confirmed_in(request: HttpRequest, host: Host, plan: Plan) -> list[dict[str, Any]]:
    """Return the findings that the form confirms. Raises ``Unconfirmed``: there are more."""
    looks = Preflight.objects.filter(job=None, host=host, plan_sha256=plan.sha256())
    number = number_from(request.POST.get("confirm", ""))
    known = looks.filter(pk=number) if number is not None else []
    warnings = [item for preflight in known for item in preflights.found_by(preflight)]
    last = looks.filter(done_at__isnull=False).first()
    if last is not None and not preflights.is_stale(last):
        left = preflights.unconfirmed(preflights.found_by(last), warnings)
        if left:
            found = " ".join(message(item["message_id"], item["message_args"]) for item in left)
            text = _("Not launched: the host asks for confirmation. %(found)s")
            raise Unconfirmed(text % {"found": found})
    return preflights.confirmation(warnings, person(request))


def fragment(request: HttpRequest, asked: Preflight, *, form_id: str = "") -> HttpResponse:
    """Render findings of ``asked``, polled until answered, with a checkbox for warnings."""
    named = form_id or request.GET.get("form", "")
    warnings = preflights.found_by(asked)
    found = findings_of(asked)
    context = {
        **found,
        "form_id": named if named in _FORMS else _FORMS[0],
        "warnings": [message(item["message_id"], item["message_args"]) for item in warnings],
        "stops": sum(line["state"] == "failed" for line in found["lines"]),
    }
    return render(request, "launch/_preflight.html", context)


def findings_of(asked: Preflight) -> dict[str, Any]:
    """Return the context of a list of findings; ``waits``: more may come."""
    labels = {
        "ok": _("passed"),
        "warn": _("needs confirmation"),
        "failed": _("blocked"),
        "unknown": _("deferred"),
    }
    lines = []
    for item in asked.findings:
        level, text = str(item["level"]), message(str(item["message_id"]), item["message_args"])
        lines.append({"state": _SHAPES[level], "word": labels[level], "message": text})
    waits = asked.done_at is None and now() - asked.asked_at < PATIENCE
    return {"asked": asked, "lines": lines, "waits": waits}
