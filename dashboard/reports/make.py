"""Make a report: from parameters to a file, in the language that it is asked in; downloads."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_origin

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import get_language, override
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.export import attachment
from dashboard.reports import comparison, matrix, parity, result, writers
from dashboard.reports.document import LANGUAGES, Asked, Kind, Report, ReportError
from dashboard.security.permissions import requires
from jobs.base.validation_errors import messages

# A new kind is a file here and a name in this list; a new format is a line of the next two.
KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (result, comparison, parity, matrix)
}
TYPES: Mapping[str, str] = {"html": "text/html", "md": "text/markdown", "csv": "text/csv"}
_WRITERS: Mapping[str, Callable[[Report], str]] = {
    "html": writers.html,
    "md": writers.markdown,
    "csv": writers.csv,
}


class File(NamedTuple):
    """A report as a file."""

    name: str
    content_type: str
    text: str


def make(kind: Kind, asked: Asked) -> File:
    """Return the report. Raises ``Http404``: a record does not exist; ``ReportError``: these
    records give no report."""
    own = get_language()
    with override(LANGUAGES[asked.language]):
        try:
            report = kind.build(asked)
        except ReportError:
            with override(own):
                kind.build(asked)  # the same error, in the language of the person who asked
            raise
        text = _WRITERS[asked.format](report)
    return File(f"{report.file}.{asked.language}.{asked.format}", TYPES[asked.format], text)


def download(file: File) -> HttpResponse:
    return attachment(file.text, file.name, file.content_type)


def _view(kind: Kind) -> Callable[..., HttpResponseBase]:
    """Return the view of a kind; the address has all that it is asked for, and is read for it."""

    @require_safe
    @requires(kind.action)
    @with_old_queries(*kind.results)
    def report(request: HttpRequest) -> HttpResponse:
        query = request.GET
        given: dict[str, Any] = {
            name: query.getlist(name) if get_origin(field.annotation) is list else query[name]
            for name, field in kind.asked.model_fields.items()
            if name in query
        }
        try:
            return download(make(kind, kind.asked.model_validate(given)))
        except ValidationError as error:
            problems = [f"{name}: {text}" for name, text in messages(error).items()]
        except ReportError as error:
            problems = [str(error)]
        return render(request, "reports/refused.html", {"problems": problems}, status=400)

    return report


urlpatterns: list[URLPattern] = [
    path(f"{kind.name}/", _view(kind), name=f"report-{kind.name}") for kind in KINDS.values()
]
