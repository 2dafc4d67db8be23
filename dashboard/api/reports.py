"""Reports: an operation for each kind."""

from collections.abc import Callable
from inspect import Parameter, Signature

from django.http import HttpRequest, HttpResponse
from ninja import Query

from dashboard.api.base import Operations
from dashboard.api.errors import invalid
from dashboard.reports.document import Asked, Kind, ReportError
from dashboard.reports.make import KINDS, TYPES, download, make

operations = Operations("Reports")


def _operation(kind: Kind) -> Callable[..., HttpResponse]:
    """Return the operation of a kind, as django-ninja reads it: with the kind's own parameters."""

    def read(request: HttpRequest, query: Asked) -> HttpResponse:
        try:
            return download(make(kind, query))
        except ReportError as error:
            raise invalid(error.field, str(error)) from None

    read.__name__ = f"read_{kind.name}_report"
    about = "One file: HTML with charts, Markdown, or CSV with every digit."
    read.__doc__ = f"{kind.summary}. {about}"
    way = Query[kind.asked]  # type: ignore[name-defined]
    read.__signature__ = Signature(  # type: ignore[attr-defined]  # read by django-ninja
        [
            Parameter("request", Parameter.POSITIONAL_OR_KEYWORD),
            Parameter("query", Parameter.POSITIONAL_OR_KEYWORD, annotation=way),
        ]
    )
    return read


_FILE = {
    "description": "The report",
    "content": {name: {"schema": {"type": "string"}} for name in TYPES.values()},
}
for _kind in KINDS.values():
    operations.on(
        f"GET reports/{_kind.name}",
        _kind.action,
        None,
        name=f"api-report-{_kind.name}",
        shown=_FILE,
    )(_operation(_kind))
