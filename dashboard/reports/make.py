"""Make a report: from parameters to a file, in the language that it is asked in; downloads."""

import json
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple, get_origin

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.export import attachment
from dashboard.reports import comparison, matrix, parity, result, writers
from dashboard.reports.customer import edited
from dashboard.reports.document import LANGUAGES, Asked, Kind, Part, Report, ReportError
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

# Words of a person, kept by subject in the session: the newest last.
OWN_WORDS = {"profile", "include", "heading", "customer", "summary", "names", "language", "format"}
_KEPT, _MOST_KEPT = "report_words", 20
View = Callable[..., HttpResponseBase]


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
        text = _WRITERS[asked.format](edited(report, asked))
    return File(f"{report.file}.{asked.language}.{asked.format}", TYPES[asked.format], text)


def download(file: File) -> HttpResponse:
    return attachment(file.text, file.name, file.content_type)


def _view(kind: Kind, show: Callable[[HttpRequest, Any], HttpResponse]) -> View:
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
            return show(request, kind.asked.model_validate(given))
        except ValidationError as error:
            problems = [f"{name}: {text}" for name, text in messages(error).items()]
        except ReportError as error:
            problems = [str(error)]
        return render(request, "reports/refused.html", {"problems": problems}, status=400)

    return report


def _file(kind: Kind) -> View:
    """Return the view of the file. Own words are kept for the next report of the same records."""

    def show(request: HttpRequest, asked: Asked) -> HttpResponse:
        file = make(kind, asked)
        if words := asked.model_dump(include=OWN_WORDS, exclude_defaults=True):
            subject = _subject(kind, asked)
            kept = {**request.session.get(_KEPT, {})}
            kept.pop(subject, None)
            kept[subject] = words
            request.session[_KEPT] = dict([*kept.items()][-_MOST_KEPT:])
        return download(file)

    return _view(kind, show)


def _form(kind: Kind) -> View:
    """Return the view of the form of own words."""

    def show(request: HttpRequest, asked: Asked) -> HttpResponse:
        kept = request.session.get(_KEPT, {})
        words: dict[str, Any] = kept.get(_subject(kind, asked)) or _latest(kept)
        given = asked.model_dump(exclude_unset=True)
        language = next(key for key, value in LANGUAGES.items() if value == get_language())
        known = {"profile": "customer", "language": language} | words | given
        own = asked.model_copy(update=known)
        context: dict[str, Any] = {"kind": kind, "own": own}
        context["included"] = [(name, text, name in own.include) for name, text in _parts()]
        context["records"] = [
            (name, value)
            for name, values in request.GET.lists()
            if name not in OWN_WORDS
            for value in values
        ]
        if kind.columns is not None:
            plain = asked.model_copy(update={"names": [], "profile": own.profile})
            columns, typed = kind.columns(plain), known.get("names", [])
            context["names"] = [*zip_longest(columns, typed[: len(columns)], fillvalue="")]
        return render(request, "reports/form.html", context)

    return _view(kind, show)


def _parts() -> list[tuple[Part, str]]:
    return [
        ("notes", _("Notes and sign-offs")),
        ("people", _("Names of people")),
        ("paths", _("Folders")),
        ("addresses", _("Network addresses")),
    ]


def _latest(kept: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the words that a report of other records begins with: for whom the last one was."""
    words = [*kept.values()][-1] if kept else {}
    return {name: words[name] for name in ("customer", "profile", "include") if name in words}


def _subject(kind: Kind, asked: Asked) -> str:
    records = asked.model_dump(exclude=OWN_WORDS, exclude_defaults=True)
    return f"{kind.name} {json.dumps(records, sort_keys=True)}"


urlpatterns: list[URLPattern] = [
    *(path(f"{kind.name}/", _file(kind), name=f"report-{kind.name}") for kind in KINDS.values()),
    *(
        path(f"{kind.name}/words/", _form(kind), name=f"report-{kind.name}-words")
        for kind in KINDS.values()
    ),
]
