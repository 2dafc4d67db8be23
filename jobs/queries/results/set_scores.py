"""Scores of an evaluation by data set, in groups with means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Count, Q

from jobs.metrics.measured import SHARES
from jobs.models import AnswerRow, Result
from jobs.queries.answers.own_questions import set_key
from jobs.statistics import Interval, wilson

# A group with more sets is one row that expands.
MOST_ROWS = 8
_SCORE = re.compile(r"(?P<name>.+?)(?: \((?P<sets>\d+)\))? (?P<value>\d+(?:\.\d+)?|-)")


@dataclass(frozen=True, slots=True)
class SetRow:
    """Score of a data set. ``value`` is in per cent; ``interval`` is from 0 to 1, None when the
    number of questions is unknown. ``question_set``: key of the set of this dashboard that the data
    set is a part of; "" for others.
    """

    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    interval: Interval | None
    question_set: str = ""

    @property
    def title(self) -> str:
        """Return the full name: question sets share names of parts, such as "short_en"."""
        return f"{self.question_set}/{self.dataset}" if self.question_set else self.dataset


@dataclass(frozen=True, slots=True)
class SetGroup:
    """Group of data sets. ``macro`` is the mean of sets, ``weighted`` the mean of questions, in per
    cent; None with fewer than two sets, or when a score is unknown or not a share.
    """

    name: str
    rows: Sequence[SetRow]
    macro: float | None
    weighted: float | None
    questions: int | None

    @property
    def is_folded(self) -> bool:
        """Return True when the group is one row that expands."""
        return len(self.rows) > MOST_ROWS

    @property
    def metric(self) -> str:
        """Return the metric of the group's sets."""
        return self.rows[0].metric

    @property
    def mode(self) -> str:
        """Return the mode of the group's sets."""
        return self.rows[0].mode


def set_groups(result: Result) -> list[SetGroup]:
    """Return the groups in the order of the tool; empty for a benchmark.

    For results stored without sets, the sets come from the remark, else from the answers.
    """
    if result.type != Result.Type.EVALUATION:
        return []
    rows = _stored(result) or _from_remark(result) or _from_answers(result)
    groups: dict[str, list[SetRow]] = {}
    key = set_key(result)
    for group, row in rows:
        own = replace(row, question_set=key, version=row.version or key.partition("@")[2])
        groups.setdefault(group, []).append(own)
    return [_group(name, group_rows) for name, group_rows in groups.items()]


def _stored(result: Result) -> list[tuple[str, SetRow]]:
    return [
        (str(one["group"]), _row(**{name: one[name] for name in one if name != "group"}))
        for one in result.run_context.get("sets") or ()
    ]


def _from_remark(result: Result) -> list[tuple[str, SetRow]]:
    """Parse an earlier remark: "cluewsc-dev 97.48, cluewsc-test 95.18, mmlu (57) 90.80"."""
    scores = [r["args"].get("scores") for r in result.remarks if r["id"] == "evaluate:sets"]
    rows = []
    for part in str(scores[0] if scores else "").split(", "):
        match = _SCORE.fullmatch(part)
        if match:
            value = None if match["value"] == "-" else float(match["value"])
            name = f"{match['name']} ({match['sets']})" if match["sets"] else match["name"]
            group = re.sub(r"-(?:dev|test|val|train)$", "", name)
            rows.append((group, _row(name, "", "accuracy", "gen", value, None)))
    return rows


def _from_answers(result: Result) -> list[tuple[str, SetRow]]:
    counts = (
        AnswerRow.objects.filter(result=result)
        .exclude(verdict=AnswerRow.Verdict.UNSCORED)
        .order_by("subset")
        .values_list("subset")
        .annotate(
            questions=Count("pk"), right=Count("pk", filter=Q(verdict=AnswerRow.Verdict.CORRECT))
        )
    )
    return [
        (
            str(result.job.params.get("questions") or "") if result.job else "",
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
