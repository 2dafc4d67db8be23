"""Make a report: from parameters to a file, in the language that it is asked in; downloads."""

import json
from collections.abc import Callable, Mapping
from itertools import islice, zip_longest
from typing import Any, NamedTuple, get_origin

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from pydantic import ValidationError

from dashboard.actions.results import keep_words
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.export import attachment
from dashboard.reports import comparison, matrices, matrix, parity, result, writers
from dashboard.reports.customer import edited, without_hosts
from dashboard.reports.document import LANGUAGES, Part, Report, ReportAsked, ReportError, ReportKind
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import person
from jobs.base.files import text_sha256
from jobs.base.validation_errors import messages
from jobs.models import ReportWords

# A new kind is a file here and a name in this list; a new format is a line of the next two.
KINDS: dict[str, ReportKind] = {
    module.KIND.name: module.KIND for module in (result, comparison, parity, matrix, matrices)
}
TYPES: Mapping[str, str] = {"html": "text/html", "md": "text/markdown", "csv": "text/csv"}
_WRITERS: Mapping[str, Callable[[Report], str]] = {
    "html": writers.html,
    "md": writers.markdown,
    "csv": writers.csv,
}

# Words of people, kept for the team.
OWN_WORDS = {
    *("profile", "include", "heading", "customer", "summary", "names", "devices", "language")
}
# What the words are kept with: the records of a report, with any choice of the page.
_RECORDS = {"id", "group", "base", "base_counts", "counts", "sets"}
View = Callable[..., HttpResponseBase]


class File(NamedTuple):
    """A report as a file."""

    name: str
    content_type: str
    text: str


def make(kind: ReportKind, asked: ReportAsked) -> File:
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


def download(file: File) -> HttpResponseBase:
    return attachment(file.text, file.name, file.content_type)


def _view(
    kind: ReportKind, show: Callable[[HttpRequest, Any], HttpResponseBase], *methods: str
) -> View:
    """Return the view of a kind; the address, or what is posted, has all that it is asked for."""

    @requires(kind.action, *methods)
    @with_old_queries(*kind.results)
    def report(request: HttpRequest) -> HttpResponseBase:
        query = request.POST if request.method == "POST" else request.GET
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


def _file(kind: ReportKind) -> View:
    return _view(kind, lambda _request, asked: download(make(kind, asked)), "GET", "HEAD")


def _form(kind: ReportKind) -> View:
    """Return the view of the form of own words. A post returns the file, and keeps the words for
    the team."""

    def show(request: HttpRequest, asked: ReportAsked) -> HttpResponseBase:
        may_keep = allowed(request.user, "result.report")
        records = asked.model_dump(include=_RECORDS, exclude_defaults=True)
        about = kind.name, text_sha256(json.dumps(records, sort_keys=True))
        if request.method == "POST":
            file = make(kind, asked)
            if may_keep:
                subject = file.name.partition(".")[0].replace("-", " ", 1)
                keep_words(request.user, subject, about, asked.model_dump(include=OWN_WORDS))
            return download(file)
        kept = ReportWords.objects.filter(kind=about[0], records=about[1]).first()
        words = kept.words if kept else _latest(person(request))
        language = next(key for key, value in LANGUAGES.items() if value == get_language())
        known = {"profile": "customer", "language": language} | words
        own = asked.model_copy(update=known | asked.model_dump(exclude_unset=True))
        context: dict[str, Any] = {"kind": kind, "own": own, "kept": kept, "may_keep": may_keep}
        context["included"] = [(name, text, name in own.include) for name, text in _parts()]
        context["records"] = [
            (name, value)
            for name, values in request.GET.lists()
            if name not in OWN_WORDS and name != "format"
            for value in values
        ]
        hide, named = without_hosts(own), own.model_copy(update={"names": [], "include": ["hosts"]})
        # Labels have the names of hosts; the report has the words that stand in the fields.
        columns = [(*texts, *map(hide, texts)) for texts in kind.columns(named)]
        typed = islice(zip_longest(own.names, own.devices, fillvalue=""), len(columns))
        pairs = zip_longest(columns, typed, fillvalue=("", ""))
        context["columns"] = [(*shown, *words) for shown, words in pairs]
        return render(request, "reports/form.html", context)

    return _view(kind, show, "GET", "POST")


def _parts() -> list[tuple[Part, str]]:
    return [
        ("notes", _("Notes and sign-offs")),
        ("people", _("Names of people")),
        ("hosts", _("Names of hosts")),
        ("paths", _("Folders")),
        ("addresses", _("Network addresses")),
    ]


def _latest(user: AbstractBaseUser | None) -> dict[str, Any]:
    """Return the words that a report of other records begins with: for whom one's last one was."""
    row = ReportWords.objects.filter(changed_by_id=user.pk).first() if user else None
    words = row.words if row else {}
    return {name: words[name] for name in ("customer", "profile", "include") if name in words}


urlpatterns: list[URLPattern] = [
    *(path(f"{kind.name}/", _file(kind), name=f"report-{kind.name}") for kind in KINDS.values()),
    *(
        path(f"{kind.name}/words/", _form(kind), name=f"report-{kind.name}-words")
        for kind in KINDS.values()
    ),
]
