"""Accuracy: by category, differences by data set, over throughput or tokens, in token budgets."""

from collections.abc import Sequence
from math import ceil, floor, log2, log10, sqrt
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.charts import figure_parts as fig
from dashboard.charts.curves import label_places
from dashboard.charts.figure_parts import COLOURS, DASHES, ORIGINS, Figure, axis, scaled
from dashboard.text.formatting import cut_in_middle, number, percent
from dashboard.text.labels import metric_text, result_name
from jobs.queries.results.results import BudgetPoint, BudgetUse, Category
from jobs.queries.results.tradeoff import EvaluationPair, frontier
from jobs.statistics import Interval

_OF_PARTS, _OF_WHOLE = (COLOURS[0], fig.SYMBOLS[1]), (fig.INK, "diamond")
TOKENS = "output_tokens_mean"  # of an answer
_ROOM = 2.0  # per cent above and below all intervals
_EXTRA = "<extra>%{fullData.name}</extra>"
_THIN = {"thickness": 1.2, "width": 3}


def value_of(pair: EvaluationPair, axis: str) -> float | None:
    """Return the x value of a pair; None: it is not on that chart."""
    if axis == TOKENS:
        return pair.tokens
    return pair.speed.metrics.get(axis) if pair.speed else None


def tradeoff(pairs: Sequence[EvaluationPair], by: str) -> Figure:
    """Return accuracies with intervals. ``by``: the output rate of the paired benchmark, of all or
    in a unit, or :data:`TOKENS`. A hollow point is simulated, disturbed, incomplete or of a loaded
    host."""
    shown = [(pair, x) for pair in pairs if (x := value_of(pair, by)) is not None]
    title = _("output tokens per answer  ←  cheaper")
    if by != TOKENS:
        title = _("%(unit)s  →  better") % {"unit": metric_text(by, 0.5)[1]}
    names = {"ours": _("ours"), "external": _("external"), "imported": _("imported")}
    # Small differences would vanish on an axis from 0 to 100.
    low = min((100 * pair.share.low for pair, _x in shown), default=0.0)
    high = max((100 * pair.share.high for pair, _x in shown), default=100.0)
    ends = [max(0.0, low - _ROOM), min(100.0 + _ROOM, high + _ROOM)]
    places = _places([(-x if by == "tokens" else x, pair) for pair, x in shown], ends[0])
    data = []
    for origin, name in names.items():
        own = [(*one, at) for one, at in zip(shown, places, strict=True) if one[0].origin == origin]
        data += [_pairs(origin, name, own)] if own else []
    return Figure(
        data,
        fig.layout(
            axis(title, rangemode="tozero", showgrid=True),
            axis(_("accuracy, %"), range=ends),
            showlegend=len(data) > 1,
            legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            margin=fig.margins(right=24, top=36),
        ),
    )


def _places(shown: Sequence[tuple[float, EvaluationPair]], low: float) -> list[str]:
    """Return the position of the name of each pair on the frontier; "" for others. ``low``: where
    the axis of accuracies begins."""
    best = set(frontier([(x, pair.share.value) for x, pair in shown]))
    names = [
        result_name(pair.evaluation) if i in best else "" for i, (_x, pair) in enumerate(shown)
    ]
    points = [(abs(x), 100 * pair.share.value - low) for x, pair in shown]
    return label_places([(name, *at) for name, at in zip(names, points, strict=True)])


def _pairs(
    origin: str, name: str, shown: Sequence[tuple[EvaluationPair, float, str]]
) -> dict[str, Any]:
    symbol, colour = ORIGINS[origin]
    shares = [scaled(pair.share) for pair, *_place in shown]
    runs = [pair.evaluation for pair, *_place in shown]
    is_hollow = [run.simulated or not run.counts for run in runs]
    symbols = [symbol + ("-open" if hollow else "") for hollow in is_hollow]
    return fig.scatter(
        *(name, "markers+text", [x for _pair, x, _at in shown], [share.value for share in shares]),
        textposition=[at or "top right" for *_pair, at in shown],
        text=[result_name(pair.evaluation) if at else "" for pair, _x, at in shown],
        hovertext=list(map(result_name, runs)),
        cliponaxis=False,
        marker={"color": colour, "symbol": symbols, "size": 9},
        error_y=fig.bars([(share.value, share) for share in shares], colour, **_THIN),
        customdata=[reverse("result-paired", args=[run.pk]) for run in runs],
        meta=fig.POINT,
        hovertemplate="%{hovertext}: %{y:.2f} %, %{x:.4~g}" + _EXTRA,
    )


