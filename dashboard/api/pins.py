"""The public API's pins: ``POST jobs/ID/pin`` with ``{"pinned": true}`` or ``false``."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard import audit
from dashboard.api.auth import api, error, may
from dashboard.api.gone import gone
from dashboard.api.rest import job_answer
from dashboard.requests import person
from jobs.models import Job
from jobs.services import pins


@require_POST
@api("job.pin")
def pin_job(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Keep a job's log, files and points for good, or no more. Answers the job."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        return error(404, "missing", _("There is nothing of this name or number."))
    if refusal := may(request.user, "job.pin", job):
        return refusal
    try:
        wanted = json.loads(request.body)["pinned"]
    except (ValueError, KeyError, TypeError):
        wanted = None
    if not isinstance(wanted, bool):
        return error(400, "invalid", _("Send JSON: {“pinned”: true} or {“pinned”: false}."))
    takes_away = not wanted and job.pinned_at is not None
    if takes_away and (refusal := may(request.user, "job.unpin", pins.pin_of(job))):
        return refusal
    done = pins.pin(job_id, person(request)) if wanted else pins.unpin(job_id)
    if wanted and not done:
        job.refresh_from_db()
        return gone(job)
    if done:
        audit.record(request.user, "job.pin", f"job {job_id}", pinned=wanted)
    return job_answer(job_id)


urlpatterns: list[URLPattern] = [
    path("jobs/<int:job_id>/pin", pin_job, name="api-job-pin"),
]
