"""Pages of deployments, and of endpoints: engines that this dashboard did not start."""

from collections import Counter
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.actions import endpoints as endpoint_actions
from dashboard.actions import jobs as job_actions
from dashboard.actions.endpoints import EndpointForm
from dashboard.pages.shared.addresses import or_404
from dashboard.pages.shared.busy import busy_page
from dashboard.pages.shared.engine_rates import rates
from dashboard.pages.shared.failures import server_advice, why_server
from dashboard.security.permissions import allowed, check, requires
from dashboard.text import labels
from dashboard.text.formatting import joined, number
from dashboard.text.messages import message
from dashboard.text.retention import removed_words
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.completions import CHAT_PATH
from jobs.kinds.lib.base import endpoint_key
from jobs.models import Deployment, Endpoint
from jobs.queries import engines as queries
from jobs.schedule.deployments import NotRestartable

_MOST_NAMED = 20  # jobs that a stop would fail


@requires("deployment.view", "GET")
def deployment_list(request: HttpRequest) -> HttpResponse:
    """List deployments; ``?all=1`` includes ended ones."""
    show_all = request.GET.get("all") == "1"
    rows = queries.deployments(only_live=not show_all)
    ready = [one for one in rows if one.state == Deployment.State.READY]
    heard = rates(ready)
    states = Counter(map(labels.state_of, rows))
    context = {
        "rows": [(deployment, heard.get(deployment.pk)) for deployment in rows],
        "show_all": show_all,
        "has_rates": bool(heard),
        "ready": states[Deployment.State.READY],
        "loading": states[Deployment.State.WAITING] + states[Deployment.State.LOADING],
    }
    return render(request, "deployments/list.html", context)


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
    if not job_actions.stop(request.user, deployment):
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
        job_actions.restart(request.user, deployment)
    except NotRestartable:
        messages.error(request, _("Not restarted: the server never started. Retry the deploy job."))
    except LaunchError as error:
        messages.error(request, str(error))
    return redirect("deployment-detail", deployment_id)


@requires("deployment.view", "GET")
def deployment_detail(request: HttpRequest, deployment_id: int) -> HttpResponse:
    page = or_404(queries.deployment_page, deployment_id)
    deployment = page.deployment
    why, todo, state = why_server(deployment), server_advice(deployment), deployment.state
    known = why.get("known")
    may_stop = allowed(request.user, "deployment.stop", deployment)
    may_restart = allowed(request.user, "deployment.restart", deployment)
    steady = (*Deployment.RUNNING_STATES, *Deployment.ENDED_STATES)
    can_restart = deployment.job.state == "succeeded" and state in steady
    context = {
        "page": page,
        **metrics_panel(deployment),
        **why,
        "state_text": joined(why["outcome"], known.cause if known else "") if why else "",
        "can_stop": may_stop and state in (*Deployment.RUNNING_STATES, Deployment.State.WAITING),
        "can_restart": may_restart and can_restart,
        "advice": joined(known.advice, todo) if known else todo,
        "is_up": state in Deployment.RUNNING_STATES,
        "is_ready": state == Deployment.State.READY,
        "example": _example(deployment),
        "removed_words": removed_words(deployment),
    }
    return render(request, "deployments/detail.html", context)


def _used(deployment: Deployment) -> dict[str, Any]:
    """A server that is to be ended, and the open jobs that would fail with it or be cancelled."""
    jobs = queries.needing([(deployment.pk, deployment.job_id)])[deployment.job_id]
    is_up = deployment.state in Deployment.RUNNING_STATES
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


@requires("endpoint.view", "GET")
def endpoint_list(request: HttpRequest) -> HttpResponse:
    """List endpoints; ``?all=1`` includes archived ones."""
    show_all = request.GET.get("all") == "1"
    rows = [(row, *state_of(row)) for row in queries.endpoints(with_archived=show_all)]
    context = {
        "rows": rows,
        "failed": sum(state == "unhealthy" for _row, state, _word in rows),
        "show_all": show_all,
        "may_add": allowed(request.user, "endpoint.create"),
    }
    return render(request, "endpoints/list.html", context)


@requires("endpoint.create", "GET", "HEAD", "POST")
def endpoint_add(request: HttpRequest) -> HttpResponse:
    return _form(request, None)


