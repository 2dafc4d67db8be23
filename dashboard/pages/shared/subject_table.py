"""Groups of data sets on a page, those of MMLU by area and subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.utils.translation import gettext as _

from dashboard.text.formatting import number
from jobs.models import Result
from jobs.queries.results.organised import baseline_history
from jobs.queries.results.set_scores import SetGroup
from jobs.queries.results.subjects import SORTS, Area, Sort, areas
from jobs.statistics import Interval


@dataclass(frozen=True, slots=True)
class SubjectTable:
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
    """Return the name of an area."""
    titles = {
        "stem": _("STEM"),
        "humanities": _("Humanities"),
        "social": _("Social sciences"),
        "other": _("Other (business, health, misc.)"),
    }
    return titles[area.name]


def gap_text(gap: Interval) -> str:
    """Return a difference of shares in points with its interval: "−2.10 [−5.30, +1.10]"."""
    value, low, high = (number(100 * one, 2, signed=True) for one in (gap.value, gap.low, gap.high))
    return f"{value} [{low}, {high}]"
