"""Make a report: from parameters to a file, in the language that it is asked in."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import get_language, override

from dashboard.reports.kinds.base import LANGUAGES, Asked, Kind, ReportError
from dashboard.reports.writers import TYPES, WRITERS


@dataclass(frozen=True, slots=True)
class File:
    """A report as a file."""

    name: str
    content_type: str
    text: str


def make(kind: Kind, asked: Asked) -> File:
    """Return the report.

    Raises:
        Http404: a record does not exist.
        ReportError: these records give no report.
    """
    own = get_language()
    with override(LANGUAGES[asked.language]):
        try:
            report = kind.build(asked)
        except ReportError:
            with override(own):
                kind.build(asked)  # the same error, in the language of the person who asked
            raise
        text = WRITERS[asked.format](report)
    name = f"{report.file}.{asked.language}.{asked.format}"
    return File(name, f"{TYPES[asked.format]}; charset=utf-8", text)


def download(file: File) -> HttpResponse:
    """Return the file as a download: its scripts never run under the dashboard's address."""
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(file.text, content_type=file.content_type, headers=headers)
