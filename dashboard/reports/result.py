"""Report of one result: a benchmark or an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from pydantic import Field

from dashboard.charts import accuracy
from dashboard.pages.results import page_parts
from dashboard.pages.results.conclusion import NO_LEVEL, Card, conclusion_card
from dashboard.pages.shared import cells
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.cells import Cell, Facts, Heading, Table
from dashboard.pages.shared.marks import marks_of
from dashboard.pages.shared.words import failed_text, lengths_texts, mean_label
from dashboard.reports import document, parts
from dashboard.reports.document import Block, Figure, Listing, Paragraph, Report, Section
from dashboard.text.formatting import duration, full_moment, percent
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import phrase, result_name, result_place
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.results.curve import RATE, CurvePoint, curve_of
from jobs.queries.results.levels import Level, team_levels
from jobs.queries.results.results import ResultPage, SetRow, result_page

_CHART, _TALL = 250, 560  # pixels
_SHARES = ("p50", "p90", "p99")


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
    is_evaluation = result.type == Result.Type.EVALUATION
    points = [] if is_evaluation else curve_of(page)
    card = conclusion_card(page, points, level=level, user=AnonymousUser())
    if is_evaluation:
        numbers = [*_accuracy_chart(page), *_sets(page), *_categories(page)]
    else:
        numbers = _numbers(page, page_parts.charts(page, points), card)
    method = [
        *parts.environment(page),
        *(parts.inputs(result.job.params) if result.job else []),
        *parts.identity(result),
        *parts.commands(result.job),
        *parts.packages([result]),
    ]
    return Report(
        kicker=_("Accuracy report") if is_evaluation else _("Performance report"),
        title=page_parts.page_title(page, points),
        file=f"report-{result_name(result)}",
        source=parts.sources([result]),
        about=_about(page),
        warnings=parts.warnings([result]),
        sections=[
            Section(_("Conclusion"), _conclusion(page, points, card, level)),
            Section(_("Numbers"), numbers),
            Section(_("Method"), method),
            parts.remarks(parts.remarks_on([result], is_titled=False)),
        ],
    )


def _about(page: ResultPage) -> Facts:
    result = page.result
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
        *declared_facts([result]),
        (
            _("Imported by") if result.imported else _("Started by"),
            result.created_by.get_username() if result.created_by else "",
        ),
        (_("Imported") if result.imported else _("Created"), full_moment(result.created_at)),
    ]
    return cells.facts(rows)


def _conclusion(
    page: ResultPage, points: Sequence[CurvePoint], card: Card | None, level: Level | None
) -> list[Block]:
    blocks: list[Block] = []
    if card is None:
        blocks.append(_main(page, points))
    else:
        blocks.append(Paragraph(card.headline, "warn" if card.is_warning else "bold"))
        blocks += [Facts(card.figures, is_large=True)] if card.figures else []
        if level is not None and card.level_text:
            blocks.append(Paragraph(f"{level.name}{_(': ')}{card.level_text}"))
        steps = [step.text for step in card.steps]
        blocks += [Listing(steps, _("Next steps"))] if steps else []
    marks = marks_of([page.result])[page.result.pk]
    if marks.verdict:
        blocks.append(Paragraph(f"{_('Baseline')}{_(': ')}{marks.hint}"))
    return blocks


def _main(page: ResultPage, points: Sequence[CurvePoint]) -> Facts:
    found: Mapping[str, Any] = page.result.metrics
    if page.accuracy is not None:
        questions = int(found["questions"])
        rows = [
            (_("Accuracy"), cells.share(page.accuracy, questions, found.get("accuracy"))),
            (_("Correct"), cells.whole("correct", found.get("correct", 0))),
            (_("Questions"), cells.whole("questions", questions)),
        ]
        both = (("accuracy_en", _("English")), ("accuracy_zh", _("Chinese")))
        rows += [(label, cells.whole(name, found[name])) for name, label in both if name in found]
        return Facts(rows, is_large=True)
    if "batch_latency_mean_s" in found:
        names = {"mean": _("Batch latency mean"), **{share: share for share in _SHARES}}
        metrics = [(label, f"batch_latency_{which}_s") for which, label in names.items()]
        rows = [(label, cells.whole(name, found.get(name))) for label, name in metrics]
        return Facts(rows, is_large=True)
    found = page_parts.peak(page, points)
    failed = failed_text(found)
    labels = {
        _("Peak output"): RATE,
        "TTFT p50": "ttft_p50_ms",
        "TPOT p50": "tpot_p50_ms",
        _("Requests/s"): "requests_per_s",
    }
    rows = [(label, cells.whole(name, found.get(name))) for label, name in labels.items()]
    rows.append((_("Failed"), Cell(failed) if failed else cells.missing()))
    return Facts(rows, title=page.result.measured, is_large=True)


def _accuracy_chart(page: ResultPage) -> list[Block]:
    if not page.categories:
        return []
    title = _("Accuracy by data set") if page.categories[0].is_set else _("By category")
    figure = accuracy.categories(page.categories, page.accuracy)
    height = min(_TALL, figure.height)
    return [Figure(title, figure, height, _("95 %% confidence interval") % {})]


def _numbers(page: ResultPage, drawn: Mapping[str, Any], card: Card | None) -> list[Block]:
    blocks: list[Block] = []
    if drawn["throughput"]:
        blocks.append(Figure(_("Throughput vs concurrency"), drawn["throughput"], _CHART))
    shares = _("p50 bold, p90 and p99 thin")
    blocks += [Figure(title, figure, _CHART, shares) for _name, title, figure in drawn["waits"]]
    if drawn.get("per_device"):
        title, frontier = _("Throughput per device vs per user"), _("dotted: Pareto frontier")
        blocks.append(Figure(title, drawn["per_device"], _CHART, frontier))
    if card is not None and card.rows:
        blocks.append(_by_concurrency(card))
    if drawn.get("wait_rows"):
        first = page.points[0]
        heads = [*cells.words(_("Metric")), *map(Heading, (_("mean"), *_SHARES))]
        rows = [
            [
                cells.heading(names[0], label),
                *(cells.bare(name, first.metrics.get(name)) for name in names),
            ]
            for label, names in drawn["wait_rows"]
        ]
        title = _("Latency at concurrency %(n)s") % {"n": first.concurrency}
        blocks.append(Table(title, heads, rows))
    if page.points:
        blocks.append(_metrics(page))
    if card is not None and card.sides:
        texts = [text for text, _is_flagged in card.sides.texts]
        blocks.append(replace(card.sides.table, notes=texts))
    return [*blocks, *_repeats(page)]


def _metrics(page: ResultPage) -> Table:
    is_batch = "batch_latency_mean_s" in page.result.metrics
    heads = cells.words(_("Batch size") if is_batch else _("Concurrency"))
    limits = page_parts.marks_of_points(page)
    for point in page.points:
        marks = _(", ").join(limits.get(point.concurrency, ()))
        heads.append(Heading(f"{point.concurrency} ({marks})" if marks else str(point.concurrency)))
    rows = [
        [
            cells.heading(name, label),
            *(cells.bare(name, point.metrics.get(name)) for point in page.points),
        ]
        for name, label in page_parts.point_columns(page)
    ]
    return Table(_("Metrics of %(name)s") % {"name": result_name(page.result)}, heads, rows)


def _by_concurrency(card: Card) -> Table:
    """Return the table of the card with a column for each concurrency."""
    heads = cells.words(_("Concurrency"))
    for row in card.rows:
        words = list(row.marks)
        if row.is_recommended:
            words.append(_("recommended"))
        elif row.is_best:
            words.append(pgettext("throughput", "best"))
        heads.append(Heading(str(row.point.concurrency), _(", ").join(words)))
    points = [row.point for row in card.rows]
    completed = [
        Cell(f"{one.completed} / {one.failed}", value=one.completed, measure="requests")
        for one in points
    ]
    rates, *latencies = zip(*(row.cells for row in card.rows), strict=True)
    rows: list[list[Cell]] = [
        [Cell(pgettext("count", "Runs")), *(cells.count(len(one.runs)) for one in points)],
        [Cell(_("Completed / failed")), *completed],
        [cells.heading(RATE), *(one if one.tone else replace(one, tone="bold") for one in rates)],
    ]
    for name, column, numbers in zip(card.names, card.columns, latencies, strict=True):
        rows.append([cells.heading(name, column.rpartition(", ")[0]), *numbers])
    if card.conclusion.level:
        rows.append([Cell(_("Service level")), *(row.level for row in card.rows)])
    return Table(_("Throughput and latency by concurrency"), heads, rows, card.remarks)


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
