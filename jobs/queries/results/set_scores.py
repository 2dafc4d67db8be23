"""An evaluation's score of each data set, in groups with their means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Sum

from jobs.models import Answer, Result
from jobs.queries.statistics import Interval, wilson

# A group of more sets is one row, which opens.
MOST_ROWS = 8
SHARES = ("accuracy",)
_SCORE = re.compile(r"(?P<name>.+?)(?: \((?P<sets>\d+)\))? (?P<value>\d+(?:\.\d+)?|-)")


@dataclass(frozen=True, slots=True)
class SetRow:
    """One data set. ``value`` is in per cent; ``interval`` from 0 to 1, None where nobody knows how
    many questions it had.
    """

    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class SetGroup:
    """Sets that belong together. ``macro`` counts each set once, ``weighted`` each question once,
    both in per cent; None where there are fewer than two sets, or one is no share or not known.
    """

    name: str
    rows: Sequence[SetRow]
    macro: float | None
    weighted: float | None
    questions: int | None

    @property
    def is_folded(self) -> bool:
        """True where it is one row, which opens."""
        return len(self.rows) > MOST_ROWS

    @property
    def metric(self) -> str:
        """The metric of its sets."""
        return self.rows[0].metric

    @property
    def mode(self) -> str:
        """The mode of its sets."""
        return self.rows[0].mode


def set_groups(result: Result) -> list[SetGroup]:
    """The groups in the order of the tool; empty for a benchmark.

    Results that were kept without their sets tell them by their remark, else by their answers.
    """
    if result.sort != Result.Sort.EVALUATION:
        return []
    rows = _kept(result) or _said(result) or _answered(result)
    groups: dict[str, list[SetRow]] = {}
    for group, row in rows:
        groups.setdefault(group, []).append(row)
    return [_group(name, found) for name, found in groups.items()]


def _kept(result: Result) -> list[tuple[str, SetRow]]:
    return [
        (str(one["group"]), _row(**{name: one[name] for name in one if name != "group"}))
        for one in result.surroundings.get("sets") or ()
    ]


def _said(result: Result) -> list[tuple[str, SetRow]]:
    """ "cluewsc-dev 97.48, cluewsc-test 95.18, mmlu (57) 90.80" of an earlier remark."""
    told = [r["args"].get("scores") for r in result.remarks if r["id"] == "evaluate:sets"]
    found = []
    for part in str(told[0] if told else "").split(", "):
        match = _SCORE.fullmatch(part)
        if match:
            value = None if match["value"] == "-" else float(match["value"])
            name = f"{match['name']} ({match['sets']})" if match["sets"] else match["name"]
            group = re.sub(r"-(?:dev|test|val|train)$", "", name)
            found.append((group, _row(name, "", "accuracy", "gen", value, None)))
    return found


def _answered(result: Result) -> list[tuple[str, SetRow]]:
    counts = (
        Answer.objects.scored()
        .filter(result=result)
        .order_by("subset")
        .values_list("subset")
        .annotate(questions=Count("pk"), right=Sum("score"))
    )
    return [
        (
            str(result.job.params.get("questions") or ""),
            _row(subset, "", "accuracy", "gen", 100 * right / questions, questions),
        )
        for subset, questions, right in counts
    ]


def _row(
    dataset: str, version: str, metric: str, mode: str, value: float | None, questions: int | None
) -> SetRow:
    interval = None
    if value is not None and questions and metric in SHARES:
        interval = wilson(min(value / 100, 1.0) * questions, questions)
    return SetRow(dataset, version, metric, mode, value, questions, interval)


def _group(name: str, rows: Sequence[SetRow]) -> SetGroup:
    values = [row.value for row in rows if row.value is not None and row.metric in SHARES]
    sizes = [row.questions for row in rows if row.questions]
    questions = sum(sizes) if len(sizes) == len(rows) else None
    if len(rows) < 2 or len(values) < len(rows):
        return SetGroup(name, rows, None, None, questions)
    weighted = (
        sum(value * size for value, size in zip(values, sizes, strict=True)) / questions
        if questions
        else None
    )
    return SetGroup(name, rows, sum(values) / len(values), weighted, questions)
