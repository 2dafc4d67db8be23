"""The public API's endpoints: engines that this dashboard did not start."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query
from pydantic import BaseModel, Field

from dashboard.actions import endpoints as actions
from dashboard.api.base import Created, Json, Operations, Time, listing, read
from dashboard.text.messages import message
from jobs.models import Endpoint
from jobs.queries.engines import endpoints

operations = Operations("Endpoints", "endpoints")


class EndpointsAsked(BaseModel):
    """Query of the list of endpoints."""

    all: str = Field("", description="1: archived ones too")


class EndpointAsked(BaseModel):
    """An engine that this dashboard did not start."""

    name: str
    url: str = Field(description="http or https; an administrator permits addresses as sources")
    api_key: str = Field("", description="name of a secret for engines")
    model: str = Field("", description="as the engine lists it; empty: its only model")
    model_id: str = Field("", description="a model of the catalogue")
    device: str = Field("", description="hardware in words, such as 8 × H800")
    devices: int | None = Field(None, description="number of devices")
    engine: str = Field("", description="only if the engine does not report it")
    engine_version: str = Field("", description="only if the engine does not report it")
    max_context: int | None = Field(
        None, description="tokens; only if the engine does not report it"
    )
    thinking_switch: str = Field(
        "", description="variable of the chat template that switches thinking; empty: none"
    )


class EndpointAnswer(Created):
    """An endpoint."""

    id: int
    name: str
    url: str = Field(description="address before /v1")
    api_key: str = Field(description="name of a secret, or empty")
    model: str = Field(description="as the engine names it")
    model_id: str = Field(description="a model of the catalogue, or empty")
    device: str = Field(description="hardware in words, or empty")
    devices: int | None
    engine: str = read("engine_name", "reported by the engine, else stated; empty if unknown")
    engine_version: str = read("version")
    max_context: int | None = read("context", "tokens of prompt and output")
    thinking_switch: str = Field(
        description="variable of the chat template that switches thinking, or empty"
    )
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


@operations.on("GET ", "endpoint.view", Endpoints, name="api-endpoints")
def list_endpoints(request: HttpRequest, query: Query[EndpointsAsked]) -> Json:
    """List endpoints. By name."""
    rows = endpoints(with_archived=query.all == "1")
    return {"endpoints": [EndpointAnswer.of(row) for row in rows], "next": None}


@operations.on(
    "POST ", "endpoint.create", EndpointAnswer, 413, 422, name="api-endpoints", status=201
)
def add_endpoint(request: HttpRequest, asked: EndpointAsked) -> Json:
    """Add an endpoint. Check the engine from the dashboard's machine, then store it, also without
    an answer."""
    form = actions.EndpointForm(asked.model_dump(), user=request.user)
    return EndpointAnswer.of(actions.save(request.user, form))


@operations.on("GET /{int:endpoint_id}", "endpoint.view", EndpointAnswer, name="api-endpoint")
def read_endpoint(request: HttpRequest, endpoint_id: int) -> Json:
    """Read an endpoint. With the outcome of its last check."""
    return EndpointAnswer.of(_find(endpoint_id))


@operations.on(
    "POST /{int:endpoint_id}/check", "endpoint.check", EndpointAnswer, name="api-endpoint-check"
)
def check_endpoint(request: HttpRequest, endpoint_id: int) -> Json:
    """Check an endpoint. Ask the engine now, from the dashboard's machine."""
    row = _find(endpoint_id)
    actions.check_now(request.user, row)
    return EndpointAnswer.of(row)


def _find(endpoint_id: int) -> Endpoint:
    return get_object_or_404(Endpoint.objects.select_related("created_by"), pk=endpoint_id)
