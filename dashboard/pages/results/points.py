"""Table of a benchmark by concurrency: one row a point, percentiles by a switch."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _

from dashboard.pages.results.conclusion import limit_text, metric_words, noise_words
from dashboard.pages.results.page_parts import marks_of_points
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.cells import Cell, Heading, Table
from dashboard.pages.shared.comparison import BATCH
from dashboard.text.formatting import number, percent
from dashboard.text.labels import metric_label, metric_text
from jobs.metrics import METRICS
from jobs.queries.results.conclusion import Conclusion
from jobs.queries.results.curve import RATE, CurvePoint
from jobs.queries.results.levels import LevelPoint
from jobs.queries.results.results import ResultPage
from jobs.statistics import LEAST_RUNS, least_samples

SHARES = ("p50", "p90", "p99", "mean")  # of the switch; the first one is shown
_RATES = (RATE, "total_tokens_per_s", "requests_per_s")
_FAMILIES = {"ttft": "ms", "tpot": "ms", "itl": "ms", "latency": "s"}
_LENGTHS = ("input_tokens_mean", "output_tokens_mean")
_ENGINE = (
    *("engine_prefix_hits", "engine_kv_cache_peak", "engine_queue_mean_ms", "engine_preemptions"),
    *("power_mean_w", "energy_per_token_j"),
)


class MetricColumn(NamedTuple):
    """Column of a metric. ``share``: the percentile or mean that shows the column; "": always."""

    name: str
    title: str
    share: str = ""


class PointRow(NamedTuple):
    """Concurrency with its numbers. ``level``: whether it holds the level; ``marks``: what limits
    its numbers."""

    point: CurvePoint
    cells: Sequence[tuple[MetricColumn, Cell]]
    level: Cell
    is_best: bool
    is_recommended: bool
    marks: Sequence[str]


class PointsTable(NamedTuple):
    """Table by concurrency. ``each``: heading of the concurrencies; ``shares``: those that its
    switch offers; ``remarks``: what the intervals are of."""

    each: str
    columns: Sequence[MetricColumn]
    rows: Sequence[PointRow]
    shares: Sequence[str]
    remarks: Sequence[str]
    has_level: bool


def points_table(
    page: ResultPage,
    points: Sequence[CurvePoint],
    found: Conclusion | None,
    unit: units.ChosenUnit,
    *,
    without_latencies: bool = False,
) -> PointsTable | None:
    """Return the table; None without points. ``without_latencies``: they have another table."""
    if not points:
        return None
    columns = _columns(page, points, unit.rate, {} if without_latencies else _FAMILIES)
    against = {one.point.concurrency: one for one in _level_points(found)}
    marks = marks_of_points(page)
    rows = [
        PointRow(
            point,
            [(column, _cell(point, column.name)) for column in columns],
            level_cell(against.get(point.concurrency)),
            is_best=found is not None and point is found.best,
            is_recommended=found is not None and point is found.recommended,
            marks=marks.get(point.concurrency, ()),
        )
        for point in points
    ]
    known = {column.share for column in columns}
    return PointsTable(
        _("Batch size") if BATCH in page.result.metrics else _("Concurrency"),
        columns,
        rows,
        [share for share in SHARES if share in known],
        [*filter(None, [unit.missing]), *_remarks(points, found, known)],
        has_level=found is not None and found.level is not None,
    )


def engine_table(points: Sequence[CurvePoint]) -> Table | None:
    """Return what the engine and its dies reported by concurrency; None without any."""
    names = [name for name in _ENGINE if any(point.mean(name) is not None for point in points)]
    if not names:
        return None
    heads = [*cells.words(_("Concurrency")), *(Heading(cells.title_of(name)) for name in names)]
    rows = [
        [Cell(str(point.concurrency)), *(_cell(point, name) for name in names)] for point in points
    ]
    return Table(_("Engine and dies"), heads, rows)


def latency_table(points: Sequence[CurvePoint], titles: Mapping[str, str]) -> Table:
    """Return the latencies of one point with its percentiles. ``titles``: by family."""
    heads = [*cells.words(_("Metric")), *map(Heading, (_("mean"), *SHARES[:-1]))]
    rows = []
    for family, title in titles.items():
        names = [f"{family}_{share}_{_FAMILIES[family]}" for share in ("mean", *SHARES[:-1])]
        unit = cells.heading(names[0]).unit
        label = Cell(f"{title}, {unit}" if unit else title)
        rows.append([label, *(_cell(points[0], name) for name in names)])
    title = _("Latency at concurrency %(n)s") % {"n": points[0].concurrency}
    return Table(title, heads, rows)


def _columns(
    page: ResultPage, points: Sequence[CurvePoint], rate: str, families: Mapping[str, str]
) -> list[MetricColumn]:
    found = [MetricColumn(name, cells.title_of(name)) for name in dict.fromkeys((rate, *_RATES))]
    for family, unit in families.items():
        # Words of the switch: the heading stays.
        title = _("Latency, s") if family == "latency" else f"{family.upper()}, {unit}"
        found += [MetricColumn(f"{family}_{share}_{unit}", title, share) for share in SHARES]
    for name in _LENGTHS:
        title, asked = metric_label(name), page.result.asked.get(name.removesuffix("_mean"))
        if asked is not None:
            args = {"metric": title, "asked": number(asked)}
            title = _("%(metric)s (requested: %(asked)s)") % args
        found.append(MetricColumn(name, title))
    batch = [name for name in METRICS if name.startswith("batch_latency_")]
    found += [MetricColumn(name, cells.title_of(name)) for name in (*batch, "iterations")]
    known = {name for point in points for run in point.runs for name in run}
    return [column for column in found if column.name in known]


def _cell(point: CurvePoint, name: str) -> Cell:
    bounds, n, of = point.interval(name), len(point.runs), "runs"
    if bounds is not None and n < LEAST_RUNS:
        n, of = point.completed, "requests"
    return cells.bare(name, point.mean(name), bounds, n=n, of=of)


def _level_points(found: Conclusion | None) -> Sequence[LevelPoint]:
    return found.level.points if found is not None and found.level is not None else ()


def level_cell(one: LevelPoint | None) -> Cell:
    """Return whether a point holds the level, and which limits it exceeds: "TTFT p99 1 200 > 450
    ms"."""
    if one is None:
        return Cell(_("too many failures"), tone="dim")
    if one.verdict == "met":
        return Cell(_("met"), tone="good")
    if one.verdict != "missed":
        return Cell(_("unknown"), tone="dim")
    parts = [
        f"{metric_words(check.metric)} {metric_text(check.metric, check.value)[0]}"
        f" > {limit_text(check.metric, check.limit)}"
        for check in one.missed
        if check.value is not None
    ]
    if one.goodput is not None and not parts:
        parts.append(_("only %(share)s %% within all") % {"share": percent(one.goodput.value)})
    return Cell(_("missed"), note=_(", ").join(parts), tone="bad")


def _remarks(points: Sequence[CurvePoint], found: Conclusion | None, known: set[str]) -> list[str]:
    """Return what the intervals are of, and which percentiles have too few requests for one.
    ``known``: percentiles of the table."""
    remarks = [noise] if found is not None and (noise := noise_words(found)) else []
    if any(len(point.runs) >= LEAST_RUNS for point in points):
        remarks.append(_("Intervals: 95 %, of the mean of three or more runs."))
    elif any(point.requests.quantiles for point in points):
        remarks.append(_("Intervals: 95 %, distribution-free, over the requests of this point."))
    elif known - {""}:
        remarks.append(_("No intervals: the tool stored percentiles only, and fewer than 3 runs."))
    fewest = min((p.completed for p in points if p.completed), default=0)
    shares = sorted(known & {"p50", "p90", "p99"})
    short = [one for one in shares if fewest and least_samples(int(one[1:]) / 100) > fewest]
    if short:
        args = {
            "shares": _(", ").join(short),
            "n": number(fewest),
            "least": number(max(least_samples(int(one[1:]) / 100) for one in short)),
        }
        text = _("Few samples: %(n)s requests. Intervals of %(shares)s need %(least)s.")
        remarks.append(text % args)
    return remarks