def budgets(uses: Sequence[tuple[str, BudgetUse]]) -> Figure:
    """Return the accuracy within token budgets: one line per ``(name, use)``, logarithmic axis.

    One result has its interval as a band, and a line at its own limit with the share of answers
    that it cut. Several have error bars at each doubling, and a mark where their limit was.
    """
    lines = [
        fig.scatter(
            *(name, "lines", *_curve(use)),
            line={"color": COLOURS[index], "dash": DASHES[index], "width": 2, "shape": "hv"},
            hovertemplate="%{x:,d} tok: %{y:.2f} %" + _EXTRA,
        )
        for index, (name, use) in enumerate(uses)
    ]
    ticks = _ticks([point.budget for _name, use in uses for point in points_of(use)])
    x = axis(_("token budget of an answer"), type="log", **ticks)
    shown = fig.layout(x, axis(_("accuracy, %"), rangemode="tozero"), margin=fig.margins(top=24))
    if len(uses) == 1:
        ((_name, use),) = uses
        return Figure([*_band(use), *lines], {**shown, **_limit(use)})
    for index, (_name, use) in enumerate(uses):
        # At powers of two: more would hide each other.
        shown_at = [(one.budget, scaled(one.share)) for one in points_of(use)]
        shares = [(one.value, one if is_doubling(at) else None) for at, one in shown_at]
        lines[index]["error_y"] = fig.bars(shares, COLOURS[index], **_THIN)
    return Figure([*lines, *_limit_marks(uses)], shown)


def points_of(use: BudgetUse) -> Sequence[BudgetPoint]:
    """Return the curve up to the run's own limit, where it ends."""
    if not use.curve or not use.limit or use.longest > use.limit:
        return use.curve
    within = [point for point in use.curve if point.budget < use.limit]
    return [*within, BudgetPoint(use.limit, use.curve[-1].share)]


def is_doubling(budget: int) -> bool:
    return budget & (budget - 1) == 0


def _ticks(budgets: Sequence[int]) -> dict[str, Any]:
    """Return at most nine ticks at powers of two."""
    low, high = floor(log2(min(budgets, default=1))), ceil(log2(max(budgets, default=2)))
    step = max(1, ceil((high - low) / 8))
    ticks = [2**power for power in range(low, high + 1, step)]
    return {"tickvals": ticks, "ticktext": [number(tick) for tick in ticks]}


def _curve(use: BudgetUse) -> tuple[list[int], list[float]]:
    points = points_of(use)
    return [point.budget for point in points], [scaled(point.share).value for point in points]


def _band(use: BudgetUse) -> list[dict[str, Any]]:
    look = {"line": {"width": 0, "color": COLOURS[0], "shape": "hv"}, "hoverinfo": "skip"}
    budgets, shares = _curve(use)[0], [scaled(point.share) for point in points_of(use)]
    low, high = [share.low for share in shares], [share.high for share in shares]
    fill = {"fill": "tonexty", "fillcolor": fig.BAND}
    return [
        fig.scatter(_("interval, low"), "lines", budgets, low, **look),
        fig.scatter(_("interval, high"), "lines", budgets, high, **look, **fill),
    ]


def _limit_marks(uses: Sequence[tuple[str, BudgetUse]]) -> list[dict[str, Any]]:
    return [
        fig.scatter(
            *(_("%(name)s, own limit") % {"name": name}, "markers"),
            *([use.limit], [scaled(use.curve[-1].share).value]),
            text=[percent(use.cut_share)],
            marker={"color": COLOURS[index], "symbol": fig.SYMBOLS[index], "size": 9},
            hovertemplate="%{x:,d} tok: %{text} % " + _("of answers cut") + _EXTRA,
        )
        for index, (name, use) in enumerate(uses)
        if use.limit and use.curve
    ]


def _limit(use: BudgetUse) -> dict[str, Any]:
    if not use.limit:
        return {}
    text = _("limit %(limit)s, %(share)s %% cut")
    text %= {"limit": number(use.limit), "share": percent(use.cut_share)}
    at = log10(use.limit)  # of a logarithmic axis, which shapes are not
    own = fig.note(text, xref="x", x=at, colour=fig.INK)
    return {"shapes": [fig.upright(use.limit, fig.INK)], "annotations": [own]}


