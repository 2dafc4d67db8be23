"""Report of one result: a benchmark or an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from pydantic import Field

from dashboard.charts import forest
from dashboard.pages.results.conclusion import Card, conclusion_card
from dashboard.pages.results.conclusion import Figure as CardFigure
from dashboard.pages.results.curve_series import curve_series, marks_of_points
from dashboard.pages.results.level_choice import NONE
from dashboard.pages.results.page_parts import charts, page_title, peak, point_columns
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.verdict import marks_of
from dashboard.pages.shared.words import failed_text, lengths_texts
from dashboard.reports.document import (
    Block,
    Cell,
    Facts,
    Figure,
    Listing,
    Paragraph,
    Report,
    Section,
)
from dashboard.reports.kinds.base import Asked, Kind, absent, unknown_level
from dashboard.reports.parts import method, numbers, remarks, result_tables
from dashboard.text.formatting import duration, full_moment
from dashboard.text.import_words import declared_facts, measured_text
from dashboard.text.labels import phrase, result_name, result_place
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.results.benchmark_curve import curve_of
from jobs.queries.results.curve import RATE, CurvePoint
from jobs.queries.results.levels import Level
from jobs.queries.results.results import ResultPage, result_page
from jobs.queries.results.team_levels import team_levels

_CHART, _TALL = 250, 560  # pixels
_BATCH = ("mean", "p50", "p90", "p99")


class ResultAsked(Asked):
    """Report of one result."""

    id: ResultId
    level: str = Field("", description="service level of the conclusion: see the address of a page")


def build(asked: ResultAsked) -> Report:
    """Return the report."""
    try:
        page = result_page(asked.id)
    except Result.DoesNotExist:
        raise absent("result", [result_number(asked.id)]) from None
    result = page.result
    level = _level(asked.level)
    is_evaluation = result.type == Result.Type.EVALUATION
    points = [] if is_evaluation else curve_of(page)
    card = conclusion_card(page, points, level=level, user=AnonymousUser())
    drawn = {} if is_evaluation else charts(page, curve_series(page, points))
    return Report(
        kicker=_("Accuracy report") if is_evaluation else _("Performance report"),
        title=page_title(page, points),
        file=f"report-{result_name(result)}",
        source=remarks.sources([result]),
        about=_about(page),
        warnings=remarks.warnings([result]),
        sections=[
            Section(_("Conclusion"), _conclusion(page, points, card, level)),
            Section(_("Numbers"), [*_charts(page, drawn), *_numbers(page, drawn, card)]),
            Section(_("Method"), _method(page)),
            Section(_("Remarks"), _remarks(page) or [remarks.nothing()]),
        ],
    )


def _level(key: str) -> Level | None:
    if key in ("", NONE):
        return None
    levels = dict(team_levels().options())
    if key not in levels:
        raise unknown_level()
    return levels[key]


def _about(page: ResultPage) -> Facts:
    """Return what was measured, on what, when."""
    result = page.result
    asks, was = lengths_texts(result)
    served = page.deployment.name if page.deployment else ""
    host = result_place(result) if result.host else ""
    by = result.created_by.get_username() if result.created_by else ""
    took_s = result.job.duration_s if result.job else None
    rows = [
        (_("Model"), result.model_id),
        (_("Precision"), phrase(result.label)),
        (_("Deployment"), served),
        (_("Endpoint"), result.endpoint.name if result.endpoint else ""),
        (_("Device"), result.device),
        (
            _("Measured from") if result.endpoint else _("Host"),
            host,
        ),
        (_("Stack"), result.stack),
        (_("Parallelism"), result.parallelism),
        (_("Workload"), phrase(result.what)),
        (_("Tokens, input → output"), _(", ").join(filter(None, (asks, was)))),
        (_("Tool"), result.tool),
        (
            _("Duration"),
            duration(took_s) if took_s else "",
        ),
        *([(_("Measured"), measured_text([result]))] if result.imported else []),
        *declared_facts([result]),
        (_("Imported by") if result.imported else _("Started by"), by),
        (_("Imported") if result.imported else _("Created"), full_moment(result.created_at)),
    ]
    return Facts([(name, Cell(text)) for name, text in rows if text])


def _conclusion(
    page: ResultPage, points: Sequence[CurvePoint], card: Card | None, level: Level | None
) -> list[Block]:
    marks = marks_of([page.result])[page.result.pk]
    blocks: list[Block] = []
    if card is None:
        blocks.append(_main(page, points))
    else:
        blocks.append(Paragraph(card.headline, "warn" if card.is_warning else "bold"))
        rows = [(one.label, _card_cell(one)) for one in card.figures]
        blocks += [Facts(rows, is_large=True)] if rows else []
        if level is not None and card.level_text:
            blocks.append(Paragraph(f"{level.name}{_(': ')}{card.level_text}"))
        steps = [step.text for step in card.steps]
        blocks += [Listing(steps, _("Next steps"))] if steps else []
    if marks.verdict:
        blocks.append(Paragraph(f"{_('Baseline')}{_(': ')}{marks.hint}"))
    return blocks


def _card_cell(figure: CardFigure) -> Cell:
    """Return a figure of the card; the best rates with value, interval and runs."""
    note, point = figure.note, figure.point
    if point is None:
        return Cell(figure.text, figure.unit, interval=figure.interval, note=note)
    cell = numbers.bare(
        *(RATE, point.rate, figure.interval, point.interval(RATE)),
        n=len(point.runs),
        of="runs",
        note=note,
    )
    return replace(cell, unit=figure.unit)


def _main(page: ResultPage, points: Sequence[CurvePoint]) -> Facts:
    """Return the main metrics of a result without a conclusion."""
    result, found = page.result, page.result.metrics
    rows: list[tuple[str, Cell]]
    if page.accuracy is not None:
        questions = int(found["questions"])
        rows = [
            (_("Accuracy"), numbers.share(page.accuracy, questions, found.get("accuracy"))),
            (_("Correct"), numbers.whole("correct", found.get("correct", 0))),
            (_("Questions"), numbers.whole("questions", questions)),
        ]
        parts = (("accuracy_en", _("English")), ("accuracy_zh", _("Chinese")))
        rows += [
            (label, numbers.whole(name, found[name])) for name, label in parts if name in found
        ]
        return Facts(rows, is_large=True)
    if "batch_latency_mean_s" in found:
        names = [f"batch_latency_{name}_s" for name in _BATCH]
        labels = [_("Batch latency mean"), *_BATCH[1:]]
        rows = [
            (label, numbers.whole(name, found.get(name)))
            for name, label in zip(names, labels, strict=True)
        ]
        return Facts(rows, is_large=True)
    found = peak(page, points)
    failed = failed_text(found)
    rows = [
        (_("Peak output"), numbers.whole(RATE, found.get(RATE))),
        ("TTFT p50", numbers.whole("ttft_p50_ms", found.get("ttft_p50_ms"))),
        ("TPOT p50", numbers.whole("tpot_p50_ms", found.get("tpot_p50_ms"))),
        (_("Requests/s"), numbers.whole("requests_per_s", found.get("requests_per_s"))),
        (_("Failed"), Cell(failed) if failed else numbers.missing()),
    ]
    return Facts(rows, title=result.measured, is_large=True)


def _charts(page: ResultPage, drawn: Mapping[str, Any]) -> list[Block]:
    if page.result.type == Result.Type.EVALUATION:
        if not page.categories:
            return []
        title = _("Accuracy by data set") if page.categories[0].is_set else _("By category")
        figure = forest.categories(page.categories, page.accuracy)
        height = min(_TALL, figure.height)
        return [Figure(title, figure, height, _("95 %% confidence interval") % {})]
    blocks: list[Block] = []
    if drawn["throughput"]:
        blocks.append(Figure(_("Throughput vs concurrency"), drawn["throughput"], _CHART))
    shares = _("p50 bold, p90 and p99 thin")
    blocks += [Figure(title, figure, _CHART, shares) for _name, title, figure in drawn["waits"]]
    if drawn.get("per_device"):
        title, frontier = _("Throughput per device vs per user"), _("dotted: Pareto frontier")
        blocks.append(Figure(title, drawn["per_device"], _CHART, frontier))
    return blocks


def _numbers(page: ResultPage, drawn: Mapping[str, Any], card: Card | None) -> list[Block]:
    result = page.result
    blocks: list[Block] = []
    if result.type == Result.Type.EVALUATION:
        return [*result_tables.sets(page), *result_tables.categories(page)]
    if card is not None and card.rows:
        blocks.append(result_tables.conclusion(card))
    if drawn.get("wait_rows"):
        title = _("Latency at concurrency %(n)s") % {"n": page.points[0].concurrency}
        blocks.append(numbers.family_table(title, drawn["wait_rows"], page.points[0].metrics))
    if page.points:
        is_batch = "batch_latency_mean_s" in result.metrics
        title = _("Metrics of %(name)s") % {"name": result_name(result)}
        blocks.append(
            numbers.points_table(
                *(title, page.points, point_columns(page), marks_of_points(page)),
                is_batch=is_batch,
            )
        )
    if card is not None and card.sides:
        blocks += result_tables.sides(card.sides)
    return [*blocks, *result_tables.repeats(page)]


def _method(page: ResultPage) -> list[Block]:
    result = page.result
    return [
        method.environment(page),
        method.provenance(result),
        *method.inputs(result),
        *method.identity(result),
        *method.commands(result.job),
        *method.packages([result]),
    ]


def _remarks(page: ResultPage) -> list[Block]:
    result = page.result
    items = [*remarks.remarks_of(result), *remarks.known_failure(result.job)]
    blocks: list[Block] = [Listing(items)] if items else []
    return [*blocks, *remarks.organised(result, marks_of([result])[result.pk])]


KIND = Kind("result", "Report of a result", "result.view", ResultAsked, build, results=("id",))