@requires("endpoint.change", "GET", "HEAD", "POST")
def endpoint_edit(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    return _form(request, row)


def _form(request: HttpRequest, row: Endpoint | None) -> HttpResponse:
    sent, status = request.POST if request.method == "POST" else None, 200
    title, number = (row.name, row.pk) if row else ("", None)
    form = EndpointForm(sent, instance=row, initial=request.GET.dict(), user=request.user)
    if request.method == "POST":
        try:
            return redirect("endpoint-detail", endpoint_actions.save(request.user, form).pk)
        except LaunchError:
            status = 422
    context = {"title": title, "number": number, "form": form}
    return render(request, "endpoints/edit.html", context, status=status)


@requires("endpoint.view", "GET")
def endpoint_detail(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    page = or_404(queries.endpoint_page, endpoint_id)
    row = page.endpoint
    state, word = state_of(row)
    # What must be known before results count as repeats.
    needed = {_("engine"): row.engine_name, _("version"): row.version, _("device"): row.device}
    context = {
        "page": page,
        "endpoint": row,
        "state": state,
        "state_word": word,
        "check_text": message(row.check_id, row.check_args),
        "found": _found(row),
        "missing": _(", ").join(name for name, value in needed.items() if not value),
        "chat_key": endpoint_key(row.pk),
        "may_check": allowed(request.user, "endpoint.check", row),
        "may_change": allowed(request.user, "endpoint.change", row),
    }
    return render(request, "endpoints/detail.html", context)


def state_of(row: Endpoint) -> tuple[str, str]:
    if row.archived_at is not None:
        return "stopped", _("archived")
    if row.is_answering:
        return "ready", pgettext("of an endpoint", "answers")
    return "unhealthy", _("check failed")


def _found(row: Endpoint) -> list[tuple[str, str, str]]:
    """Return (name, value, source) of what is known of the engine; value "": unknown."""
    found, reported, stated = row.found, _("reported by the engine"), _("stated")
    context, models = row.context, ", ".join(map(str, found.get("models") or ()))
    length = _("%(n)s tokens") % {"n": number(context)} if context else ""
    counters = _("read during benchmarks") if found.get("has_counters") else ""
    facts = [
        (_("Engine"), row.engine_name, reported if found.get("engine") else stated),
        (_("Engine version"), row.version, reported if found.get("version") else stated),
        (_("Max model length"), length, stated if row.max_context else reported),
        (_("Listed models"), models, ""),
        (_("Counters"), counters, ""),
    ]
    return [(name, value, source if value else "") for name, value, source in facts]


@requires("endpoint.check", "POST")
def endpoint_check(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    try:
        endpoint_actions.check_now(request.user, get_object_or_404(Endpoint, pk=endpoint_id))
    except LaunchError as error:
        return busy_page(request, _("Endpoint not checked"), str(error))
    return redirect("endpoint-detail", endpoint_id)


@requires("endpoint.change", "GET", "HEAD", "POST")
def endpoint_archive(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Ask (GET), then archive the endpoint, or bring it back with ``archived=0`` (POST)."""
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    if request.method != "POST":
        context = {"endpoint": row, "jobs": queries.jobs_against(row)}
        return render(request, "endpoints/archive.html", context)
    is_archived = request.POST.get("archived", "1") != "0"
    if endpoint_actions.archive(request.user, row, is_archived=is_archived):
        text = _("%(name)s archived.") if is_archived else _("%(name)s restored.")
        messages.success(request, text % {"name": row.name})
    return redirect("endpoint-detail", endpoint_id)


deployment_urlpatterns: list[URLPattern] = [
    path("", deployment_list, name="deployment-list"),
    path("<int:deployment_id>/", deployment_detail, name="deployment-detail"),
    path("<int:deployment_id>/metrics/", deployment_metrics, name="deployment-metrics"),
    path("<int:deployment_id>/stop/", deployment_stop, name="deployment-stop"),
    path("<int:deployment_id>/restart/", deployment_restart, name="deployment-restart"),
]
endpoint_urlpatterns: list[URLPattern] = [
    path("", endpoint_list, name="endpoint-list"),
    path("add/", endpoint_add, name="endpoint-add"),
    path("<int:endpoint_id>/", endpoint_detail, name="endpoint-detail"),
    path("<int:endpoint_id>/edit/", endpoint_edit, name="endpoint-edit"),
    path("<int:endpoint_id>/check/", endpoint_check, name="endpoint-check"),
    path("<int:endpoint_id>/archive/", endpoint_archive, name="endpoint-archive"),
]