_ROW_PX, _FRAME_PX = 28, 62
_NAME = 22  # letters that fit into the margin
_AIR = 1.15  # of the widest interval
Row = tuple[str, Interval, float]  # name, interval in the unit of the axis, size of the mark


def categories(found: Sequence[Category], pooled: Interval | None) -> Figure:
    """Return a row per category, the whole set as a diamond below, in per cent; squares grow with
    the questions. ``pooled``: accuracy of the whole set."""
    rows = [(one.name, scaled(one.share), 6 + min(8.0, sqrt(one.questions))) for one in found]
    data = [_trace(_("accuracy"), rows, "%{x:.1f} %")]
    if pooled is not None:
        data.append(_trace(_("all"), [(_("all"), scaled(pooled), 12)], "%{x:.1f} %", _OF_WHOLE))
    heading = _("Data set") if any(one.is_set for one in found) else _("Category")
    x = axis(_("accuracy, %, with 95 % interval"), range=[0, 100], showgrid=True)
    return _figure(data, heading, x)


def differences(rows: Sequence[tuple[str, Interval, bool]], margin: float) -> Figure:
    """Return a row per data set in points, all questions as a diamond below. ``rows``: name,
    difference from -1 to 1, True for all questions. A whole interval inside of the band means
    *equivalent*."""
    data = []
    for title, is_whole, size in ((_("difference"), False, 9), (_("all questions"), True, 12)):
        own = [(name, scaled(gap), size) for name, gap, of_all in rows if of_all == is_whole]
        mark = _OF_WHOLE if is_whole else _OF_PARTS
        data += [_trace(title, own, "%{x:+.2f}", mark)] if own else []
    ends = [abs(end) for _name, gap, _is in rows for end in (gap.low, gap.high)]
    most = 100 * _AIR * max([margin, *ends])
    x = axis(_("difference, points"), range=[-most, most], showgrid=True)
    x |= {"zeroline": True, "zerolinecolor": fig.INK}
    band = {"type": "rect", "layer": "below", "xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    band |= {"x0": -100 * margin, "x1": 100 * margin, "fillcolor": fig.BAND, "line": {"width": 0}}
    return _figure(data, _("Data set"), x, shapes=[band])


def compared(rows: Sequence[tuple[str, Interval]]) -> Figure:
    """Return a row per result in its own colour and shape: accuracy with its interval, in per cent.
    The axis shows all intervals and a little more, not 0 to 100."""
    marks = zip(COLOURS, fig.SYMBOLS, strict=True)
    data = [
        _trace(name, [(name, scaled(share), 10)], "%{x:.2f} %", mark)
        for (name, share), mark in zip(rows, marks, strict=False)
    ]
    low, high = (100 * end for end in (min(s.low for _n, s in rows), max(s.high for _n, s in rows)))
    ends = [max(0.0, low - _ROOM), min(100.0 + _ROOM, high + _ROOM)]
    x = axis(_("accuracy, %, with 95 % interval"), range=ends, showgrid=True)
    return _figure(data, _("Result"), x, showlegend=False)


def _figure(data: list[dict[str, Any]], heading: str, x: dict[str, Any], **more: Any) -> Figure:
    """Return a figure with a row a name; ``heading``: that of the names in the table."""
    names = [name for trace in data for name in trace["y"]]
    y = {
        "autorange": "reversed",
        # Full names as keys: names with equal shortened text stay separate rows.
        "tickvals": names,
        "ticktext": [cut_in_middle(name, _NAME) for name in names],
        "showgrid": False,
        "fixedrange": True,
    }
    frame = {"margin": {"l": 150, "r": 16, "t": 8, "b": 44}, "meta": {"rows": heading}}
    return Figure(data, fig.layout(x, y, **frame, **more), _FRAME_PX + _ROW_PX * len(names))


def _trace(
    title: str, rows: Sequence[Row], hover: str, mark: tuple[str, str] = _OF_PARTS
) -> dict[str, Any]:
    colour, symbol = mark
    sizes = [size for _name, _one, size in rows]
    names, values = [name for name, *_rest in rows], [one.value for _name, one, _size in rows]
    return fig.scatter(
        *(title, "markers", values, names),
        error_x=fig.bars([(one.value, one) for _name, one, _size in rows], colour, width=4),
        marker={"color": colour, "symbol": symbol, "size": sizes},
        hovertemplate=f"%{{y}}: {hover}<extra></extra>",
    )
