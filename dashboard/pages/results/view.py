"""View model of a result: blocks that its page and its report draw, a benchmark's or a score's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.translation import gettext as _

from dashboard.charts import accuracy
from dashboard.pages.answers import hygiene_card, token_card
from dashboard.pages.results import page_parts
from dashboard.pages.results.conclusion import Card, Sides, conclusion_card, rate_cell, sides_of
from dashboard.pages.results.limit import LimitCard, limit_card
from dashboard.pages.results.page_parts import main_point, marks_of_points
from dashboard.pages.results.points import PointsTable, engine_table, latency_table, points_table
from dashboard.pages.results.tables import Sets, categories_of, sets_of
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.cells import Cell, FactList, Table
from dashboard.pages.shared.comparison import BATCH, Chart
from dashboard.pages.shared.words import (
    IdentityGroup,
    failed_text,
    field_text,
    identity_rows,
    provenance_rows,
)
from dashboard.text.formatting import number, size
from dashboard.text.labels import metric_label, metric_text, phrase, result_place, setting_title
from jobs.models import Result
from jobs.queries.results.curve import RATE, CurvePoint, curve_of, further_points
from jobs.queries.results.levels import Level
from jobs.queries.results.results import ResultPage

_FIRST = 4  # numbers of the first screen
_DRAWN, _LOW = 2, 200  # charts of the first screen; height of further ones in pixels
_LEAST_SUM = 16  # shortest text that stands once


class SpeedBlocks(NamedTuple):
    """Blocks of a benchmark. ``numbers`` and ``charts`` are those of the first screen, ``figures``
    and ``more`` further ones. ``latencies``: of one concurrency, in place of charts."""

    card: Card | None
    numbers: FactList
    figures: FactList
    charts: Sequence[Chart]
    more: Sequence[Chart]
    latencies: Table | None
    table: PointsTable | None
    sides: Sides | None
    engine: Table | None
    spreads: Sequence[Chart]
    others: Sequence[tuple[Result, Sequence[int]]]
    limit: LimitCard | None


class Score(NamedTuple):
    """Blocks of an evaluation. ``sets``: None without data sets. ``quality``, ``tokens``: cards of
    :mod:`dashboard.pages.answers`."""

    numbers: FactList
    figures: FactList
    charts: Sequence[Chart]
    sets: Sets | None
    categories: Table | None
    quality: Mapping[str, Any] | None
    tokens: Mapping[str, Any] | None


def speed_of(
    page: ResultPage,
    *,
    level: Level | None,
    user: AbstractBaseUser | AnonymousUser,
    unit: units.ChosenUnit,
    has_others: bool = False,
) -> tuple[str, SpeedBlocks]:
    """Return title and blocks. ``has_others``: charts have points of other runs, too."""
    points = curve_of(page)
    card = conclusion_card(page, points, level=level, user=user)
    main = main_point(page, points)
    # An offline run has points without a limit of the concurrency.
    shown = points or ([main] if page.points else [])
    limit = limit_card(page.result)
    charts = page_parts.charts(page, points, unit.rate, has_others=has_others)
    charts = [*(limit.charts if limit else ()), *charts]
    titles = page_parts.wait_titles(page)
    latencies = latency_table(shown, titles) if titles and len(shown) == 1 else None
    facts = _speed_facts(page, main, card, unit, is_best=len(points) > 1 and main.is_usable)
    return page_parts.page_title(page, points, unit.rate), SpeedBlocks(
        card=card,
        numbers=FactList(facts[:_FIRST], is_large=True),
        figures=FactList([*facts[_FIRST:], *_failed(page)]),
        charts=charts[:_DRAWN],
        more=[chart._replace(height=_LOW) for chart in charts[_DRAWN:]],
        latencies=latencies,
        table=points_table(
            *(page, shown, card.conclusion if card else None, unit),
            without_latencies=bool(latencies),
        ),
        sides=sides_of(points, page.result),
        engine=engine_table(shown),
        spreads=page_parts.spreads(page, points),
        others=[(run, [at for at, _metrics in rows]) for run, rows in further_points(page)],
        limit=limit,
    )


def _speed_facts(
    page: ResultPage, main: CurvePoint, card: Card | None, unit: units.ChosenUnit, *, is_best: bool
) -> list[tuple[str, Cell]]:
    """Return the known numbers, the most telling first."""
    metrics, marks = page.result.metrics, marks_of_points(page)
    names = {name for point in page.points for name in point.metrics}

    def cell(name: str, *more: str) -> Cell:
        value = main.mean(name)
        if value is None and name not in names:  # of the whole run
            value = metrics.get(name)
        notes = [
            f"{one.split('_')[1]} {' '.join(metric_text(one, found))}"
            for one in more
            if (found := main.mean(one)) is not None
        ]
        unit, note = metric_text(name, 0.5)[1], _(", ").join(notes)
        return cells.bare(name, value, main.interval(name), unit=unit, note=note)

    runs = len(main.values(RATE)) or len(main.values(BATCH))
    if BATCH in metrics:
        shares = {"mean": _("Batch latency mean"), "p50": "p50", "p90": "p90", "p99": "p99"}
        facts = [(label, cell(f"batch_latency_{one}_s")) for one, label in shares.items()]
        first = BATCH
    else:
        rate = cell(RATE)
        if main.concurrency or unit.query:
            rate = rate_cell(main, marks, unit.rate, unit.missing)
        of_runs = _("mean of %(n)s runs") % {"n": runs} if runs > 1 else ""
        rate = replace(rate, note=_(", ").join(filter(None, (rate.note, of_runs))))
        label = _("Best throughput") if is_best else _("Output throughput")
        facts = [
            (label, rate),
            ("TTFT p50", cell("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms")),
            ("TPOT p50", cell("tpot_p50_ms", "tpot_p90_ms", "tpot_p99_ms")),
            *(card.figures if card else ()),
            (_("Requests/s"), cell("requests_per_s")),
        ]
        first = RATE
    if runs > 1:
        own = next(
            (one.metrics for one in page.points if one.concurrency == main.concurrency), metrics
        )
        facts.append((_("This run alone"), cells.whole(first, own.get(first))))
    since = "engine_prefix_hits_since_start"
    facts.append((metric_label(since), cells.whole(since, metrics.get(since))))
    return [(label, one) for label, one in facts if one.value is not None or one.tone != "dim"]


def _failed(page: ResultPage) -> list[tuple[str, Cell]]:
    if BATCH in page.result.metrics:
        return []
    text = failed_text(page.result.metrics)
    return [(_("Failed"), Cell(text) if text else Cell(_("not measured"), tone="dim"))]


def score_of(page: ResultPage, name: str = "") -> tuple[str, Score]:
    """Return title and blocks. ``name``: heading of the scores by data set."""
    result = page.result
    quality, name = hygiene_card(result), name or result.measured
    facts = _score_facts(page)
    charts = []
    if len(page.categories) > 1:
        figure = accuracy.categories(page.categories, page.accuracy)
        is_set = page.categories[0].is_set
        title = _("Accuracy by data set") if is_set else _("Accuracy by category")
        charts = [Chart("categories", title, figure, title, height=figure.height)]
    return page_parts.page_title(page, []), Score(
        numbers=FactList(facts[:_FIRST], is_large=True),
        figures=FactList(facts[_FIRST:]),
        charts=charts,
        sets=sets_of(page, name, has_answers=quality is not None) if page.sets else None,
        categories=categories_of(page),
        quality=quality,
        tokens=token_card(result),
    )


def _score_facts(page: ResultPage) -> list[tuple[str, Cell]]:
    metrics = page.result.metrics
    facts = []
    questions = int(metrics.get("questions") or 0)
    if page.accuracy is not None:
        args = {"right": number(int(metrics.get("correct", 0))), "n": number(questions)}
        note = _("%(right)s of %(n)s questions") % args
        share = cells.share(page.accuracy, questions, metrics.get("accuracy"), note=note)
        facts.append((_("Accuracy"), share))
    elif metrics.get("accuracy") is not None:  # without a number of questions
        facts.append((_("Accuracy"), cells.whole("accuracy", metrics["accuracy"])))
    names = {
        "accuracy_macro": _("Accuracy, mean of sets"),
        "accuracy_weighted": _("Accuracy, mean of questions"),
        "accuracy_en": _("English"),
        "accuracy_zh": _("Chinese"),
        "accuracy_short": metric_label("accuracy_short"),
        "accuracy_choice": metric_label("accuracy_choice"),
        "reasoning_tokens_mean": metric_label("reasoning_tokens_mean"),
        "answer_tokens_mean": metric_label("answer_tokens_mean"),
        "tokens_per_correct": metric_label("tokens_per_correct"),
    }
    return facts + [
        (label, cells.whole(name, metrics[name]))
        for name, label in names.items()
        if metrics.get(name) is not None
    ]


def record_groups(page: ResultPage) -> list[tuple[str, IdentityGroup, str]]:
    """Return how the result was measured: id, group, and word of an unknown value. A checksum or
    another long value stands once."""
    result, unknown, missing = page.result, _("unknown"), _("not recorded")
    params = result.job.params if result.job else {}
    inputs: list[tuple[str, str | None]] = []
    inputs += [(_("Precision"), phrase(result.label))] if result.label else []
    inputs += [
        (setting_title(name), field_text(value, name) or _("none"))
        for name, value in params.items()
        if name != "deployment"
    ]
    around: list[tuple[str, str | None]]
    around = [(_("Tool"), result.tool), (_("Host"), result_place(result))]
    around += [(setting_title(name), value) for name, value in page.host_facts]
    if page.artifact:
        around += [
            (_("Artifact"), f"sha256 {page.artifact.sha256}"),
            (_("Size"), " ".join(size(page.artifact.bytes))),
        ]
    if result.job:
        around.append((_("Plan"), f"sha256 {result.job.plan_sha256}"))
    groups = [
        *(("", group, unknown) for group in identity_rows(result)),
        ("inputs", IdentityGroup(_("Inputs"), inputs), missing),
        ("environment", IdentityGroup(_("Environment"), around), missing),
        ("provenance", IdentityGroup(_("Provenance"), provenance_rows(result)), missing),
    ]
    seen: set[str] = set()
    found = []
    for name, group, word in groups:
        rows = [row for row in group.rows if _is_first(row, seen)]
        if rows:
            found.append((name, IdentityGroup(group.title, rows), word))
    return found


def _is_first(row: tuple[str, str | None], seen: set[str]) -> bool:
    """Return False for a value that stands above under the same name, or is long."""
    name, value = row
    text = (value or "").removeprefix("sha256 ")
    keys = {f"{name} {text}", *([text] if len(text) >= _LEAST_SUM else [])}
    is_first = not keys & seen
    seen |= keys
    return is_first
