"""Table of the metrics of a comparison, for its page and its report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from dashboard.pages.shared import cells
from dashboard.pages.shared.cells import Cell, Heading, Table, Tone
from dashboard.pages.shared.comparison import BATCH, change_texts, column_names
from dashboard.pages.shared.export import unit_name
from jobs.models import Result
from jobs.queries.comparison.comparison import Change, Comparison, MetricRow
from jobs.queries.results.results import accuracy

_TONES: Mapping[str, Tone] = {"better": "good", "worse": "bad"}


def column_heads(comparison: Comparison, names: Sequence[str], first: str) -> list[Heading]:
    notes = {index: _("not comparable") for index in comparison.barred} | {0: _("baseline")}
    return [
        Heading(first, is_number=False),
        *(Heading(name, notes.get(index, ""), series=index) for index, name in enumerate(names)),
    ]


def metrics_table(
    comparison: Comparison,
    rows: Sequence[MetricRow],
    own: Sequence[str] = (),
    *,
    is_grouped: bool,
) -> Table:
    """Return the metrics of a page and of its report, a column a result; of two, with a column of
    their difference. ``own``: names of the columns; empty: those of the page."""
    names = own or column_names(comparison)
    title, at = _("Metrics"), comparison.concurrency
    if at is not None and comparison.rows and comparison.rows[0].metric == BATCH:
        title = _("Metrics of a batch of %(n)s") % {"n": at}
    elif at is not None:
        title = _("Metrics at concurrency %(n)s") % {"n": at}
    heads = column_heads(comparison, names, _("Metric"))
    if len(names) == 2:
        heads.append(Heading(_("Difference")))
    lines = [_metric(row, comparison, is_grouped=is_grouped) for row in rows]
    return Table(title, heads, lines, [_meaning(comparison, is_grouped=is_grouped)])


def _meaning(comparison: Comparison, *, is_grouped: bool) -> str:
    """Return what values and brackets of the metrics are."""
    is_evaluation = comparison.heads[0].type == Result.Type.EVALUATION
    if is_evaluation and is_grouped:
        text = _(
            "Values: means of the runs above. Brackets: 95 %% interval over the questions: several "
            "answers to a question are one observation. Brackets of a difference: paired by "
            "question. Not significant: the interval includes 0. Different question sets have no "
            "difference."
        )
    elif is_evaluation:
        text = _(
            "Brackets: 95 %% interval, of a difference paired by question. Not significant: the "
            "interval includes 0. Each value covers its own questions, a difference the common "
            "ones."
        )
    elif is_grouped:
        text = _(
            "Values: means of the runs above, with the 95 %% interval in brackets, from three "
            "runs. Differences of rates and times: ratio of geometric means, which may differ from "
            "the ratio of the means. Brackets of a difference: 95 %% interval (Welch, on "
            "logarithms)."
        )
    else:
        text = _("Values of single runs, without intervals.")
    return text % {}


def _metric(row: MetricRow, comparison: Comparison, *, is_grouped: bool) -> list[Cell]:
    name = row.metric
    covers_all = name == "failed_requests" and comparison.has_several
    line = [cells.heading(name, note=_("all concurrencies") if covers_all else "")]
    for column, figure in zip(comparison.columns, row.cells, strict=True):
        cell = cells.compared(figure, name, grouped=is_grouped)
        is_single = name == "accuracy" and figure.runs == 1
        if is_single and (bounds := figure.interval or accuracy(column.head)):
            questions = int(column.head.metrics.get("questions") or 0)
            cell = cells.share(bounds, questions, figure.value, unit="", tone="bold")
        line.append(cell)
    if len(row.changes) == 1:
        return [*line, difference(row.changes[0], name, is_grouped=is_grouped)]
    for index, change in enumerate(row.changes, 2):
        cell, gap = line[index], difference(change, name, is_grouped=is_grouped)
        if cell.value is not None:
            against = " ".join(filter(None, (gap.text, gap.note)))
            note = _("; ").join(filter(None, (cell.note, against)))
            line[index] = replace(cell, note=note, tone=gap.tone or "bold")
    return line


def difference(change: Change, name: str, *, is_grouped: bool) -> Cell:
    """Single runs without an interval have no verdict: the table says so once."""
    size, details = change_texts(change, name)
    if not is_grouped and change.is_short:
        details = ""
    cell = Cell(size, note=details, tone=_TONES.get(change.verdict, ""))
    if change.absolute is None or change.size is None:
        return cell
    measure = "share of base" if change.is_relative else unit_name(name)
    bounds = None if change.low is None or change.high is None else (change.low, change.high)
    return replace(cell, value=change.size, measure=measure, bounds=bounds)
