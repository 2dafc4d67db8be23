"""Live accuracy of an evaluation: points, and the table of data sets."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.charts.live import accuracy_series
from dashboard.security.permissions import requires
from dashboard.security.request import cursor_of
from dashboard.server.removed import gone
from jobs.models import Job
from jobs.plans import ACCURACY
from jobs.queries.jobs.points import samples_after
from jobs.queries.jobs.running_accuracy import standings


@require_GET
@requires("job.view")
def job_accuracy(request: HttpRequest, job_id: int) -> HttpResponse:
    """Return accuracy in per cent after the cursor ``after``: of all sets, or of ``set``."""
    job = get_object_or_404(Job, pk=job_id)
    if job.removed_at is not None:
        return gone(job)
    part = request.GET.get("set", "")
    watch = f"{ACCURACY}/{part}" if part else ACCURACY
    news = samples_after(job_id, cursor_of(request), [watch])
    known = standings(job)
    begun_at = known.begun_at if known and not part else 0.0
    lines = accuracy_series(news.of(watch).fresh, begun_at)
    return JsonResponse({"after": news.after, "open": job.is_open, "series": lines})


@require_GET
@requires("job.view")
def job_accuracy_table(request: HttpRequest, job_id: int) -> HttpResponse:
    """Render a row per data set: a self-updating part of the job's page."""
    job = get_object_or_404(Job, pk=job_id)
    scores = standings(job)
    if scores is None:
        raise Http404("this job is no evaluation")
    return render(request, "jobs/_accuracy_table.html", {"job": job, "standings": scores})


urlpatterns: list[URLPattern] = [
    path("<int:job_id>/accuracy", job_accuracy, name="job-accuracy"),
    path("<int:job_id>/accuracy/table", job_accuracy_table, name="job-accuracy-table"),
]
