"""The public API's endpoints: engines that this dashboard did not start."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status
from pydantic import Field

from dashboard.actions import endpoints as actions
from dashboard.api.answers import Answer, Time, answers
from dashboard.api.auth import caller
from dashboard.api.requests import EndpointAsked, EndpointsAsked
from dashboard.api.serializers import created
from dashboard.text.messages import message
from jobs.models import Endpoint
from jobs.queries.endpoints import endpoints
from jobs.services.endpoints import Entered

router = Router(tags=["Endpoints"])


class EndpointAnswer(Answer):
    """An endpoint."""

    id: int
    name: str
    url: str = Field(description="address before /v1")
    api_key: str = Field(description="name of a secret, or empty")
    model: str = Field(description="as the engine names it")
    model_id: str = Field(description="a model of the catalogue, or empty")
    device: str = Field(description="hardware in words, or empty")
    devices: int | None
    engine: str = Field(description="reported by the engine, else stated; empty if unknown")
    engine_version: str
    max_context: int | None = Field(description="tokens of prompt and output")
    thinking_switch: str = Field(
        description="variable of the chat template that switches thinking, or empty"
    )
    answers: bool = Field(description="the last check succeeded")
    check: str = Field(description="outcome of the last check, as text")
    checked_at: Time | None
    checked_from: str = Field(description="always dashboard; jobs check again from their host")
    archived: bool
    created_by: str | None
    created_at: Time


class Endpoints(Answer):
    """All endpoints, by name."""

    endpoints: list[EndpointAnswer]
    next: str | None


@router.get(
    "endpoints",
    auth=caller("endpoint.view"),
    **answers(Endpoints),
    url_name="api-endpoints",
    summary="List endpoints",
)
def list_endpoints(request: HttpRequest, query: Query[EndpointsAsked]) -> dict[str, Any]:
    """By name."""
    rows = endpoints(with_archived=query.all == "1")
    return {"endpoints": [_shape(row) for row in rows], "next": None}


@router.post(
    "endpoints",
    auth=caller("endpoint.create"),
    **answers(EndpointAnswer, 413, 422, status=201),
    url_name="api-endpoints",
    summary="Add an endpoint",
)
def add_endpoint(request: HttpRequest, asked: EndpointAsked) -> Status[dict[str, Any]]:
    """Check the engine from the dashboard's machine, then store it, also without an answer."""
    given = {
        name: "" if value is None else str(value) for name, value in asked.model_dump().items()
    }
    return Status(201, _shape(actions.create(request.user, Entered(**given))))


@router.get(
    "endpoints/{int:endpoint_id}",
    auth=caller("endpoint.view"),
    **answers(EndpointAnswer),
    url_name="api-endpoint",
    summary="Read an endpoint",
)
def read_endpoint(request: HttpRequest, endpoint_id: int) -> dict[str, Any]:
    """With the outcome of its last check."""
    return _shape(_find(endpoint_id))


@router.post(
    "endpoints/{int:endpoint_id}/check",
    auth=caller("endpoint.check"),
    **answers(EndpointAnswer),
    url_name="api-endpoint-check",
    summary="Check an endpoint",
)
def check_endpoint(request: HttpRequest, endpoint_id: int) -> dict[str, Any]:
    """Ask the engine now, from the dashboard's machine."""
    row = _find(endpoint_id)
    actions.ask(request.user, row)
    return _shape(row)


def _find(endpoint_id: int) -> Endpoint:
    return get_object_or_404(Endpoint.objects.select_related("created_by"), pk=endpoint_id)


def _shape(row: Endpoint) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "url": row.url,
        "api_key": row.api_key,
        "model": row.model,
        "model_id": row.model_id,
        "device": row.device,
        "devices": row.devices,
        "engine": row.engine_name,
        "engine_version": row.version,
        "max_context": row.context,
        "thinking_switch": row.thinking_switch,
        "answers": row.is_answering,
        "check": message(row.check_id, row.check_args),
        "checked_at": row.checked_at.isoformat() if row.checked_at else None,
        "checked_from": "dashboard",
        "archived": row.archived_at is not None,
        **created(row),
    }
