"""Markdown table of data sets in the format of the deployment guide."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext as _

from jobs.queries.results.set_scores import SetGroup

# Placeholder for a name that the page fills in.
NAME = "{name}"


def markdown(groups: Sequence[SetGroup], name: str) -> str:
    """Return one table per group, as in the guide: a row per set, then their mean. A group of many
    sets is one row."""
    return "\n".join(_table(group, name) for group in groups)


def _table(group: SetGroup, name: str) -> str:
    lines = [
        f"| dataset | version | metric | mode | {_cell(name)} |",
        "|----- | ----- | ----- | ----- | -----|",
    ]
    if not group.is_folded:
        for row in group.rows:
            cells = (row.title, row.version, row.metric, row.mode, _score(row.value))
            lines.append(_row(*cells))
    if group.is_folded or group.macro is not None:
        lines.append(_mean(group))
    return "\n".join(lines) + "\n"


def mean_label(group: SetGroup, *, alone: bool) -> str:
    """Return "avg" as in the guide, with the group's name when several groups exist."""
    if group.is_folded:
        args = {"name": group.name, "n": len(group.rows)}
        return _("%(name)s, avg of %(n)s") % args
    return "avg" if alone else f"avg {group.name}"


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
    return f"| {' | '.join(map(_cell, cells))} |"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def tables(results: Sequence[tuple[Sequence[SetGroup], str]]) -> str:
    """Return the tables of several results, each with its name, as in the guide."""
    return "\n".join(markdown(groups, name) for groups, name in results)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
