"""Subjects of MMLU in four areas, with scores, sorted, and beside a baseline's.

Areas: ``categories.py`` of MMLU's authors (github.com/hendrycks/test; Hendrycks et al. 2021,
Measuring Massive Multitask Language Understanding).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jobs.models import Result
from jobs.queries.results.results import SetGroup, SetRow, set_groups
from jobs.statistics import Interval, difference, wilson

AREAS: Mapping[str, Sequence[str]] = {
    "stem": (
        *("abstract_algebra", "astronomy", "college_biology", "college_chemistry"),
        *("college_computer_science", "college_mathematics", "college_physics"),
        *("computer_security", "conceptual_physics", "electrical_engineering"),
        *("elementary_mathematics", "high_school_biology", "high_school_chemistry"),
        *("high_school_computer_science", "high_school_mathematics", "high_school_physics"),
        *("high_school_statistics", "machine_learning"),
    ),
    "humanities": (
        *("formal_logic", "high_school_european_history", "high_school_us_history"),
        *("high_school_world_history", "international_law", "jurisprudence"),
        *("logical_fallacies", "moral_disputes", "moral_scenarios", "philosophy", "prehistory"),
        *("professional_law", "world_religions"),
    ),
    "social": (
        *("econometrics", "high_school_geography", "high_school_government_and_politics"),
        *("high_school_macroeconomics", "high_school_microeconomics", "high_school_psychology"),
        *("human_sexuality", "professional_psychology", "public_relations", "security_studies"),
        *("sociology", "us_foreign_policy"),
    ),
    "other": (
        *("anatomy", "business_ethics", "clinical_knowledge", "college_medicine", "global_facts"),
        *("human_aging", "management", "marketing", "medical_genetics", "miscellaneous"),
        *("nutrition", "professional_accounting", "professional_medicine", "virology"),
    ),
}
_AREA_OF = {name: area for area, names in AREAS.items() for name in names}
# Names of OpenCompass, EvalScope and lm-eval: "lukaemon_mmlu_virology", "mmlu/virology".
_BEFORE = re.compile(r"^(?:lukaemon_)?mmlu[/_]")
Sort = Literal["score", "difference", "name"]
SORTS: Sequence[Sort] = ("score", "difference", "name")


@dataclass(frozen=True, slots=True)
class Subject:
    """Subject with its score; ``gap`` is the score minus the baseline's, from −1 to 1."""

    name: str
    row: SetRow
    gap: Interval | None


@dataclass(frozen=True, slots=True)
class Area:
    """Subjects of an area in order; ``share`` is pooled over their questions, None where a score or
    a number of questions is missing. ``gap``: as of a subject."""

    name: str
    subjects: Sequence[Subject]
    share: Interval | None
    gap: Interval | None


def subject_name(dataset: str) -> str:
    """Return the subject of a data set of MMLU; "" for other data sets."""
    name = _BEFORE.sub("", dataset.strip().lower())
    return name if name in _AREA_OF else ""


def areas(group: SetGroup, base: Result | None, sort: Sort) -> list[Area]:
    """Return the areas of a group, those with subjects; empty for other data sets.

    Lowest scores and largest losses are first: they are what one looks for.
    """
    named = [(subject_name(row.dataset), row) for row in group.rows]
    if not named or not all(name for name, _row in named):
        return []
    rows = (row for group in (set_groups(base) if base else ()) for row in group.rows)
    before = {name: row for row in rows if (name := subject_name(row.dataset))}
    subjects = [
        Subject(name, row, _gap(row.interval, before[name].interval if name in before else None))
        for name, row in named
    ]
    found = []
    for area in AREAS:
        own = [one for one in subjects if _AREA_OF[one.name] == area]
        if own:
            pooled = _pooled([one.row for one in own])
            old = [before[one.name] for one in own if one.name in before]
            was = _pooled(old) if len(old) == len(own) else None
            found.append(Area(area, _sorted(own, sort), pooled, _gap(pooled, was)))
    return found


def _gap(now: Interval | None, was: Interval | None) -> Interval | None:
    return difference(now, was) if now and was else None


def _pooled(rows: Sequence[SetRow]) -> Interval | None:
    total = sum(row.questions or 0 for row in rows)
    known = [row.interval.value * (row.questions or 0) for row in rows if row.interval]
    return wilson(sum(known), total) if total and len(known) == len(rows) else None


def _sorted(subjects: Sequence[Subject], sort: Sort) -> list[Subject]:
    """Return the subjects in order; those without a value are last."""
    if sort == "name":
        return sorted(subjects, key=lambda one: one.name)
    if sort == "difference":
        return sorted(subjects, key=lambda one: (one.gap is None, one.gap and one.gap.value))
    return sorted(subjects, key=lambda one: (one.row.value is None, one.row.value))
