"""The public API's permitted sources: included ones, and the administrators' list."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field, WithJsonSchema

from dashboard.actions import sources as actions
from dashboard.api.answers import Answer, Time, answers
from dashboard.api.auth import caller
from dashboard.api.errors import missing
from dashboard.api.requests import SourceAsked
from jobs.access import sources
from jobs.access.source_addresses import special_range
from jobs.models import Source

SourceType = Annotated[str, WithJsonSchema({"type": "string", "enum": [*Source.Type.values]})]
router = Router(tags=["Sources"])


class SourceAnswer(Answer):
    """A source that an administrator added."""

    id: int
    type: SourceType
    address: str = Field(description="of git, image and data also a prefix")
    special: str = Field(description="the special range of the address, as text; empty: none")
    note: str
    added_by: str | None = Field(description="null: a command on the server")
    added_at: Time


class IncludedSource(Answer):
    """A source that the catalogue names."""

    type: SourceType
    address: str = Field(description="an image without its registry, which is that of each host")
    origin: str = Field(description="what names it, as text")


class Sources(Answer):
    """All permitted sources."""

    sources: list[SourceAnswer]
    included: list[IncludedSource]
    next: str | None


@router.get(
    "sources",
    auth=caller("source.view"),
    **answers(Sources),
    url_name="api-sources",
    summary="List permitted sources",
)
def list_sources(request: HttpRequest) -> dict[str, Any]:
    """The added ones, then those that the catalogue includes."""
    rows = Source.objects.select_related("created_by")
    included = [
        {"type": one.type, "address": one.address, "origin": str(one.origin)}
        for one in sources.included()
    ]
    return {"sources": [_shape(row) for row in rows], "included": included, "next": None}


@router.post(
    "sources",
    auth=caller("source.manage"),
    **answers(SourceAnswer, 413, 422, status=201),
    url_name="api-sources",
    summary="Add a source",
)
def add_source(request: HttpRequest, asked: SourceAsked) -> Status[dict[str, Any]]:
    """Jobs of everyone may use it from now on."""
    return Status(201, _shape(actions.add(request.user, asked.type, asked.address, asked.note)))


@router.delete(
    "sources/{int:source_id}",
    auth=caller("source.manage"),
    **answers(SourceAnswer),
    url_name="api-source",
    summary="Remove a source",
)
def remove_source(request: HttpRequest, source_id: int) -> dict[str, Any]:
    """Queued jobs that need it fail; running jobs continue."""
    row = actions.remove(request.user, source_id)
    if row is None:
        raise missing()
    return _shape(row)


def _shape(row: Source) -> dict[str, Any]:
    return {
        "id": row.pk,
        "type": row.type,
        "address": row.address,
        "special": str(special_range(row.address)),
        "note": row.note,
        "added_by": row.created_by.get_username() if row.created_by else None,
        "added_at": row.created_at.isoformat(),
    }
