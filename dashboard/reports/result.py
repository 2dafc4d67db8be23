"""Report of one result: a benchmark or an evaluation."""

from collections.abc import Sequence
from dataclasses import replace

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pydantic import Field

from dashboard.pages.results import view
from dashboard.pages.results.conclusion import NO_LEVEL
from dashboard.pages.results.points import PointsTable
from dashboard.pages.results.tables import repeats_of
from dashboard.pages.results.view import SpeedBlocks
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.cells import Cell, FactList, Heading, Table
from dashboard.pages.shared.comparison import Chart
from dashboard.pages.shared.marks import device_text, marks_of
from dashboard.pages.shared.words import lengths_texts
from dashboard.reports import document, parts
from dashboard.reports.document import (
    Block,
    Listing,
    Paragraph,
    Report,
    ReportFigure,
    ReportSection,
)
from dashboard.text.formatting import duration, full_moment
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import phrase, result_name, result_place, stack_name
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.results.levels import Level, team_levels
from jobs.queries.results.results import ResultPage, result_page

_TALL = 560  # pixels


class ResultAsked(document.ReportAsked):
    """Report of one result."""

    id: ResultId
    level: str = Field("", description="service level of the conclusion: see the address of a page")


def _page(asked: ResultAsked) -> ResultPage:
    try:
        return result_page(asked.id)
    except Result.DoesNotExist:
        raise document.absent("result", [result_number(asked.id)]) from None


def build(asked: ResultAsked) -> Report:
    page = _page(asked)
    result = page.result
    level = None
    if asked.level not in ("", NO_LEVEL):
        level = dict(team_levels().options()).get(asked.level)
        if level is None:
            text = _("This service level was removed or hidden. Choose another.")
            raise document.ReportError("level", text)
    numbers: list[Block]
    details: list[Block] = []
    if result.type == Result.Type.EVALUATION:
        kicker = _("Accuracy report")
        title, score = view.score_of(page)
        conclusion: list[Block] = [
            FactList([*score.numbers.rows, *score.figures.rows], is_large=True)
        ]
        numbers = [*_figures(score.charts, result), *([score.sets.table] if score.sets else [])]
        numbers += [score.categories] if score.categories else []
        details = [*score.sets.folded.values()] if score.sets else []
    else:
        kicker = _("Performance report")
        unit = units.choice(asked.per, [result])
        title, speed = view.speed_of(page, level=level, user=AnonymousUser(), unit=unit)
        conclusion = _conclusion(speed, level, asked)
        numbers = _numbers(speed, result)
        details = [*_figures(speed.more, result), *([speed.engine] if speed.engine else [])]
    details += [table] if (table := repeats_of(page)) else []
    marks = marks_of([result])[result.pk]
    if marks.verdict:
        conclusion.append(Paragraph(f"{_('Baseline')}{_(': ')}{marks.hint}"))
    method = [*parts.record(page), *parts.commands(result), *parts.packages([result])]
    return Report(
        kicker=kicker,
        title=title,
        file=f"report-{result_name(result)}",
        source=parts.sources([result], asked),
        about=_about(page, asked),
        warnings=parts.warnings([result], asked),
        sections=[
            ReportSection(_("Conclusion"), conclusion),
            ReportSection(_("Numbers"), numbers),
            *([ReportSection(_("Details"), details, is_appendix=True)] if details else []),
            ReportSection(_("Method"), method, is_appendix=True),
            *parts.remarks(parts.remarks_on([result], asked, is_titled=False)),
        ],
    )


