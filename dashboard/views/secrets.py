"""Secrets of jobs: their names, setting one, deleting one. A value is never shown again."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.security.audit_log import record
from dashboard.security.permissions import requires
from jobs import dispatch
from jobs.errors import LaunchError
from jobs.models import Deployment, Job
from jobs.plans import from_json
from jobs.plans import secrets as named_in
from jobs.services import secrets


@require_GET
@requires("secret.manage")
def secret_list(request: HttpRequest) -> HttpResponse:
    """Names of what is kept, and a form for one more."""
    return _list(request, {})


def _list(request: HttpRequest, errors: dict[str, str]) -> HttpResponse:
    context = {
        "kept": secrets.kept(),
        "typed": request.POST.get("name", request.GET.get("name", "")),
        "errors": errors,
    }
    return render(request, "secrets/list.html", context, status=422 if errors else 200)


@sensitive_post_parameters("value")
@require_POST
@requires("secret.manage")
def secret_keep(request: HttpRequest) -> HttpResponse:
    """Keep ``value`` under ``name``, in place of what was there."""
    name = request.POST.get("name", "").strip()
    is_new = name not in secrets.names()
    try:
        secrets.keep(name, request.POST.get("value", "").strip())
    except LaunchError as error:
        return _list(request, {error.field: str(error)})
    record(request.user, "secret.manage", f"secret {name}", did="set" if is_new else "replace")
    text = gettext("%(name)s saved.") if is_new else gettext("%(name)s updated.")
    messages.success(request, text % {"name": name})
    dispatch.run()
    return redirect("secret-list")


@require_http_methods(["GET", "POST"])
@requires("secret.manage")
def secret_delete(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then delete a secret (POST)."""
    if name not in secrets.names():
        raise Http404(name)
    if request.method == "POST":
        secrets.forget(name)
        record(request.user, "secret.manage", f"secret {name}", did="delete")
        messages.success(request, gettext("%(name)s deleted.") % {"name": name})
        return redirect("secret-list")
    waiting = Job.objects.filter(state=Job.State.QUEUED)
    serving = Deployment.objects.filter(state__in=Deployment.LIVE_STATES).select_related("job")
    context = {
        "name": name,
        "jobs": [job for job in waiting if _needs(job, name)],
        "deployments": [item for item in serving if _needs(item.job, name)],
    }
    return render(request, "secrets/delete.html", context)


def _needs(job: Job, name: str) -> bool:
    return name in named_in(from_json(job.plan))


urlpatterns: list[URLPattern] = [
    path("", secret_list, name="secret-list"),
    path("set/", secret_keep, name="secret-keep"),
    path("<str:name>/delete/", secret_delete, name="secret-delete"),
]
