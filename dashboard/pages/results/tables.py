"""Tables of a result, for its page and its report: data sets, categories, repeats."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.pages.shared import cells
from dashboard.pages.shared.cells import Cell, Heading, Table
from dashboard.pages.shared.marks import flags
from dashboard.pages.shared.words import bounds_text, mean_label
from dashboard.text.formatting import full_moment, percent
from dashboard.text.labels import result_name
from jobs.models import Result
from jobs.queries.results.repeats import headline
from jobs.queries.results.results import ResultPage, SetGroup, SetRow, mean_of


class Sets(NamedTuple):
    """Accuracy by data set, in the columns of the guide. ``folded``: all sets of each group that
    has only its mean in ``table``."""

    table: Table
    folded: Mapping[str, Table]


def sets_of(page: ResultPage, name: str, *, has_answers: bool) -> Sets:
    """``name``: heading of the scores. ``has_answers``: data sets link to their answers."""
    heads = cells.words("dataset", "version", "metric", "mode")
    heads += map(Heading, (name, _("Questions"), _("95 %% interval") % {}))
    address = reverse("result-answers", args=[page.result.pk]) if has_answers else ""
    rows = []
    for group in page.sets:
        if not group.is_folded:
            rows += [_set(row, address) for row in group.rows]
        if group.is_folded or group.macro is not None:
            rows.append(_mean(group, page.sets))
    note = _(
        "In per cent. “avg” weights data sets equally, “by question” weights questions "
        "equally. Rankings by the two may differ."
    )
    folded = {
        group.name: Table(group.name, heads, [_set(row, address) for row in group.rows])
        for group in page.sets
        if group.is_folded
    }
    return Sets(Table(_("Accuracy by data set"), heads, rows, [note]), folded)


def _set(row: SetRow, address: str) -> list[Cell]:
    href = f"{address}?{urlencode({'set': row.dataset})}" if address else ""
    texts = map(Cell, (row.version, row.metric, row.mode))
    if row.value is None:
        return [Cell(row.title, address=href), *texts, Cell("-", tone="dim"), Cell(""), Cell("")]
    bounds, n, share = row.interval, row.questions, row.value / 100
    score = Cell(
        percent(share),
        value=share,
        measure="share",
        bounds=(bounds.low, bounds.high) if bounds else None,
        n=n,
        of="questions",
        tone="bold",
    )
    questions, interval = cells.count(n) if n else Cell(""), bounds_text(bounds) if bounds else ""
    return [Cell(row.title, address=href), *texts, score, questions, Cell(interval)]


def _mean(group: SetGroup, groups: Sequence[SetGroup]) -> list[Cell]:
    score = Cell("-", tone="bold")
    if group.macro is not None:
        mean = group.macro / 100
        score = Cell(percent(mean), value=mean, measure="share", tone="bold")
    by_question = _("by question")
    weighted = "" if group.weighted is None else f"{by_question} {percent(group.weighted / 100)}"
    return [
        Cell(mean_label(group, groups), tone="bold"),
        *map(Cell, ("", group.metric, group.mode)),
        score,
        cells.count(group.questions) if group.questions else Cell(""),
        Cell(weighted),
    ]


def categories_of(page: ResultPage) -> Table | None:
    """Return the accuracy by category of the questions; data sets have a table of their own."""
    if not page.categories or page.categories[0].is_set:
        return None
    titles = (_("Correct"), _("Questions"), _("Accuracy, %"))
    heads = [*cells.words(_("Category")), *map(Heading, titles)]
    address = reverse("result-answers", args=[page.result.pk])
    rows = [
        [
            Cell(item.name, address=f"{address}?{urlencode({'category': item.name})}"),
            cells.bare("correct", item.right),
            cells.count(item.questions),
            cells.share(item.share, item.questions, unit=""),
        ]
        for item in page.categories
    ]
    note = _("95 %% confidence interval (Wilson). Small categories have wide intervals.") % {}
    return Table(_("By category"), heads, rows, [note])


def repeats_of(page: ResultPage) -> Table | None:
    """Return the result, its repeats and their mean at the concurrencies that they share; None
    without any."""
    result = page.result
    metric = headline(result.type, result.metrics)
    (own, first), *others = [_values(page, run, metric) for run in (result, *page.repeats)]
    shared = [at for at in first if any(at in values for _run, values in others)]
    if not shared:
        return None
    heads = cells.words(pgettext("of a measurement", "Run"))
    title = cells.title_of(metric)
    heads += [Heading(title if at is None else str(at)) for at in shared]
    columns = [(own, first), *others]
    rows = [
        [_run(run, result), *(cells.bare(metric, values.get(at)) for at in shared)]
        for run, values in columns
    ]
    counted = [values for run, values in columns if run.counts]
    means = (
        mean_of(result, metric, [values[at] for values in counted if at in values]) for at in shared
    )
    rows.append([Cell(_("mean")), *(cells.compared(one, metric, grouped=True) for one in means)])
    if None not in shared:
        title = _("%(metric)s by concurrency") % {"metric": title}
    return Table(_("Repeats: %(metric)s") % {"metric": title}, heads, rows)


def _values(page: ResultPage, run: Result, metric: str) -> tuple[Result, dict[int | None, Any]]:
    """Return the metric by concurrency; of an evaluation under None."""
    points: Iterable[tuple[int | None, Mapping[str, Any]]] = page.rows[run.pk]
    if run.type == Result.Type.EVALUATION:
        points = [(None, run.metrics)]
    return run, {at: metrics[metric] for at, metrics in points if metric in metrics}


def _run(run: Result, own: Result) -> Cell:
    words = [_("this run")] if run is own else []
    words += [flag.word for flag in flags(run)]
    if not run.counts:
        words.append(_("not counted"))
    address = "" if run is own else reverse("result-detail", args=[run.pk])
    note = _(", ").join([*words, full_moment(run.created_at)])
    return Cell(result_name(run), note=note, address=address)
