"""Hosts, deployments on them, and endpoints: engines that this dashboard did not start."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import StrictBool, StrictInt

from dashboard.actions import endpoints as endpoint_actions
from dashboard.actions import jobs as actions
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Flag,
    Json,
    Operations,
    Page,
    Time,
    about,
    conflict,
    listing,
    read,
)
from dashboard.api.jobs import Progress, WithLog, progress_of
from dashboard.api.waiting import WaitAsked, answer_when, missed_or
from dashboard.pages.shared.engine_rates import rates
from dashboard.text.messages import message, server_message
from jobs.models import Deployment, Endpoint, Host
from jobs.queries.engines import endpoints
from jobs.queries.hosts import is_away
from jobs.schedule.deployments import NotRestartable
from jobs.schedule.launch_rights import launcher_names

hosts = Operations("Hosts", "hosts")
deployments = Operations("Deployments", "deployments")
deployment = Operations("Deployments", "deployments/{int:deployment_id}")


class HostAnswer(ApiAnswer):
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


@hosts.on("GET ", "host.view", "api-hosts", Hosts)
def list_hosts(request: HttpRequest) -> Json:
    """List hosts. All, by name."""
    rows = Host.objects.prefetch_related("launchers")
    return {"hosts": [HostAnswer.of(row) for row in rows], "next": None}


@hosts.on("GET /{slug:name}", "host.view", "api-host", HostAnswer)
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
    state: base.ServerState
    message: str = read(server_message)
    progress: Progress | None = read(progress_of, "of loading; null: none is known")
    run: int
    url: str = read("host_url", "server address as the host reaches it")
    ready_at: Time | None
    stopped_at: Time | None


Deployments = listing("Deployments", "A page of deployments.", "deployments", DeploymentAnswer)


class DeploymentsAsked(Page):
    """Query of the list of deployments."""

    state: base.choice(*Deployment.State.values) = ""  # type: ignore[valid-type]
    host: base.HostName = ""
    model: str = ""


def _rows() -> QuerySet[Deployment]:
    return Deployment.objects.select_related("host", "artifact", "created_by")


def _find(deployment_id: int) -> Deployment:
    return get_object_or_404(_rows(), pk=deployment_id)


@deployments.on("GET ", "deployment.view", "api-deployments", Deployments)
def list_deployments(request: HttpRequest, query: Query[DeploymentsAsked]) -> Json:
    """List deployments. Newest first."""
    fields = {"state": "state", "host": "host__name", "model": "model_id"}
    rows, older = base.filtered_page(query, _rows(), fields)
    return base.page(request, "deployments", [DeploymentAnswer.of(row) for row in rows], older)


@deployment.on("GET ", "deployment.view", "api-deployment", DeploymentAnswer)
def read_deployment(
    request: HttpRequest, deployment_id: int, query: Query[WaitAsked]
) -> Json | HttpResponseBase:
    """Read a deployment. State, settings and endpoint of a deployment. With ``wait`` it answers
    when the deployment is ready or has ended."""

    def read() -> Json:
        return DeploymentAnswer.of(_find(deployment_id))

    concerns = missed_or(lambda one: one["type"] == "deployment" and one["id"] == deployment_id)
    return answer_when(request, query.wait, "deployment.view", read, _is_settled, concerns)


def _is_settled(answer: Json) -> bool:
    return answer["state"] in (Deployment.State.READY, *Deployment.ENDED_STATES)


class EngineRates(ApiAnswer):
    """Last report of a deployment's engine; null: not reported, or too long ago."""

    output_tokens_per_s: float | None = read("output", "all requests together")
    running: float | None = about("requests")
    waiting: float | None = about("requests in the engine's queue")
    kv_cache: float | None = about("in use, per cent")
    history: list[float | None] = about("output tokens/s of half an hour, oldest first")
    reported_at: Time = read("heard")
    is_stale: bool = about("too long ago to be of now")


class EngineMetrics(ApiAnswer):
    """Rates of the engine of a deployment."""

    rates: EngineRates | None = about("null: no report in the last half hour")


@deployment.on("GET /metrics", "deployment.view", "api-deployment-metrics", EngineMetrics)
def read_deployment_metrics(request: HttpRequest, deployment_id: int) -> Json:
    """Read rates of an engine. As it reports them to its host."""
    heard = rates([_find(deployment_id)]).get(deployment_id)
    return {"rates": EngineRates.of(heard) if heard else None}


@deployment.on("POST /stop", "deployment.stop", "api-deployment-stop", DeploymentAnswer, 409)
def stop_deployment(request: HttpRequest, deployment_id: int) -> Json:
    """Stop a deployment. Own deployments; administrators: any."""
    if not actions.stop(request.user, _find(deployment_id)):
        raise conflict("stopped", _("This deployment is not running."))
    return DeploymentAnswer.of(_find(deployment_id))


@deployment.on(
    "POST /restart", "deployment.restart", "api-deployment-restart", DeploymentAnswer, 409, 422
)
def restart_deployment(request: HttpRequest, deployment_id: int) -> Json:
    """Restart a deployment. Start the server again. Own deployments; administrators: any."""
    try:
        actions.restart(request.user, _find(deployment_id))
    except NotRestartable:
        text = _("Not restarted: this deployment never ran.")
        raise conflict("not_restartable", text) from None
    return DeploymentAnswer.of(_find(deployment_id))


endpoints_ = Operations("Endpoints", "endpoints")
endpoint = Operations("Endpoints", "endpoints/{int:endpoint_id}")