def _about(page: ResultPage, asked: ResultAsked) -> FactList:
    result = page.result
    by = result.created_by.get_username() if result.created_by and asked.shows("people") else ""
    took_s = result.job.duration_s if result.job else None
    rows = [
        (_("Model"), result.model_id),
        (_("Precision"), phrase(result.label)),
        (_("Deployment"), page.deployment.name if page.deployment else ""),
        (_("Endpoint"), result.endpoint.name if result.endpoint else ""),
        (_("Device"), asked.device(0, device_text(result))),
        (
            _("Measured from") if result.endpoint else _("Host"),
            result_place(result) if result.host and asked.shows("hosts") else "",
        ),
        (_("Stack"), stack_name(result.stack)),
        (_("Parallelism"), result.parallelism),
        (_("Workload"), phrase(result.what)),
        (_("Tokens, input → output"), _(", ").join(filter(None, lengths_texts(result)))),
        (_("Tool"), result.tool),
        (_("Duration"), duration(took_s) if took_s else ""),
        (_("Measured"), measured_text([result])),
        *declared_facts([result], has_people=asked.shows("people")),
        (_("Imported by") if result.imported else _("Started by"), by),
        (_("Imported"), full_moment(result.stored_at) if result.imported else ""),
    ]
    return cells.facts(rows)


def _conclusion(speed: SpeedBlocks, level: Level | None, asked: ResultAsked) -> list[Block]:
    card, blocks = speed.card, list[Block]()
    if speed.limit is not None:
        notes = [text for text, _is_doubt in speed.limit.notes]
        blocks += [Paragraph(speed.limit.headline, "bold"), Listing(notes)]
    elif card is not None:
        blocks.append(Paragraph(card.headline, "warn" if card.is_warning else "bold"))
    blocks.append(FactList([*speed.numbers.rows, *speed.figures.rows], is_large=True))
    if card is not None:
        if level is not None and card.level_text:
            blocks.append(Paragraph(f"{level.name}{_(': ')}{card.level_text}"))
        steps = [step.text for step in card.steps] if asked.profile == "internal" else []
        blocks += [Listing(steps, _("Next steps"))] if steps else []
    return blocks


def _figures(charts: Sequence[Chart], result: Result) -> list[Block]:
    """Return the charts. Their captions say what the lines of the result are: no legend."""
    own = result_name(result)
    figures = [
        replace(
            one.figure,
            data=[
                {**trace, "showlegend": False} if trace.get("name", "").startswith(own) else trace
                for trace in one.figure.data
            ],
        )
        for one in charts
    ]
    return [
        ReportFigure(one.title, figure, min(_TALL, one.height), one.caption)
        for one, figure in zip(charts, figures, strict=True)
    ]


def _numbers(speed: SpeedBlocks, result: Result) -> list[Block]:
    blocks = _figures(speed.charts, result)
    blocks += [speed.limit.table] if speed.limit else []
    blocks += [speed.latencies] if speed.latencies else []
    blocks += [_by_concurrency(speed.table)] if speed.table else []
    if speed.sides:
        texts = [text for text, _is_flagged in speed.sides.texts]
        blocks.append(replace(speed.sides.table, notes=texts))
    return blocks


def _by_concurrency(points: PointsTable) -> Table:
    """Return the table with a column for each concurrency: percentiles are rows there."""
    heads = cells.words(points.each)
    for row in points.rows:
        words = list(row.marks)
        if row.is_recommended:
            words.append(_("recommended"))
        elif row.is_best:
            words.append(pgettext("throughput", "best"))
        heads.append(Heading(str(row.point.concurrency), _(", ").join(words)))
    own = [row.point for row in points.rows]
    completed = [
        Cell(f"{one.completed} / {one.failed}", value=one.completed, measure="requests")
        for one in own
    ]
    rows: list[list[Cell]] = [
        [Cell(pgettext("count", "Runs")), *(cells.count(len(one.runs)) for one in own)],
        [Cell(_("Completed / failed")), *completed],
    ]
    for each in zip(*(row.cells for row in points.rows), strict=True):
        column = each[0][0]
        rows.append([cells.heading(column.name), *(cell for _column, cell in each)])
    if points.has_level:
        rows.append([Cell(_("Service level")), *(row.level for row in points.rows)])
    return Table(_("Throughput and latency by concurrency"), heads, rows, points.remarks)


KIND = document.ReportKind(
    *("result", "Report of a result", "result.view", ResultAsked, build),
    results=("id",),
    columns=lambda asked: [("", device_text(_page(asked).result))],
)
