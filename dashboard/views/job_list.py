"""The list of jobs; ``dashboard.views.jobs`` has the pages about one job."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.rights import requires


@require_GET
@requires("job.view")
def job_list(request: HttpRequest) -> HttpResponse:
    """Jobs, newest first, with filters in the URL."""
    return render(request, "jobs/list.html", {})


urlpatterns: list[URLPattern] = [path("", job_list, name="job-list")]
