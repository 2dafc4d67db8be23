"""Report of matrices side by side: two or more, the first is the baseline."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from pydantic import Field

from dashboard.pages.jobs import matrix_compare
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.marks import device_text, remarks_of
from dashboard.reports import document, parts
from dashboard.reports.document import Block, Listing, Report, ReportSection
from dashboard.text.import_words import measured_text
from dashboard.text.labels import result_name
from jobs.metrics import rate_in
from jobs.models import Result
from jobs.queries.matrices import MatrixPage
from jobs.queries.results.results import result_page


class MatricesAsked(document.ReportAsked):
    """Report of matrices side by side; the first is the baseline."""

    id: list[document.Id] = Field(default_factory=list, description="matrices; repeat it")
    metric: str = Field("", description="number of each cell; empty: throughput")


def _read(asked: MatricesAsked) -> list[MatrixPage]:
    numbers = list(dict.fromkeys(asked.id))
    if problem := matrix_compare.problem_of(numbers):
        raise document.ReportError("id", problem)
    return matrix_compare.read(numbers, asked.metric or rate_in(asked.per))


def _first_results(pages: Sequence[MatrixPage]) -> list[Result | None]:
    """Return the first result of each matrix; None: it has none."""
    return [next((run.result for run in page.runs if run.result), None) for page in pages]


def _columns(pages: Sequence[MatrixPage]) -> list[tuple[str, str]]:
    """Return name and device of each matrix."""
    devices = [
        device_text(first) if first else page.matrix.host.name
        for page, first in zip(pages, _first_results(pages), strict=True)
    ]
    return list(zip(matrix_compare.names_of(pages), devices, strict=True))


def build(asked: MatricesAsked) -> Report:
    pages = _read(asked)
    found = matrix_compare.shown(
        pages,
        [" ".join(text.split()) for text in asked.names],
        has_people=asked.shows("people"),
    )
    results = [result for page in pages for cell in page.cells for result in cell.results]
    models = dict.fromkeys(page.matrix.model_id for page in pages)
    devices = [asked.device(at, own) for at, (_name, own) in enumerate(_columns(pages))]
    dates = [measured_text([one for cell in page.cells for one in cell.results]) for page in pages]
    missing = units.why_missing(asked.per, results)
    numbers = [str(page.matrix.pk) for page in pages]
    about = [
        (_("Models"), _(", ").join(models)),
        (_("Device"), parts.by_name(found.names, devices)),
        (_("Baseline"), found.names[0]),
        (_("Measured"), parts.by_name(found.names, dates)),
    ]
    remarks = [(text, result) for result in results for text, _is in remarks_of(result)]
    listed = [Listing(found.missing, _("Missing cells"))] if found.missing else []
    return Report(
        kicker=_("Comparison report"),
        title=found.title,
        file=f"report-matrices-{'-'.join(numbers)}",
        source=_("Matrices %(ids)s") % {"ids": _(", ").join(numbers)},
        about=cells.facts(about),
        warnings=[*filter(None, [missing]), *parts.warnings(results, asked)],
        sections=[
            ReportSection(_("Conclusion"), [Listing(found.verdicts), found.differences]),
            ReportSection(_("Numbers"), [*found.tables, *listed]),
            ReportSection(_("Method"), _method(pages), is_appendix=True),
            *parts.remarks([Listing(parts.by_text(remarks))] if remarks else []),
        ],
    )


def _method(pages: Sequence[MatrixPage]) -> list[Block]:
    """Return environment and commands of the first run of each matrix."""
    heads, blocks = [one for one in _first_results(pages) if one is not None], list[Block]()
    for head in heads:
        blocks += parts.record(result_page(head.pk), result_name(head))
        blocks += parts.commands(head)
    return [*blocks, *parts.packages(heads)]


KIND = document.ReportKind(
    *("matrices", "Report of matrices side by side", "job.view", MatricesAsked, build),
    columns=lambda asked: _columns(_read(asked)),
)
