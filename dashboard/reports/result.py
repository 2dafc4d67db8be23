"""Report of one result: a benchmark or an evaluation."""

from collections.abc import Sequence
from dataclasses import replace

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pydantic import Field

from dashboard.pages.results import page_parts, view
from dashboard.pages.results.conclusion import NO_LEVEL
from dashboard.pages.results.points import Points
from dashboard.pages.results.view import Speed
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.cells import Cell, Facts, Heading, Table
from dashboard.pages.shared.comparison import Chart
from dashboard.pages.shared.marks import marks_of
from dashboard.pages.shared.words import lengths_texts, mean_label
from dashboard.reports import document, parts
from dashboard.reports.document import Block, Figure, Listing, Paragraph, Report, Section
from dashboard.text.formatting import duration, full_moment, percent
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import phrase, result_name, result_place
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.results.levels import Level, team_levels
from jobs.queries.results.results import ResultPage, SetRow, result_page

_TALL = 560  # pixels


class ResultAsked(document.Asked):
    """Report of one result."""

    id: ResultId
    level: str = Field("", description="service level of the conclusion: see the address of a page")


def build(asked: ResultAsked) -> Report:
    try:
        page = result_page(asked.id)
    except Result.DoesNotExist:
        raise document.absent("result", [result_number(asked.id)]) from None
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
        conclusion: list[Block] = [Facts([*score.numbers.rows, *score.figures.rows], is_large=True)]
        numbers = [*_figures(score.charts), *_sets(page), *_categories(page)]
    else:
        kicker = _("Performance report")
        unit = units.choice(asked.per, [result])
        title, speed = view.speed_of(page, level=level, user=AnonymousUser(), unit=unit)
        conclusion = _conclusion(speed, level)
        numbers = _numbers(speed)
        details = [*_figures(speed.more), *([speed.engine] if speed.engine else [])]
        details += _repeats(page)
    marks = marks_of([result])[result.pk]
    if marks.verdict:
        conclusion.append(Paragraph(f"{_('Baseline')}{_(': ')}{marks.hint}"))
    method = [
        *parts.environment(page),
        *(parts.inputs(result.job.params) if result.job else []),
        *parts.identity(result),
        *parts.commands(result),
        *parts.packages([result]),
    ]
    return Report(
        kicker=kicker,
        title=title,
        file=f"report-{result_name(result)}",
        source=parts.sources([result], asked),
        about=_about(page, asked),
        warnings=parts.warnings([result]),
        sections=[
            Section(_("Conclusion"), conclusion),
            Section(_("Numbers"), numbers),
            *([Section(_("Details"), details, is_appendix=True)] if details else []),
            Section(_("Method"), method, is_appendix=True),
            parts.remarks(parts.remarks_on([result], asked, is_titled=False)),
        ],
    )


def _about(page: ResultPage, asked: ResultAsked) -> Facts:
    result = page.result
    by = result.created_by.get_username() if result.created_by and asked.shows("people") else ""
    took_s = result.job.duration_s if result.job else None
    rows = [
        (_("Model"), result.model_id),
        (_("Precision"), phrase(result.label)),
        (_("Deployment"), page.deployment.name if page.deployment else ""),
        (_("Endpoint"), result.endpoint.name if result.endpoint else ""),
        (_("Device"), result.device),
        (
            _("Measured from") if result.endpoint else _("Host"),
            result_place(result) if result.host else "",
        ),
        (_("Stack"), result.stack),
        (_("Parallelism"), result.parallelism),
        (_("Workload"), phrase(result.what)),
        (_("Tokens, input → output"), _(", ").join(filter(None, lengths_texts(result)))),
        (_("Tool"), result.tool),
        (_("Duration"), duration(took_s) if took_s else ""),
        *([(_("Measured"), measured_text([result]))] if result.imported else []),
        *declared_facts([result], has_people=asked.shows("people")),
        (_("Imported by") if result.imported else _("Started by"), by),
        (_("Imported") if result.imported else _("Created"), full_moment(result.created_at)),
    ]
    return cells.facts(rows)


def _conclusion(speed: Speed, level: Level | None) -> list[Block]:
    card, blocks = speed.card, list[Block]()
    if speed.limit is not None:
        notes = [text for text, _is_doubt in speed.limit.notes]
        blocks += [Paragraph(speed.limit.headline, "bold"), Listing(notes)]
    elif card is not None:
        blocks.append(Paragraph(card.headline, "warn" if card.is_warning else "bold"))
    blocks.append(Facts([*speed.numbers.rows, *speed.figures.rows], is_large=True))
    if card is not None:
        if level is not None and card.level_text:
            blocks.append(Paragraph(f"{level.name}{_(': ')}{card.level_text}"))
        steps = [step.text for step in card.steps]
        blocks += [Listing(steps, _("Next steps"))] if steps else []
    return blocks


