"""Answers of a greedy probe: prompts with both answers."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.pages.jobs.probe_card import SHOWN, csv_of, page_of
from dashboard.security.permissions import requires
from dashboard.text.messages import message
from jobs.base.numbers import number_from
from jobs.confined import NotDone
from jobs.models import Job
from jobs.tools.greedy_probe.commands import KIND


@require_GET
@requires("job.view")
def job_probe(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show the prompts in the state ``show``, from ``after`` on; ``format=csv`` exports all."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id, kind=KIND)
    if request.GET.get("format") == "csv":
        try:
            table = csv_of(job)
        except NotDone as error:
            why = {"why": message(error.message.id, error.message.args)}
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return render(request, "errors/busy.html", why, status=status)
        if table is None:
            raise Http404("the answers are not here")
        name = f'attachment; filename="probe-{job.pk}.csv"'
        headers = {"Content-Disposition": name}
        return HttpResponse(table, content_type="text/csv; charset=utf-8", headers=headers)
    show = request.GET.get("show", "")
    show = show if show in SHOWN else ""
    view = page_of(job, show, number_from(request.GET.get("after", "")) or 0)
    more = ""
    if view is not None and view.text.after is not None:
        more = urlencode({"show": show, "after": view.text.after})
    context = {"job": job, "view": view, "show": show, "more": more}
    return render(request, "jobs/probe.html", context)


urlpatterns: list[URLPattern] = [path("<int:job_id>/probe/", job_probe, name="job-probe")]
