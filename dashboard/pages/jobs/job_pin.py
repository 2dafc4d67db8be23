"""Keep files of a job, or stop keeping them: a button of the job, the result and the results
list."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard.actions import jobs as job_actions
from dashboard.security.permissions import requires
from jobs.models import Job
from jobs.queries.storage import limits


@require_POST
@requires("job.pin")
def job_pin(request: HttpRequest, job_id: int) -> HttpResponse:
    """``pinned=1`` keeps log and files, ``0`` stops; then redirect to the button's page."""
    job = get_object_or_404(Job, pk=job_id)
    wanted = request.POST.get("pinned") == "1"
    if job_actions.keep_files(request.user, job, keep=wanted):
        if not wanted and limits().any:
            text = _("Files are no longer kept: log and files may be removed from tomorrow on.")
            messages.info(request, text)
    elif wanted:
        messages.error(request, _("Nothing to keep: log and files were already removed."))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):  # only own addresses
        return HttpResponseRedirect(back)  # redirect() takes a word for the name of a page
    return redirect("job-detail", job_id)


urlpatterns: list[URLPattern] = [
    path("<int:job_id>/pin/", job_pin, name="job-pin"),
]
