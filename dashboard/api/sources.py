"""The public API's permitted sources: included ones, and the administrators' list."""

from typing import Annotated

from django.http import HttpRequest
from pydantic import BaseModel, Field

from dashboard.actions import sources as actions
from dashboard.api.base import Answer, Json, Operations, Time, one_of, read
from dashboard.api.errors import missing
from jobs.access import sources
from jobs.access.sources import special_range
from jobs.models import Source

SourceType = Annotated[str, one_of(Source.Type.values)]
operations = Operations("Sources", "sources")


class SourceAsked(BaseModel):
    """A source to permit."""

    type: SourceType
    address: str
    note: str = ""


class SourceAnswer(Answer):
    """A source that an administrator added."""

    id: int
    type: SourceType
    address: str = Field(description="of git, image and data also a prefix")
    special: str = read(
        lambda row: str(special_range(row.address)),
        "the special range of the address, as text; empty: none",
    )
    note: str
    added_by: str | None = read("created_by.username", "null: a command on the server")
    added_at: Time = read("created_at")


class IncludedSource(Answer):
    """A source that the catalogue names."""

    type: SourceType
    address: str = Field(description="an image without its registry, which is that of each host")
    origin: str = read("origin", "what names it, as text", then=str)


class Sources(Answer):
    """All permitted sources."""

    sources: list[SourceAnswer]
    included: list[IncludedSource]
    next: str | None


@operations.on("GET ", "source.view", Sources, name="api-sources")
def list_sources(request: HttpRequest) -> Json:
    """List permitted sources. The added ones, then those that the catalogue includes."""
    rows = Source.objects.select_related("created_by")
    included = [IncludedSource.of(one) for one in sources.included()]
    return {"sources": [SourceAnswer.of(row) for row in rows], "included": included, "next": None}


@operations.on("POST ", "source.manage", SourceAnswer, 413, 422, name="api-sources", status=201)
def add_source(request: HttpRequest, asked: SourceAsked) -> Json:
    """Add a source. Jobs of everyone may use it from now on."""
    return SourceAnswer.of(actions.add(request.user, asked.type, asked.address, asked.note))


@operations.on("DELETE /{int:source_id}", "source.manage", SourceAnswer, name="api-source")
def remove_source(request: HttpRequest, source_id: int) -> Json:
    """Remove a source. Queued jobs that need it fail; running jobs continue."""
    row = actions.remove(request.user, source_id)
    if row is None:
        raise missing()
    return SourceAnswer.of(row)
