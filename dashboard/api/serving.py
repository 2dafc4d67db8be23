"""Hosts, and deployments: servers of models on them."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query

from dashboard.actions import jobs as actions
from dashboard.api.base import (
    Answer,
    Json,
    Operations,
    Page,
    ServerState,
    Time,
    filtered_page,
    listing,
    page,
    read,
)
from dashboard.api.errors import conflict
from dashboard.api.jobs import WithLog
from dashboard.text.messages import server_message
from jobs.models import Deployment, Host
from jobs.queries.hosts import is_away
from jobs.schedule.deployments import NotRestartable
from jobs.schedule.launch_rights import launcher_names

hosts = Operations("Hosts", "hosts")
deployments = Operations("Deployments", "deployments")


class HostAnswer(Answer):
    """A host, as it reports itself."""

    name: str
    type: str
    slots: int
    draining: bool
    launchers: list[str] | None = read(launcher_names, "who may launch besides admins; null: all")
    away: bool = read(is_away)
    heartbeat_at: Time | None
    facts: dict[str, Any]
    load: dict[str, Any]


Hosts = listing("Hosts", "All hosts.", "hosts", HostAnswer)


@hosts.on("GET ", "host.view", Hosts, name="api-hosts")
def list_hosts(request: HttpRequest) -> Json:
    """List hosts. All, by name."""
    rows = Host.objects.prefetch_related("launchers")
    return {"hosts": [HostAnswer.of(row) for row in rows], "next": None}


@hosts.on("GET /{slug:name}", "host.view", HostAnswer, name="api-host")
def read_host(request: HttpRequest, name: str) -> Json:
    """Read a host. The host as it last reported itself."""
    return HostAnswer.of(get_object_or_404(Host, name=name))


class DeploymentAnswer(WithLog):
    """A deployment: a server of a model."""

    id: int
    name: str
    host: str = read("host.name")
    job: int = read("job_id")
    model: str = read("model_id")
    label: str = read(lambda row: row.artifact.label if row.artifact else "")
    state: ServerState
    message: str = read(server_message)
    progress: Any
    run: int
    url: str = read("host_url", "server address as the host reaches it")
    ready_at: Time | None
    stopped_at: Time | None


Deployments = listing("Deployments", "A page of deployments.", "deployments", DeploymentAnswer)


class DeploymentsAsked(Page):
    """Query of the list of deployments."""

    state: str = ""
    host: str = ""
    model: str = ""


def _rows() -> QuerySet[Deployment]:
    return Deployment.objects.select_related("host", "artifact", "created_by")


def _find(deployment_id: int) -> Deployment:
    return get_object_or_404(_rows(), pk=deployment_id)


@deployments.on("GET ", "deployment.view", Deployments, name="api-deployments")
def list_deployments(request: HttpRequest, query: Query[DeploymentsAsked]) -> Json:
    """List deployments. Newest first."""
    fields = {"state": "state", "host": "host__name", "model": "model_id"}
    rows, older = filtered_page(query, _rows(), fields)
    return page(request, "deployments", [DeploymentAnswer.of(row) for row in rows], older)


@deployments.on(
    "GET /{int:deployment_id}", "deployment.view", DeploymentAnswer, name="api-deployment"
)
def read_deployment(request: HttpRequest, deployment_id: int) -> Json:
    """Read a deployment. State, settings and endpoint of a deployment."""
    return DeploymentAnswer.of(_find(deployment_id))


@deployments.on(
    "POST /{int:deployment_id}/stop",
    "deployment.stop",
    DeploymentAnswer,
    409,
    name="api-deployment-stop",
)
def stop_deployment(request: HttpRequest, deployment_id: int) -> Json:
    """Stop a deployment. Own deployments; administrators: any."""
    if not actions.stop(request.user, _find(deployment_id)):
        raise conflict("stopped", _("This deployment is not running."))
    return DeploymentAnswer.of(_find(deployment_id))


@deployments.on(
    "POST /{int:deployment_id}/restart",
    "deployment.restart",
    DeploymentAnswer,
    409,
    422,
    name="api-deployment-restart",
)
def restart_deployment(request: HttpRequest, deployment_id: int) -> Json:
    """Restart a deployment. Start the server again. Own deployments; administrators: any."""
    try:
        actions.restart(request.user, _find(deployment_id))
    except NotRestartable:
        text = _("Not restarted: this deployment never ran.")
        raise conflict("not_restartable", text) from None
    return DeploymentAnswer.of(_find(deployment_id))
