"""Confirmation of a job's preflight warnings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard.actions import jobs as job_actions
from dashboard.security.permissions import requires
from jobs.models import Job


@require_POST
@requires("job.confirm")
def job_confirm(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm the shown findings (``check``, repeated); later findings still need confirmation."""
    job = get_object_or_404(Job, pk=job_id)
    if not job_actions.confirm(request.user, job, request.POST.getlist("check")):
        messages.info(request, _("This confirmation is no longer needed."))
    return redirect("job-detail", job_id)


urlpatterns: list[URLPattern] = [
    path("<int:job_id>/confirm/", job_confirm, name="job-confirm"),
]
