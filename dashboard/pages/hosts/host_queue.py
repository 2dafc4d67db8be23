"""A host's queue: the page, and what people change about the order."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard.actions import jobs as job_actions
from dashboard.security.permissions import requires
from dashboard.text import queue_words as queue_view
from dashboard.text.labels import host_title
from jobs.base.errors import JobsError
from jobs.base.numbers import number_from
from jobs.models import Host, Job
from jobs.queries.hosts.host_page import queued_jobs
from jobs.schedule.queue import PassesOthers

PAGE = 50


@require_GET
@requires("host.view")
def host_queue(request: HttpRequest, name: str) -> HttpResponse:
    """Show a host's queue in order, from number ``from`` on (1 is the first)."""
    host = get_object_or_404(Host, name=name)
    start = max(1, number_from(request.GET.get("from", "")) or 1) - 1
    ahead = 1 if start else 0  # the one before says whether the first may be moved
    jobs, total = queued_jobs(host, start=start - ahead, count=PAGE + ahead)
    before, jobs = (jobs[0], jobs[1:]) if ahead and jobs else (None, jobs)
    more = total > start + len(jobs)
    context = {
        "host": host,
        "name": host_title(host),
        "rows": queue_view.rows(request.user, jobs, before=before, more=more),
        "total": total,
        "start": start,
        "earlier": max(1, start + 1 - PAGE) if start else None,
        "later": start + PAGE + 1 if more else None,
    }
    return render(request, "hosts/queue.html", context)


@require_POST
@requires("job.order")
def job_move(request: HttpRequest, job_id: int) -> HttpResponse:
    """Move a waiting job: ``to`` first, earlier, later or last; or ``before`` or ``after`` one."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id)
    try:
        moved = job_actions.move(request.user, job, request.POST)
    except (JobsError, PermissionDenied) as refused:
        return _refused(request, job, refused)
    if _wants_json(request):
        return JsonResponse({"was": moved.was, "now": moved.now})
    return _back(request, job)


@require_POST
@requires("job.order")
def job_priority(request: HttpRequest, job_id: int) -> HttpResponse:
    """Give a waiting job another ``priority``: urgent, normal or low."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id)
    try:
        job_actions.set_priority(request.user, job, request.POST.get("priority", ""))
    except (JobsError, PermissionDenied) as refused:
        return _refused(request, job, refused)
    return _back(request, job)


@require_POST
@requires("job.order")
def job_exclusive(request: HttpRequest, job_id: int) -> HttpResponse:
    """Set whether a queued job needs its host exclusively: ``exclusive`` is "1" or "0"."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id)
    try:
        job_actions.set_exclusive(request.user, job, exclusive=request.POST.get("exclusive") == "1")
    except (JobsError, PermissionDenied) as refused:
        return _refused(request, job, refused)
    return _back(request, job)


def _refused(request: HttpRequest, job: Job, refused: Exception) -> HttpResponse:
    """Return the refusal: beside the list for a script, on the next page for others."""
    forbidden = isinstance(refused, PermissionDenied)
    text = _("Not allowed: another person launched this job.") if forbidden else str(refused)
    if _wants_json(request):
        status = 403 if forbidden or isinstance(refused, PassesOthers) else 409
        return JsonResponse({"message": text}, status=status)
    messages.error(request, text)
    return _back(request, job)


def _back(request: HttpRequest, job: Job) -> HttpResponse:
    """Return the page of the pressed button: the job's, the host's, or its queue there."""
    if request.POST.get("from") == "job":
        return redirect("job-detail", job.pk)
    if request.POST.get("from") == "host":
        return redirect(f"{reverse('host-detail', args=[job.host.name])}#queue")
    start = number_from(request.POST.get("start", ""))
    query = f"?from={start}" if start else ""
    return redirect(f"{reverse('host-queue', args=[job.host.name])}{query}#queue-{job.pk}")


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


urlpatterns: list[URLPattern] = [path("<slug:name>/queue/", host_queue, name="host-queue")]
job_urlpatterns: list[URLPattern] = [
    path("<int:job_id>/move/", job_move, name="job-move"),
    path("<int:job_id>/priority/", job_priority, name="job-priority"),
    path("<int:job_id>/exclusive/", job_exclusive, name="job-exclusive"),
]
