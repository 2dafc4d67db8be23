"""Pydantic models of the API's queries and bodies."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.parser import Parser
from pydantic import BaseModel, BeforeValidator, Field, StrictBool, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from dashboard.api.errors import Refused
from dashboard.server.json_errors import error
from dashboard.text.queue_words import PRIORITIES
from jobs.base.numbers import DIGITS, number_from
from jobs.base.sanitize import sanitize
from jobs.models import Secret, Source
from jobs.schedule.queue import STEPS

LIMIT, LIMIT_MAX = 50, 200


class JsonBody(Parser):
    """Parser of JSON bodies that refuses values that the database cannot store."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """Return the body.

        Raises:
            Refused: it has values that the database cannot store.
        """
        body = json.loads(request.body)
        if sanitize(body) != body:
            text = _("Invalid value: remove zero bytes, unpaired surrogates and NaN.")
            raise Refused(error(400, "invalid", text))
        return cast(dict[str, Any], body)


def _whole(value: Any) -> Any:
    """A whole number from a query; "" is the default's, None."""
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    if not text:
        return None
    number = number_from(text)
    if number is None:
        raise PydanticCustomError("number", "Enter a whole number.")
    return number


def _limit(value: Any) -> int:
    number = number_from(str(value))
    if number is None:
        raise PydanticKnownError("int_parsing")
    return number


Offset = Annotated[
    int | None,
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**DIGITS - 1}),
]


JobId = Annotated[int, Field(ge=0, lt=10**DIGITS)]


class Page(BaseModel):
    """Query of one page of a list."""

    before: str = Field("", description="cursor of “next”: returns older rows")
    limit: Annotated[int, BeforeValidator(_limit)] = Field(
        LIMIT, ge=1, le=LIMIT_MAX, description="rows per page"
    )


class JobsAsked(Page):
    """Query of the list of jobs."""

    state: str = Field("", description="a state, or open, failed_or_lost, needs_confirmation")
    kind: str = ""
    host: str = ""
    person: str = ""
    text: str = ""
    pinned: str = Field("", description="any value: only jobs whose files are kept")


class DeploymentsAsked(Page):
    """Query of the list of deployments."""

    state: str = ""
    host: str = ""
    model: str = ""


class ResultsAsked(Page):
    """Query of the list of results."""

    type: str = ""
    model: str = ""
    host: str = ""
    deployment: str = ""
    endpoint: str = ""
    job: str = ""
    pinned: str = ""
    stack: str = ""
    parallelism: str = Field("", description="such as tp8 × pp4")
    tag: str = ""
    released: str = Field("", description="any value: only results with a valid sign-off")


class AuditAsked(Page):
    """Which entries of the audit log."""

    person: str = Field("", description="a user name, or :none for entries without an account")
    action: str = ""
    text: str = Field("", description="words, each in subject, details, person or origin")
    since: str = Field("", description="first moment, ISO 8601 with time zone")
    until: str = Field("", description="end, exclusive, ISO 8601 with time zone")


def _one_of(names: Any) -> Any:
    """Return the JSON schema of one of ``names``; the domain validates it and words the error."""
    return WithJsonSchema({"type": "string", "enum": [*names]})


Priority = Annotated[str, _one_of(PRIORITIES)]


class Planned(BaseModel):
    """A job to preview or launch. ``params`` are those of its kind: ``manage.py job_types``."""

    kind: str
    host: str
    params: dict[str, Any] = Field(default_factory=dict)


class LaunchAsked(Planned):
    """A job to launch."""

    priority: Priority = ""
    confirm: list[str] | None = Field(
        None, description="names of checks whose warnings are accepted, or all"
    )


class ConfirmAsked(BaseModel):
    """Confirmation of warnings: of the given checks; without any, of all."""

    checks: list[str] | None = None


class SecretAsked(BaseModel):
    """Value and rules of a secret."""

    value: str | None = Field(None, description="null: the stored value stays")
    purpose: Annotated[str, _one_of(Secret.Purpose.values)]
    endpoints: list[str] = Field(
        default_factory=list, description="URL prefixes; empty for an engine key: all deployments"
    )
    hosts: list[str] | None = Field(None, description="names; null: all hosts")
    people: list[str] | None = Field(None, description="user names; null: everyone")