class EndpointsAsked(Asked):
    """Query of the list of endpoints."""

    all: Flag = about("archived ones too", False)


class EndpointAsked(Asked):
    """An engine that this dashboard did not start."""

    name: str
    url: str = about("http or https; an administrator permits addresses as sources")
    api_key: str = about("name of a secret for engines", "")
    model: str = about("as the engine lists it; empty: its only model", "")
    model_id: str = about("a model of the catalogue", "")
    device: str = about("hardware in words, such as 8 × H800", "")
    devices: int | None = about("number of devices", None)
    engine: str = about("only if the engine does not report it", "")
    engine_version: str = about("only if the engine does not report it", "")
    max_context: int | None = about("tokens; only if the engine does not report it", None)
    thinking_switch: str = about(
        "variable of the chat template that switches thinking; empty: none", ""
    )
    in_gateway: StrictBool = about("keys of the gateway may ask it; administrators only", False)


class EndpointChange(EndpointAsked):
    """Fields of an endpoint to change; a field that is not sent stays."""

    name: str = ""
    url: str = about("http or https; an administrator permits addresses as sources", "")
    devices: StrictInt | None = about("number of devices; null: unknown", None)
    max_context: StrictInt | None = about("tokens; only if the engine does not report it", None)


class EndpointAnswer(base.Created):
    """An endpoint."""

    id: int
    name: str
    url: str = about("address before /v1")
    api_key: str = about("name of a secret, or empty")
    model: str = about("as the engine names it")
    model_id: str = about("a model of the catalogue, or empty")
    device: str = about("hardware in words, or empty")
    devices: int | None
    engine: str = read("engine_name", "reported by the engine, else stated; empty if unknown")
    engine_version: str = read("version")
    max_context: int | None = read("context", "tokens of prompt and output")
    thinking_switch: str = about("variable of the chat template that switches thinking, or empty")
    in_gateway: bool
    answers: bool = read("is_answering", "the last check succeeded")
    check: str = read(
        lambda row: message(row.check_id, row.check_args), "outcome of the last check, as text"
    )
    checked_at: Time | None
    checked_from: str = read(
        lambda row: "dashboard", "always dashboard; jobs check again from their host"
    )
    archived: bool = read(lambda row: row.archived_at is not None)


Endpoints = listing("Endpoints", "All endpoints, by name.", "endpoints", EndpointAnswer)


@endpoints_.on("GET ", "endpoint.view", "api-endpoints", Endpoints)
def list_endpoints(request: HttpRequest, query: Query[EndpointsAsked]) -> Json:
    """List endpoints. By name."""
    rows = endpoints(with_archived=query.all)
    return {"endpoints": [EndpointAnswer.of(row) for row in rows], "next": None}


@endpoints_.on("POST ", "endpoint.create", "api-endpoints", EndpointAnswer, 201, 413, 422)
def add_endpoint(request: HttpRequest, asked: EndpointAsked) -> Json:
    """Add an endpoint. Check the engine from the dashboard's machine, then store it, also without
    an answer."""
    form = endpoint_actions.EndpointForm(asked.model_dump(), user=request.user)
    return EndpointAnswer.of(endpoint_actions.save(request.user, form))


@endpoint.on("GET ", "endpoint.view", "api-endpoint", EndpointAnswer)
def read_endpoint(request: HttpRequest, endpoint_id: int) -> Json:
    """Read an endpoint. With the outcome of its last check."""
    return EndpointAnswer.of(_endpoint(endpoint_id))


@endpoint.on("PATCH ", "endpoint.change", "api-endpoint", EndpointAnswer, 413, 422)
def change_endpoint(request: HttpRequest, endpoint_id: int, asked: EndpointChange) -> Json:
    """Change an endpoint. Check the engine again, then store the sent fields, also without an
    answer. Own endpoints; administrators: any."""
    row = _endpoint(endpoint_id)
    stored = {name: getattr(row, name) for name in EndpointChange.model_fields}
    sent = asked.model_dump(exclude_unset=True)
    form = endpoint_actions.EndpointForm(stored | sent, instance=row, user=request.user)
    return EndpointAnswer.of(endpoint_actions.save(request.user, form))


@endpoint.on("POST /archive", "endpoint.change", "api-endpoint-archive", EndpointAnswer)
def archive_endpoint(request: HttpRequest, endpoint_id: int) -> Json:
    """Archive an endpoint. Queued jobs that need it are cancelled. Own endpoints; administrators:
    any."""
    endpoint_actions.archive(request.user, _endpoint(endpoint_id), is_archived=True)
    return EndpointAnswer.of(_endpoint(endpoint_id))


@endpoint.on("POST /restore", "endpoint.change", "api-endpoint-restore", EndpointAnswer)
def restore_endpoint(request: HttpRequest, endpoint_id: int) -> Json:
    """Restore an archived endpoint. Own endpoints; administrators: any."""
    endpoint_actions.archive(request.user, _endpoint(endpoint_id), is_archived=False)
    return EndpointAnswer.of(_endpoint(endpoint_id))


@endpoint.on("POST /check", "endpoint.check", "api-endpoint-check", EndpointAnswer)
def check_endpoint(request: HttpRequest, endpoint_id: int) -> Json:
    """Check an endpoint. Ask the engine now, from the dashboard's machine."""
    row = _endpoint(endpoint_id)
    endpoint_actions.check_now(request.user, row)
    return EndpointAnswer.of(row)


def _endpoint(endpoint_id: int) -> Endpoint:
    return get_object_or_404(Endpoint.objects.select_related("created_by"), pk=endpoint_id)
