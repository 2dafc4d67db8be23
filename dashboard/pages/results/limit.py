"""Search of a limit: where it ended, and why; its loads as a table and a chart."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from dashboard.charts.curves import over_loads
from dashboard.pages.results.points import level_cell
from dashboard.pages.shared import cells
from dashboard.pages.shared.cells import Cell, Heading, Table
from dashboard.pages.shared.comparison import Chart
from dashboard.text.formatting import number, percent
from jobs.models import Result
from jobs.queries.results.curve import RATE
from jobs.queries.results.limit import Measured, Search, search_of
from jobs.statistics import LEAST_RUNS

_SWEPT = ("ttft_p50_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p99_ms")


class LimitCard(NamedTuple):
    """``notes``: the rule of the search, and what limits its answer, each with True for a doubt."""

    headline: str
    notes: list[tuple[str, bool]]
    table: Table
    charts: list[Chart]


def limit_card(result: Result) -> LimitCard | None:
    search = search_of(result)
    if search is None or not search.loads:
        return None
    names = _names(search)
    return LimitCard(
        headline(search), _notes(search), _table(search, names), _charts(search, names)
    )


def limit_text(result: Result) -> str:
    search = search_of(result)
    return headline(search) if search and search.loads else ""


def headline(search: Search) -> str:
    """Return the limit in one sentence: "Meets MLPerf chat up to 3.5 requests/s; 4 missed."."""
    met, missed, level = search.met, search.missed, search.level
    ends = {"met": met, "missed": missed}
    args = {name: _load(search, one.load) if one else "" for name, one in ends.items()}
    args["level"] = level.name if level else ""
    if level is None:
        loads = [one.load for one in search.loads]
        shown = {"low": _load(search, min(loads)), "high": _load(search, max(loads))}
        return _("Measured from %(low)s to %(high)s.") % shown
    if met and missed:
        return _("Highest tested load that met %(level)s: %(met)s. %(missed)s missed.") % args
    if met:
        return _("%(level)s was met at every tested load, up to %(met)s.") % args
    if missed:
        return _("%(level)s was missed at the lowest tested load, %(missed)s.") % args
    return _("Unknown whether %(level)s was met.") % args


def _load(search: Search, load: float) -> str:
    if search.by == "rate":
        return _("%(n)s req/s") % {"n": f"{load:g}"}
    return _("concurrency %(n)s") % {"n": f"{load:g}"}


def _notes(search: Search) -> list[tuple[str, bool]]:
    args = {
        "low": _load(search, search.lowest),
        "high": _load(search, search.highest),
        "step": f"{search.step:g}",
        "n": len(search.loads),
    }
    reasons = {
        "resolution": _("Stopped: the resolution of %(step)s is reached."),
        "highest": _("Stopped: %(high)s, the highest load of the search, met it."),
        "lowest": _("Stopped: %(low)s, the lowest load of the search, missed it."),
        "points": _("Stopped after %(n)s loads, before the resolution of %(step)s."),
        "unknown": _("Stopped: a verdict is unknown."),
        "swept": _("Every load in steps of %(step)s was measured."),
        "": _("The search ended early."),
    }
    searched = _("Searched from %(low)s to %(high)s, by halves.")
    found = [((searched if search.level else "") + " " + reasons[search.stopped]) % args]
    if search.by == "rate":
        found.append(_("Requests arrived at random (Poisson), whether others had ended or not."))
    notes = [(text.strip(), False) for text in found]
    for one in filter(None, (search.met, search.missed)):
        if not one.is_certain:
            text = _("%(load)s: an interval includes its limit, or is unknown. Send more requests.")
            notes.append((text % {"load": _load(search, one.load)}, True))
    wide = [one for one in search.loads if search.target and (one.half_width or 1) > search.target]
    if wide:
        text = _("Not as narrow as ± %(target)s %% after the most runs: %(loads)s.")
        shown = _(", ").join(_load(search, one.load) for one in wide)
        notes.append((text % {"target": percent(search.target), "loads": shown}, True))
    return notes


def _names(search: Search) -> list[str]:
    names = list(search.level.limits) if search.level else list(_SWEPT)
    return [name for name in names if any(one.point.mean(name) is not None for one in search.loads)]


def _table(search: Search, names: list[str]) -> Table:
    by = _("Request rate, 1/s") if search.by == "rate" else _("Concurrency")
    columns = [
        Heading(by, is_number=False),
        Heading(_("Runs")),
        Heading(_("Completed / failed")),
        Heading(_("Requests/s")),
        Heading(_("Output, tok/s")),
        *(Heading(cells.title_of(name)) for name in names),
    ]
    if search.level:
        columns.append(Heading(_("Service level"), is_number=False))
    note = _(
        "In the order of the search. Brackets: 95 % intervals, of the mean of three or more "
        "runs, else of the percentile."
    )
    rows = [_row(search, one, names) for one in search.loads]
    return Table(_("Loads"), columns, rows, [note])


def _row(search: Search, one: Measured, names: list[str]) -> list[Cell]:
    point, runs = one.point, {"n": len(one.point.runs), "of": "runs"}
    row = [
        Cell(f"{one.load:g}", value=one.load, tone="bold" if one is search.met else ""),
        cells.count(len(point.runs)),
        Cell(f"{number(point.completed)} / {number(point.failed)}", value=point.completed),
    ]
    for name in ("requests_per_s", RATE, *names):
        bounds, more = point.interval(name), runs
        if bounds is not None and len(point.runs) < LEAST_RUNS:
            more = {"n": point.completed, "of": "requests"}
        row.append(cells.bare(name, point.mean(name), bounds, **more))
    return [*row, level_cell(one.against)] if search.level else row


def _charts(search: Search, names: list[str]) -> list[Chart]:
    """Return a chart of the output rate and of each limited time over the load."""
    ordered = sorted(search.loads, key=lambda one: one.load)
    title = _("request rate, 1/s") if search.by == "rate" else _("concurrency")
    found = []
    for name in (RATE, *names[:2]):
        points = [(one.load, one.point.mean(name), one.point.interval(name)) for one in ordered]
        limit = search.level.limits.get(name) if search.level else None
        shown = cells.title_of(name)
        figure = over_loads(shown, title, points, limit)
        found.append(Chart(f"limit-{name}", shown, figure, shown))
    return found
