"""Systems: throughput over the rate per user, a Pareto frontier for each model and workload."""

from collections.abc import Sequence
from math import log10
from typing import Any

from django.utils.translation import gettext as _

from dashboard.charts import figure_parts as fig
from dashboard.charts.curves import frontier_line, label_places, opening
from dashboard.charts.figure_parts import ORIGINS, Figure, axis
from dashboard.text.formatting import cut_in_middle
from dashboard.text.labels import limit_words
from jobs.base import grouped
from jobs.queries.results.systems import System, SystemPoint
from jobs.queries.results.tradeoff import origin_of

HEIGHT = 360
_PLOT_PX = (900, HEIGHT - 76)  # in a window of 1280 px
_WIDE = 20  # from this ratio of the rates, their axis is logarithmic
_LONGEST = 40  # characters of a label
# Name, system, and for each of its points what the tooltip says before the rates.
Named = tuple[str, System, Sequence[str]]


def pareto(named: Sequence[Named], unit: str) -> Figure:
    """Return a line a system. Its name stands at one point, of the front if it has one there, where
    there is room; the tooltip has all."""
    points = [point for _name, one, _texts in named for point in one.points]
    least, most = (end((point.rate for point in points), default=1.0) for end in (min, max))
    is_wide = most > _WIDE * least
    labels = [
        (
            _label(name, one, point),
            point.per_user,
            log10(point.rate / least) if is_wide else point.rate,
        )
        for name, one, _texts in named
        for point in one.points
    ]
    places = iter(label_places(labels, _PLOT_PX))
    data = [_trace(one, unit, [next(places) for _point in one[1].points]) for one in named]
    best = ((one.work, point[1:]) for _name, one, _texts in named for point in one.best)
    data += map(frontier_line, grouped(best).values())
    limits = dict.fromkeys(
        name for _name, one, _texts in named if one.result for name in one.result.limits
    )
    across = axis(_("tok/s per user (1 / TPOT p50)  →  better"), showgrid=True, rangemode="tozero")
    more = {}
    if limits:
        more["annotations"] = [fig.note(_("hollow: %(marks)s") % {"marks": limit_words(limits)})]
    scale = {"type": "log"} if is_wide else {"rangemode": "tozero"}
    up = axis(_("%(unit)s  →  better") % {"unit": unit}, **scale)
    return Figure(data, fig.layout(across, up, **more))


def _label(name: str, one: System, point: SystemPoint) -> str:
    return cut_in_middle(name, _LONGEST) if point is (*one.best, one.densest)[0] else ""


def _trace(named: Named, unit: str, places: Sequence[str]) -> dict[str, Any]:
    name, one, texts = named
    symbol, colour = ORIGINS[origin_of(one.result) if one.result else "published"]
    is_hollow = one.result is not None and bool(one.result.limits)
    at = [point.concurrency for point in one.points]
    hover = f"%{{hovertext}}: %{{y:.4~g}} {unit}, %{{x:.4~g}} tok/s "
    trace = fig.scatter(
        *(name, "lines+markers+text"),
        [point.per_user for point in one.points],
        [point.rate for point in one.points],
        line={"color": colour, "width": 2 if one.best else 1},
        marker={"color": colour, "symbol": symbol + ("-open" if is_hollow else ""), "size": 8},
        opacity=1 if one.best or one.published else 0.6,
        text=[
            _label(name, one, point) if place else ""
            for point, place in zip(one.points, places, strict=True)
        ],
        textposition=[place or "top right" for place in places],
        textfont={"size": 11, "color": fig.INK},
        cliponaxis=False,
        hovertext=[*texts],
        hovertemplate=f"{hover}{_('per user')}<extra>%{{fullData.name}}</extra>",
    )
    return trace | opening(dict.fromkeys(at, one.result.pk) if one.result else {}, at)
