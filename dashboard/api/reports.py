"""The public API of reports: an operation for each kind."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from dashboard.api.answers import answers
from dashboard.api.auth import caller
from dashboard.api.errors import invalid
from dashboard.reports.kinds import KINDS
from dashboard.reports.kinds.base import Asked, Kind, ReportError
from dashboard.reports.make import download, make
from dashboard.reports.writers import TYPES

router = Router(tags=["Reports"])
_FILE = {"schema": {"type": "string"}}


def _operation(kind: Kind) -> Callable[..., HttpResponse]:
    """Return the operation of a kind, as django-ninja reads it: with the kind's own parameters."""

    def read(request: HttpRequest, query: Asked) -> HttpResponse:
        try:
            return download(make(kind, query))
        except ReportError as error:
            raise invalid(error.field, str(error)) from None

    read.__name__ = f"read_{kind.name}_report"
    read.__doc__ = "One file: HTML with charts, Markdown, or CSV with every digit."
    way = Query[kind.asked]  # type: ignore[name-defined]
    read.__signature__ = Signature(  # type: ignore[attr-defined]  # read by django-ninja
        [
            Parameter("request", Parameter.POSITIONAL_OR_KEYWORD),
            Parameter("query", Parameter.POSITIONAL_OR_KEYWORD, annotation=way),
        ]
    )
    return read


def _answers() -> dict[str, Any]:
    """Return the arguments of an operation that answers with a file, not with JSON."""
    found = answers(None)
    found["openapi_extra"]["responses"][200] = {
        "description": "The report",
        "content": dict.fromkeys(TYPES.values(), _FILE),
    }
    return found


for _kind in KINDS.values():
    router.add_api_operation(
        f"reports/{_kind.name}",
        ["GET"],
        _operation(_kind),
        auth=caller(_kind.action),
        url_name=f"api-report-{_kind.name}",
        summary=_kind.summary,
        **_answers(),
    )
