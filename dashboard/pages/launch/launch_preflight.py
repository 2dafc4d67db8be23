"""Preflight of the launch form, answered within seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard.pages.launch.launch import form_preview
from dashboard.security.audit_log import record_often
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text.messages import message
from jobs.launch.launch import ask_checks
from jobs.models import Preflight
from jobs.schedule import preflights

# The page polls no longer than this; an online host answers in less than a second.
PATIENCE = timedelta(seconds=20)
_LAUNCH = "launch-form"
_FORMS = {name: name for name in (_LAUNCH, "pipeline-form")}
_SHAPES = {"ok": "passed", "warn": "warning", "failed": "failed", "unknown": "queued"}


@dataclass(frozen=True, slots=True)
class FindingLine:
    """One finding for display."""

    state: str
    word: str
    message: str


@require_POST
@requires("job.launch")
def launch_check(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Request the preflight of the form's plan."""
    host, result = form_preview(kind_name, request)
    asked = ask_checks(host, result, person(request)) if host else None
    if host is None or asked is None:
        return HttpResponse()
    record_often(request.user, "host.check", f"host {host.name}", kind=kind_name)
    return fragment(request, asked)


@require_GET
@requires("job.launch")
def launch_findings(request: HttpRequest, preflight_id: int) -> HttpResponse:
    """Return findings so far; ``?form=`` names the form of the confirmation checkbox."""
    return fragment(request, get_object_or_404(Preflight, pk=preflight_id, job=None))


def fragment(request: HttpRequest, asked: Preflight, *, form_id: str = "") -> HttpResponse:
    """Render findings of ``asked``, polled until answered, with a checkbox for warnings."""
    lines = [finding_line(item) for item in asked.findings]
    warnings = preflights.found_by(asked)
    context = {
        "asked": asked,
        "lines": lines,
        "form_id": form_id or _FORMS.get(request.GET.get("form", ""), _LAUNCH),
        "warnings": [message(item["message_id"], item["message_args"]) for item in warnings],
        "waits": asked.done_at is None and now() - asked.asked_at < PATIENCE,
        "stops": sum(line.state == "failed" for line in lines),
    }
    return render(request, "launch/_preflight.html", context)


def finding_line(item: dict[str, object]) -> FindingLine:
    """Return a finding of ``Preflight.findings`` for display."""
    labels = {
        "ok": _("passed"),
        "warn": _("needs confirmation"),
        "failed": _("blocked"),
        "unknown": _("deferred"),
    }
    level = str(item["level"])
    args = item["message_args"]
    assert isinstance(args, dict)  # noqa: S101 -- for mypy
    return FindingLine(_SHAPES[level], labels[level], message(str(item["message_id"]), args))


urlpatterns: list[URLPattern] = [
    path("<slug:kind_name>/check/", launch_check, name="launch-check"),
    path("preflights/<int:preflight_id>/", launch_findings, name="launch-findings"),
]
