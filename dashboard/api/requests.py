"""Pydantic models of the API's queries and bodies."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.parser import Parser
from pydantic import BaseModel, BeforeValidator, Field, StrictBool, WithJsonSchema
from pydantic_core import PydanticCustomError

from dashboard.api.errors import Refused, error
from dashboard.presenters.queue import PRIORITIES
from jobs.services.queue import STEPS
from jobs.services.sanitize import sanitize

LIMIT, LIMIT_MAX = 50, 200
_DIGITS = 18  # what a database holds, and no more


class JsonBody(Parser):
    """A body is JSON that a database can hold."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The body. Ours to refuse: text and numbers that no database takes."""
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
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise PydanticCustomError("number", "Enter a whole number.")
    return int(text)


Offset = Annotated[
    int | None,
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**_DIGITS - 1}),
]


class Page(BaseModel):
    """Which part of a list."""

    before: str = Field("", description="cursor of “next”: returns older rows")
    limit: int = Field(LIMIT, ge=1, le=LIMIT_MAX, description="rows per page")


class JobsAsked(Page):
    """Which jobs."""

    state: str = Field("", description="a state, or open, failed_or_lost, needs_confirmation")
    kind: str = ""
    host: str = ""
    person: str = ""
    text: str = ""
    pinned: str = Field("", description="any value: only jobs whose files are kept")


class DeploymentsAsked(Page):
    """Which deployments."""

    state: str = ""
    host: str = ""
    model: str = ""


class ResultsAsked(Page):
    """Which results."""

    type: str = ""
    model: str = ""
    host: str = ""
    deployment: str = ""
    job: str = ""
    pinned: str = ""


class AuditAsked(Page):
    """Which entries of the audit log."""

    person: str = Field("", description="a user name, or :none for entries without an account")
    action: str = ""
    text: str = Field("", description="words, each in subject, details, person or origin")
    since: str = Field("", description="first moment, ISO 8601 with time zone")
    until: str = Field("", description="end, exclusive, ISO 8601 with time zone")


def _of(names: Any) -> Any:
    """Return the type of a text out of ``names``; the domain writes the error for others."""
    return WithJsonSchema({"type": "string", "enum": [*names]})


Priority = Annotated[str, _of(PRIORITIES)]


class Planned(BaseModel):
    """A job to look at or to launch. ``params`` are those of its kind: ``manage.py job_types``."""

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
    """Which of the checks of a job's “asks” are confirmed; without any, all."""

    checks: list[str] | None = None


class PinAsked(BaseModel):
    """Keep a job's log, files and points, or apply retention again."""

    pinned: StrictBool


class MoveAsked(BaseModel):
    """Target place of a queued job: one of the three."""

    to: Annotated[str, _of(STEPS)] | None = None
    before: int | None = Field(None, description="place before the job with this id")
    after: int | None = Field(None, description="place after the job with this id")


class PriorityAsked(BaseModel):
    """The priority that a waiting job gets."""

    priority: Priority = ""


class ExclusiveAsked(BaseModel):
    """Require the host exclusively for a queued job, or not."""

    exclusive: StrictBool = False


class LogAsked(BaseModel):
    """Which bytes of a log, and in which form."""

    start: Offset = Field(None, alias="from", description="first byte")
    to: Offset = Field(None, description="end of the range, exclusive, bytes")
    framed: str = Field("", description="1: at most 256 KiB, with arrival times")
    plain: str = Field("", description="1: without escape sequences, updates collapsed")
    download: str = Field("", description="1: as a file download")


class LinesAsked(BaseModel):
    """Which lines of a log, from 1, both ends included."""

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
    """From which byte on."""

    start: Offset = Field(None, alias="from")
