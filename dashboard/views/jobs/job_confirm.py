"""Confirmation of a job's preflight warnings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard.security import audit_log
from dashboard.security.permissions import check, requires
from dashboard.security.request import person
from jobs.launch import confirm
from jobs.models import Job


@require_POST
@requires("job.confirm")
def job_confirm(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm the shown findings (``check``, repeated); later findings still need confirmation."""
    job = get_object_or_404(Job, pk=job_id)
    check(request.user, "job.confirm", job)
    shown = request.POST.getlist("check")
    warnings = [item for item in job.needs_confirmation if item["check"] in shown]
    if warnings and confirm(job_id, warnings, person(request)):
        checks = [item["check"] for item in warnings]
        audit_log.record(request.user, "job.confirm", f"job {job_id}", checks=checks)
    else:
        messages.info(request, _("This confirmation is no longer needed."))
    return redirect("job-detail", job_id)


urlpatterns: list[URLPattern] = [
    path("<int:job_id>/confirm/", job_confirm, name="job-confirm"),
]