def _figures(charts: Sequence[Chart]) -> list[Block]:
    return [Figure(one.title, one.figure, min(_TALL, one.height), one.caption) for one in charts]


def _numbers(speed: Speed) -> list[Block]:
    blocks = _figures(speed.charts)
    blocks += [speed.limit.table] if speed.limit else []
    blocks += [speed.latencies] if speed.latencies else []
    blocks += [_by_concurrency(speed.table)] if speed.table else []
    if speed.sides:
        texts = [text for text, _is_flagged in speed.sides.texts]
        blocks.append(replace(speed.sides.table, notes=texts))
    return blocks


def _by_concurrency(points: Points) -> Table:
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


def _repeats(page: ResultPage) -> list[Block]:
    table = page_parts.repeat_table(page)
    if table is None:
        return []
    if not table.concurrencies:
        others = _(", ").join(map(result_name, page.repeats))
        return [Listing([_("Repeats at other concurrencies: %(runs)s") % {"runs": others}])]
    metric = table.metric
    own = cells.heading(metric).text
    heads = cells.words(pgettext("of a measurement", "Run"))
    heads += [Heading(own if value is None else str(value)) for value in table.concurrencies]
    rows = []
    for run, values, _is_own in table.rows:
        note = full_moment(run.created_at)
        if run.incomplete:
            note = _("incomplete, not counted")
        elif run.disturbed:
            note = _("disturbed, not counted")
        elif run.loaded:
            note = _("loaded host, not counted")
        numbers = [cells.bare(metric, value) for value in values]
        rows.append([Cell(result_name(run), note=note), *numbers])
    means = [cells.compared(figure, metric, grouped=True) for figure in table.means]
    rows.append([Cell(_("mean")), *means])
    return [Table(_("Repeats: %(metric)s") % {"metric": cells.title_of(metric)}, heads, rows)]


def _sets(page: ResultPage) -> list[Table]:
    if not page.sets:
        return []
    interval = _("95 %% interval") % {}
    heads = cells.words("dataset", "version", "metric", "mode")
    heads += map(Heading, (page.result.measured, _("Questions"), interval))
    rows = []
    for group in page.sets:
        rows += [_set(row) for row in group.rows]
        if group.macro is None:
            continue
        label = Cell(mean_label(group, page.sets), tone="bold")
        mean = group.macro / 100
        of_questions = "" if group.weighted is None else percent(group.weighted / 100)
        rows.append(
            [
                *(label, Cell(""), Cell(group.metric), Cell(group.mode)),
                Cell(percent(mean), value=mean, measure="share", tone="bold"),
                cells.count(group.questions) if group.questions else Cell(""),
                Cell(f"{_('by question')} {of_questions}" if of_questions else ""),
            ]
        )
    note = _(
        "In per cent. “avg” weights data sets equally, “by question” weights questions "
        "equally. Rankings by the two may differ."
    )
    return [Table(_("Accuracy by data set"), heads, rows, [note])]


def _set(row: SetRow) -> list[Cell]:
    bounds, score = row.interval, Cell("-")
    if row.value is not None:
        share, ends = row.value / 100, (bounds.low, bounds.high) if bounds else None
        score = Cell(
            percent(share),
            value=share,
            measure="share",
            bounds=ends,
            n=row.questions,
            of="questions",
        )
    questions = cells.count(row.questions) if row.questions else Cell("")
    interval = f"{percent(bounds.low)}, {percent(bounds.high)}" if bounds else ""
    names = map(Cell, (row.title, row.version, row.metric, row.mode))
    return [*names, score, questions, Cell(interval)]


def _categories(page: ResultPage) -> list[Table]:
    """Return the accuracy by category of the questions; data sets have a table of their own."""
    if not page.categories or page.categories[0].is_set:
        return []
    titles = (_("Correct"), _("Questions"), _("Accuracy, %"))
    heads = [*cells.words(_("Category")), *map(Heading, titles)]
    rows = [
        [
            Cell(item.name),
            cells.bare("correct", item.right),
            cells.count(item.questions),
            cells.share(item.share, item.questions),
        ]
        for item in page.categories
    ]
    note = _("95 %% confidence interval (Wilson). Small categories have wide intervals.") % {}
    return [Table(_("By category"), heads, rows, [note])]


KIND = document.Kind(
    *("result", "Report of a result", "result.view", ResultAsked, build), results=("id",)
)
