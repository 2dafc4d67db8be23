"""Markdown table of data sets in the format of the deployment guide."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from dashboard.text.formatting import percent
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
            lines.append(_line(row.dataset, row.version, row.metric, row.mode, row.value))
    if group.is_folded or group.macro is not None:
        label = mean_label(group, alone=True)
        lines.append(_line(label, "", group.metric, group.mode, group.macro))
    return "\n".join(lines) + "\n"


def mean_label(group: SetGroup, *, alone: bool) -> str:
    """Return "avg" as in the guide, with the group's name when several groups exist."""
    if group.is_folded:
        args = {"name": group.name, "n": len(group.rows)}
        return _("%(name)s, avg of %(n)s") % args
    return "avg" if alone else f"avg {group.name}"


def _line(dataset: str, version: str, metric: str, mode: str, value: float | None) -> str:
    shown = "-" if value is None else percent(value / 100)
    cells = map(_cell, (dataset, version, metric, mode, shown))
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