class SourceAsked(BaseModel):
    """A source to permit."""

    type: Annotated[str, _one_of(Source.Type.values)]
    address: str
    note: str = ""


class TagsAsked(BaseModel):
    """Tags to add to a result."""

    tags: list[str]


class NoteAsked(BaseModel):
    """Text of a note."""

    text: str


class SignOffAsked(BaseModel):
    """Purpose of a sign-off: to whom the result is released."""

    purpose: str


class ViewAsked(BaseModel):
    """A view of the result list: filters, order, rows and columns of its address."""

    name: str
    query: str = Field("", description="query of the page's address, such as model=…&order=-made")
    shared: StrictBool = False


class ViewChange(BaseModel):
    """Parts of a saved view to change; null: stays."""

    name: str | None = None
    query: str | None = None
    shared: StrictBool | None = None


class FleetAsked(BaseModel):
    """Query of the fleet."""

    days: str = Field("", description="results older than this are stale; default 30")


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


class PromptSetAsked(BaseModel):
    """Prompts of the team for benchmarks."""

    name: str = Field(description="value of the field prompts of a benchmark")
    language: str = ""
    text: str = Field(description='JSON lines: {"prompt": "…"}')


class ImportDeclared(BaseModel):
    """Declared parts of an import."""

    device: str = Field("", description="measured on, such as 8 × H800 or 2 × 8 H800")
    model: str = Field("", description="id of the catalogue or a name; empty: as in the files")
    devices: int | None = Field(None, description="number of devices; null: as in device")
    precision: str = Field("", description="such as fp8")
    engine: str = Field("", description="with its version, such as vLLM 0.7.2")
    tp: int | None = Field(None, description="tensor parallel size")
    pp: int | None = Field(None, description="pipeline parallel size")
    ep: int | None = Field(None, description="expert parallel size")
    workload: str = Field("", description="as on the results to compare with")


class ImportAsked(ImportDeclared):
    """Additions to imported files."""

    name: str = Field("body", max_length=300, description="file name, such as result.json")
    dry_run: bool = Field(False, description="only show what would be imported")
    job: JobId | None = Field(None, description="job that collected the files; without a body")


class PinAsked(BaseModel):
    """Keep a job's log, files and points, or apply retention again."""

    pinned: StrictBool


class MoveAsked(BaseModel):
    """New position of a queued job: one of the three."""

    to: Annotated[str, _one_of(STEPS)] | None = None
    before: JobId | None = Field(None, description="place before the job with this id")
    after: JobId | None = Field(None, description="place after the job with this id")


class PriorityAsked(BaseModel):
    """New priority of a queued job."""

    priority: Priority = ""


class ExclusiveAsked(BaseModel):
    """Require the host exclusively for a queued job, or not."""

    exclusive: StrictBool = False


class LogAsked(BaseModel):
    """Range of bytes of a log, and its format."""

    start: Offset = Field(None, alias="from", description="first byte")
    to: Offset = Field(None, description="end of the range, exclusive, bytes")
    framed: str = Field("", description="1: at most 256 KiB, with arrival times")
    plain: str = Field("", description="1: without escape sequences, updates collapsed")
    download: str = Field("", description="1: as a file download")


class LinesAsked(BaseModel):
    """Range of lines of a log, from 1, both ends included."""

    start: Offset = Field(None, alias="from", description="first line; default 1")
    to: Offset = Field(None, description="last line; default 999 lines after the first")
    plain: str = ""
    download: str = ""


class SearchAsked(BaseModel):
    """Query of a search in a log."""

    q: str = ""
    regex: str = Field("", description="1: q is a regular expression")
    warnings: str = Field("", description="1: lines with warnings or errors, any q")
    limit: Offset = Field(None, description="maximum lines; default 1000")
    near: Offset = Field(None, description="lines around this line")


class KnownAsked(BaseModel):
    """Data that the caller already has; the response begins after it."""

    known: Offset = None


class FoldsAsked(KnownAsked):
    """Folds that the caller already has, counted per series."""

    series: str = ""


class FromAsked(BaseModel):
    """Start of a range of bytes."""

    start: Offset = Field(None, alias="from")
