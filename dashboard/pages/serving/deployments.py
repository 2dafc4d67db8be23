"""Pages about deployments."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from dashboard.actions import jobs as actions
from dashboard.pages.jobs.failures import server_advice, why_server
from dashboard.pages.shared.engine_rates import rates
from dashboard.security.permissions import allowed, check, requires
from dashboard.text.formatting import joined
from dashboard.text.retention import removed_words
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.completions import CHAT_PATH
from jobs.models import Deployment
from jobs.queries.engines import deployment_page, deployments, needing
from jobs.schedule.deployments import NotRestartable

_RUNS = (Deployment.State.LOADING, Deployment.State.READY, Deployment.State.UNHEALTHY)
_ENDED = (Deployment.State.STOPPED, Deployment.State.FAILED, Deployment.State.LOST)
_MOST_NAMED = 20  # jobs that a stop would fail


@requires("deployment.view", "GET")
def deployment_list(request: HttpRequest) -> HttpResponse:
    """List deployments; ``?all=1`` includes ended ones."""
    show_all = request.GET.get("all") == "1"
    rows = deployments(only_live=not show_all)
    ready = sum(d.state == Deployment.State.READY for d in rows)
    heard = rates(rows)
    context = {
        "rows": [(deployment, heard.get(deployment.pk)) for deployment in rows],
        "show_all": show_all,
        "ready": ready,
    }
    return render(request, "deployments/list.html", context)


@requires("deployment.view", "GET")
def deployment_detail(request: HttpRequest, deployment_id: int) -> HttpResponse:
    try:
        page = deployment_page(deployment_id)
    except Deployment.DoesNotExist as error:
        raise Http404(f"there is no deployment {deployment_id}") from error
    return render(request, "deployments/detail.html", _context(request, page))


@requires("deployment.view", "GET")
def deployment_metrics(request: HttpRequest, deployment_id: int) -> HttpResponse:
    """Show the engine's current values of a deployment: the panel alone, for its page."""
    deployment = get_object_or_404(Deployment.objects.select_related("host"), pk=deployment_id)
    return render(request, "deployments/_metrics.html", metrics_panel(deployment))


@requires("deployment.stop", "GET", "HEAD", "POST")
def deployment_stop(request: HttpRequest, deployment_id: int) -> HttpResponse:
    deployment = get_object_or_404(Deployment, pk=deployment_id)
    check(request.user, "deployment.stop", deployment)
    if request.method != "POST":
        return render(request, "deployments/stop.html", _used(deployment))
    if not actions.stop(request.user, deployment):
        messages.info(request, _("This deployment has already ended."))
    return redirect("deployment-detail", deployment_id)


@requires("deployment.restart", "GET", "HEAD", "POST")
def deployment_restart(request: HttpRequest, deployment_id: int) -> HttpResponse:
    """Ask (GET) if a server runs, then start the same plan as the next run (POST)."""
    deployment = get_object_or_404(Deployment, pk=deployment_id)
    check(request.user, "deployment.restart", deployment)
    if request.method != "POST":
        return render(request, "deployments/restart.html", _used(deployment))
    try:
        actions.restart(request.user, deployment)
    except NotRestartable:
        messages.error(request, _("Not restarted: the server never started. Retry the deploy job."))
    except LaunchError as error:
        messages.error(request, str(error))
    return redirect("deployment-detail", deployment_id)


def _context(request: HttpRequest, page: Any) -> dict[str, Any]:
    deployment = page.deployment
    may_stop = allowed(request.user, "deployment.stop", deployment)
    may_restart = allowed(request.user, "deployment.restart", deployment)
    why = why_server(deployment)
    known = why.get("known")
    todo = server_advice(deployment)
    return {
        "page": page,
        **metrics_panel(deployment),
        **why,
        "state_text": joined(why["outcome"], known.cause if known else "") if why else "",
        "can_stop": may_stop and deployment.state in (*_RUNS, Deployment.State.WAITING),
        "can_restart": may_restart
        and deployment.job.state == "succeeded"
        and deployment.state in (*_RUNS, *_ENDED),
        "advice": joined(known.advice, todo) if known else todo,
        "is_up": deployment.state in _RUNS,
        "is_ready": deployment.state == Deployment.State.READY,
        "log_key": f"deployment/{deployment.pk}",
        "example": _example(deployment),
        "removed_words": removed_words(deployment),
    }


def _used(deployment: Deployment) -> dict[str, Any]:
    """A server that is to be ended, and the open jobs that would fail with it or be cancelled."""
    jobs = needing([(deployment.pk, deployment.job_id)])[deployment.job_id]
    is_up = deployment.state in _RUNS
    return {"deployment": deployment, "is_up": is_up, "jobs": jobs[:_MOST_NAMED]}


def metrics_panel(deployment: Deployment) -> dict[str, Any]:
    """Context of the panel with what the engine tells; ``heard`` is None before it does."""
    return {"deployment": deployment, "heard": rates([deployment]).get(deployment.pk)}


def _example(deployment: Deployment) -> str:
    """A request for a terminal; the address is the host's own, which others may not reach."""
    at = deployment.url_to_call or engine_addresses.parse(deployment.host_url)
    if not at:
        return ""
    body = (
        f'{{"model": "{deployment.name}", "max_tokens": 64, '
        '"messages": [{"role": "user", "content": "Hello"}]}'
    )
    return f"curl {at}{CHAT_PATH} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"


urlpatterns: list[URLPattern] = [
    path("", deployment_list, name="deployment-list"),
    path("<int:deployment_id>/", deployment_detail, name="deployment-detail"),
    path("<int:deployment_id>/metrics/", deployment_metrics, name="deployment-metrics"),
    path("<int:deployment_id>/stop/", deployment_stop, name="deployment-stop"),
    path("<int:deployment_id>/restart/", deployment_restart, name="deployment-restart"),
]
