"""Data sets of a result: as Markdown in the format of the deployment guide, and MMLU by area."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple, cast

from django.utils.translation import gettext as _

from jobs.models import Result
from jobs.queries.results.listing import baseline_history
from jobs.queries.results.results import SORTS, Area, SetGroup, Sort, areas

# Placeholder for a name that the page fills in.
NAME = "{name}"


def markdown(groups: Sequence[SetGroup], name: str) -> str:
    """Return one table per group, as in the guide: a row per set, then their mean. A group of many
    sets is one row."""
    tables = []
    for group in groups:
        lines = [_row("dataset", "version", "metric", "mode", name)]
        lines.append("|----- | ----- | ----- | ----- | -----|")
        for row in () if group.is_folded else group.rows:
            lines.append(_row(row.title, row.version, row.metric, row.mode, _score(row.value)))
        if group.is_folded or group.macro is not None:
            lines.append(_mean(group))
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def mean_label(group: SetGroup, groups: Sequence[SetGroup]) -> str:
    """Return "avg" as in the guide, with the group's name when several groups exist."""
    if group.is_folded:
        args = {"name": group.name, "n": len(group.rows)}
        return _("%(name)s, avg of %(n)s") % args
    return "avg" if len(groups) == 1 else f"avg {group.name}"


def _mean(group: SetGroup) -> str:
    """Return the row of the mean: of the printed scores, with a third decimal where it is exact."""
    name = f"{group.name}, avg of {len(group.rows)}" if group.is_folded else "avg"
    printed = [Decimal(_score(row.value)) for row in group.rows if row.value is not None]
    if len(printed) < len(group.rows) or not printed:
        return _row(name, "", group.metric, group.mode, _score(group.macro))
    mean = sum(printed, Decimal()) / len(printed)
    is_exact = mean == round(mean, 3) != round(mean, 2)
    text = f"{mean:.3f}" if is_exact else f"{mean.quantize(Decimal('0.01'), ROUND_HALF_UP)}"
    return _row(name, "", group.metric, group.mode, text)


def _row(*cells: str) -> str:
    texts = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(texts)} |"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


class SubjectTable(NamedTuple):
    """Areas of a result. ``base`` has the scores to compare with; ``sorts`` are the other orders
    with their words."""

    areas: Sequence[Area]
    base: Result | None
    sort: Sort
    sorts: Sequence[tuple[Sort, str]]


def subject_table(result: Result, group: SetGroup, sort: str) -> SubjectTable | None:
    """Return the areas of a group; None unless it is MMLU. ``sort``: one of ``SORTS``, else the
    score. The baseline is that of the subject, if it is another result."""
    if not group.is_folded or not areas(group, None, "name"):
        return None
    current = baseline_history(result).current
    base = current.result if current and current.result_id != result.pk else None
    chosen = cast("Sort", sort) if sort in SORTS else "score"
    if base is None and chosen == "difference":
        chosen = "score"
    words = {"score": _("score"), "difference": _("difference"), "name": _("name")}
    sorts = [(one, words[one]) for one in SORTS if base is not None or one != "difference"]
    return SubjectTable(areas(group, base, chosen), base, chosen, sorts)


def area_title(area: Area) -> str:
    titles = {
        "stem": _("STEM"),
        "humanities": _("Humanities"),
        "social": _("Social sciences"),
        "other": _("Other (business, health, misc.)"),
    }
    return titles[area.name]
