"""Matrices side by side: what differs, each cell of one against the same of the baseline."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts.matrix_heat import lengths
from dashboard.pages.jobs.matrix_view import counted, missing, places_text
from dashboard.pages.shared import cells, units
from dashboard.pages.shared.cells import Cell, Heading, Table
from dashboard.pages.shared.metrics_table import difference
from dashboard.pages.shared.words import setting_text
from dashboard.security.permissions import requires
from dashboard.text.formatting import change_text, cut_in_middle
from dashboard.text.labels import cell_marks, metric_label, metric_text, setting_title, style_of
from jobs.base.numbers import number_from
from jobs.queries.comparison.comparison import MOST, Change
from jobs.queries.matrices import CellView, MatrixPage, matrices, matrix_page
from jobs.queries.matrices_compared import (
    AgainstBaseline,
    CellPair,
    MatrixComparison,
    compare_matrices,
    place_of,
)
from jobs.queries.results.curve import RATE

LISTED = 100
_LONGEST_NAME = 32
_SEPARATORS = re.compile(r"([-_,\s]+)")


class ShownMatrices(NamedTuple):
    """What page and report draw. ``title``: all verdicts in short; ``verdicts``: a sentence for
    each matrix against the baseline;
    ``differences``: engine, model, precision, host and further settings, of each matrix."""

    names: Sequence[str]
    title: str
    verdicts: Sequence[str]
    differences: Table
    tables: Sequence[Table]
    missing: Sequence[str]


def problem_of(numbers: Sequence[int]) -> str:
    if 2 <= len(numbers) <= MOST:
        return ""
    return _("Select two to %(most)s matrices.") % {"most": MOST}


def read(numbers: Sequence[int], metric: str) -> list[MatrixPage]:
    """Return the matrices with one metric: the output rate where one of them lacks the other.
    Raises ``Http404``."""
    pages = [page for number in numbers if (page := matrix_page(number, metric)) is not None]
    if absent := set(numbers) - {page.matrix.pk for page in pages}:
        raise Http404(f"matrix: {', '.join(map(str, sorted(absent)))}")
    if metric == RATE or all(page.metric == metric for page in pages):
        return pages
    return read(numbers, RATE)


def shown(
    pages: Sequence[MatrixPage], own_names: Sequence[str] = (), *, has_people: bool = True
) -> ShownMatrices:
    """Return the comparison in words. ``own_names``: of matrices, "" for its title.
    ``has_people``: who ended runs has a name."""
    found = compare_matrices(pages)
    pairs = zip_longest(names_of(pages), own_names[: len(pages)], fillvalue="")
    names = [own or name for name, own in pairs]
    named = list(zip(names[1:], found.against, strict=True))
    return ShownMatrices(
        names,
        _headline(names[0], named),
        [_verdict(names[0], name, one) for name, one in named],
        _differences(found, names),
        [_table(names[0], name, one) for name, one in named],
        _missing(found, names, has_people=has_people),
    )


def names_of(pages: Sequence[MatrixPage]) -> list[str]:
    """Return the titles; of long ones the part in which they differ, or the number."""
    titles = [page.matrix.title for page in pages]
    if max(map(len, titles)) > _LONGEST_NAME:
        if len(set(titles)) == 1:
            return [_("Matrix %(n)s") % {"n": page.matrix.pk} for page in pages]
        parts = _own_parts(titles)
        is_told = all(any(map(str.isalpha, part)) for part in parts)
        titles = parts if is_told else [cut_in_middle(text, _LONGEST_NAME) for text in titles]
    return [
        title if titles.count(title) == 1 else f"{title} ({page.matrix.pk})"
        for title, page in zip(titles, pages, strict=True)
    ]


def _own_parts(titles: Sequence[str]) -> list[str]:
    """Return the titles without the words at begin and end that all have."""
    words = [_SEPARATORS.split(title) for title in titles]
    for _end in range(2):
        while all(words) and len({own[0] for own in words}) == 1:
            words = [own[1:] for own in words]
        words = [own[::-1] for own in words]
    return ["".join(own).strip(" -_,") for own in words]


def _kind(change: Change) -> str:
    return "equal" if change.is_equal else "short" if change.is_short else change.verdict


def _headline(base: str, named: Sequence[tuple[str, AgainstBaseline]]) -> str:
    """Return "fp16 vs int8: output tokens/s +31.0 % (geometric mean of 52 cells)"; of several
    "Output tokens/s vs int8: fp16 +31.0 %, fp8 n/a". Shares have no ratio."""
    metric, ratios = metric_label(named[0][1].page.metric), [one.ratio for _name, one in named]
    if len(named) == 1:
        (name, one), (ratio,) = named[0], ratios
        args = {"name": name, "base": base, "metric": metric.lower(), "n": len(one.changes)}
        if ratio is None or len(one.changes) == 1:
            return _verdict(base, name, one)
        text = _("%(name)s vs %(base)s: %(metric)s %(ratio)s (geometric mean of %(n)s cells)")
        return text % (args | {"ratio": change_text(ratio)})
    if all(ratio is None for ratio in ratios):
        return _verdict(base, *named[0])
    told = [
        f"{name} {_('n/a') if ratio is None else change_text(ratio)}"
        for (name, _one), ratio in zip(named, ratios, strict=True)
    ]
    args = {"metric": metric, "base": base, "told": _(", ").join(told)}
    return _("%(metric)s vs %(base)s: %(told)s") % args


def _verdict(base: str, name: str, against: AgainstBaseline) -> str:
    changes, ratio = against.changes, against.ratio
    args: dict[str, Any] = {"name": name, "base": base, "n": len(changes)}
    if not changes:
        return _("%(name)s vs %(base)s: no comparable cell") % args
    counts = Counter(map(_kind, changes))
    words = {
        "better": _("%(n)s better"),
        "worse": _("%(n)s worse"),
        "cannot_tell": _("%(n)s not significant"),
        "short": _("%(n)s with too few runs"),
        "equal": _("%(n)s equal"),
    }
    told = [text % {"n": counts[verdict]} for verdict, text in words.items() if counts[verdict]]
    args |= {"metric": metric_label(against.page.metric).lower(), "told": _(", ").join(told)}
    text = ngettext(
        "%(name)s vs %(base)s: %(n)s common cell, %(told)s",
        "%(name)s vs %(base)s: %(n)s common cells, %(told)s",
        len(changes),
    )
    if ratio is not None:
        ratios = [change.relative for change in changes if change.relative is not None]
        args |= {"ratio": change_text(ratio)}
        args |= {"low": change_text(min(ratios)), "high": change_text(max(ratios))}
        text = ngettext(
            "%(name)s vs %(base)s: %(metric)s %(ratio)s in %(n)s common cell, %(told)s",
            "%(name)s vs %(base)s: %(metric)s %(ratio)s in the geometric mean of %(n)s common "
            "cells (least %(low)s, most %(high)s), %(told)s",
            len(changes),
        )
    return text % args


def _differences(found: MatrixComparison, names: Sequence[str]) -> Table:
    rows = [
        [
            Cell(setting_title(one.name)),
            *(Cell(setting_text(value, one.name) if value else _("none")) for value in one.values),
        ]
        for one in found.settings
    ]
    notes = [] if rows else [_("No differences.")]
    titles = [page.matrix.title for page in found.pages]
    if list(names) == names_of(found.pages) and len(set(titles)) > 1 and names != titles:
        rows.insert(0, [Cell(_("Title")), *map(Cell, titles)])
    heads = [*cells.words(_("Differences")), *cells.words(*names)]
    return Table(_("Configuration, differences only"), heads, rows, notes)


def _table(base: str, name: str, against: AgainstBaseline) -> Table:
    """Return the cells of a matrix against the baseline: lengths by concurrency."""
    metric, pairs = against.page.metric, against.pairs
    rows = list(dict.fromkeys(place[:2] for place in pairs))
    columns = sorted({place[2] for place in pairs})
    has_intervals = any(change.low is not None for change in against.changes)
    heads = [*cells.words(_("Lengths, tokens")), *(Heading(str(one)) for one in columns)]
    shown = [
        [
            Cell(lengths(*row)),
            *(
                _cell(pairs.get((*row, concurrency)), metric, has_intervals=has_intervals)
                for concurrency in columns
            ),
        ]
        for row in rows
    ]
    args = {"base": base, "name": name, "metric": cells.title_of(metric)}
    note = _("Columns: concurrency. Below each difference: %(base)s → %(name)s, %(metric)s.")
    more = _("Brackets: 95 %% interval of the ratio of geometric means, from three runs of each.")
    if not has_intervals:
        more = _("Too few runs for intervals: each cell needs three on both sides.")
    return Table(_("%(name)s vs %(base)s") % args, heads, shown, [note % args, more % {}])


def _cell(pair: CellPair | None, metric: str, *, has_intervals: bool) -> Cell:
    if pair is None:
        return Cell("", tone="dim")
    sides = (pair.base, pair.other)
    texts = [_side(cell, metric) for cell in sides]
    if pair.change is None:  # one state is enough
        texts = [*dict.fromkeys(texts)]
    values = " → ".join(texts)
    marks = dict.fromkeys(word for cell in sides if cell for word in cell_marks(cell))
    note = _(", ").join((values, *marks))
    change = pair.change
    if change is None:
        return Cell("–", note=note, tone="dim")
    if change.absolute is None:
        return Cell("–", note=_(", ").join((note, _("not comparable"))), tone="dim")
    gap = difference(change, metric, is_grouped=has_intervals)
    return replace(gap, interval=gap.note, note=note)


def _side(cell: CellView | None, metric: str) -> str:
    """Return the number of a cell, else its state; a dash where the matrix lacks it."""
    if cell is None:
        return "–"
    return metric_text(metric, cell.value)[0] if cell.value is not None else _state(cell)


def _state(cell: CellView) -> str:
    return str(style_of(cell.state).word) if cell.state != "done" else _("n/a")


def _missing(found: MatrixComparison, names: Sequence[str], *, has_people: bool) -> list[str]:
    """Return the cells that a matrix lacks and another has, and why its own have no number: each
    reason once, with the matrices."""
    everything = dict.fromkeys(place for one in found.against for place in one.pairs)
    listed: dict[str, list[str]] = {}
    for page, name in zip(found.pages, names, strict=True):
        known = {place_of(cell) for cell in page.cells}
        texts = [one.sentence for one in missing(page, has_people=has_people)]
        if absent := [place for place in everything if place not in known]:
            texts.append(counted(_("not in this matrix"), [places_text(absent)], len(absent)))
        for text in texts:
            listed.setdefault(text, []).append(name)
    return [f"{_(', ').join(own)}{_(': ')}{text}" for text, own in listed.items()]


def choose(request: HttpRequest, problem: str = "") -> HttpResponse:
    """Return the list, where those of the address are chosen; ``problem``: with the choice."""
    rows = list(matrices()[:LISTED])
    context = {"rows": rows, "title": _title(rows), "chosen": _asked(request), "problem": problem}
    return render(request, "matrices/list.html", context)


def _title(rows: Sequence[Any]) -> str:
    """Return the title of the list: "6 matrices, 1 open". ``rows``: of ``matrices``."""
    n, opened = len(rows), sum(bool(row.open_runs) for row in rows)
    parts = [ngettext("%(n)s matrix", "%(n)s matrices", n) % {"n": n}]
    if n == LISTED:
        parts = [_("The latest %(n)s matrices") % {"n": n}]
    if opened:
        parts.append(_("%(n)s not finished") % {"n": opened})
    return _(", ").join(parts) if rows else _("No matrices")


def _asked(request: HttpRequest) -> list[int]:
    numbers = map(number_from, request.GET.getlist("matrix"))
    return list(dict.fromkeys(number for number in numbers if number is not None))


@requires("job.view", "GET")
@units.with_unit
def matrix_compare(request: HttpRequest) -> HttpResponse:
    """Compare ``?matrix=1&matrix=2``, the first is the baseline; ``metric`` and ``per`` as of one
    matrix. Without two, choose them from the list."""
    numbers = _asked(request)
    if problem := problem_of(numbers):
        return choose(request, problem)
    metric, per = request.GET.get("metric", RATE), request.GET.get(units.PER, "")
    pages = read(numbers, units.choice(per, []).rate if metric == RATE else metric)
    results = [result for page in pages for cell in page.cells for result in cell.results]
    unit, found = units.choice(per, results), shown(pages)
    is_rate = pages[0].metric == unit.rate
    chosen = unit.query if is_rate else {"metric": pages[0].metric}
    context = {
        "found": found,
        "pages": list(zip(pages, found.names, _as_base(numbers, chosen), strict=True)),
        "metrics": [
            (name, metric_label(name))
            for name in pages[0].metrics
            if all(name in page.metrics for page in pages)
        ],
        "metric": RATE if is_rate else pages[0].metric,
        "units": unit if is_rate else None,
        "has_simulated": any(result.simulated for result in results),
        "report_query": f"{urlencode({'id': numbers, **chosen}, doseq=True)}&",
    }
    return render(request, "matrices/compare.html", context)


def _as_base(numbers: Sequence[int], chosen: dict[str, str]) -> list[str]:
    """Return for each matrix the query that has it as baseline."""
    orders = ([one, *(other for other in numbers if other != one)] for one in numbers)
    return [urlencode({"matrix": order, **chosen}, doseq=True) for order in orders]


urlpatterns: list[URLPattern] = [path("compare/", matrix_compare, name="matrix-compare")]
