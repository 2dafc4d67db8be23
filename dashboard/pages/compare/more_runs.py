"""Runs that a significant comparison needs, and deployments that would disturb these runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.pages.shared.provenance import unknown_words
from dashboard.text.labels import result_name
from jobs.models import Deployment, Result
from jobs.queries.comparison.comparison import Comparison
from jobs.queries.results.repeats import disturbers, read_points, values_at
from jobs.statistics import LEAST_RUNS

LAUNCHED_MOST = 10  # runs of one side per request
# A difference that needs more runs is too small to matter.
_RUNS_WORTH = 30


@dataclass(frozen=True, slots=True)
class Side:
    """Missing runs of one side. ``disturbed_by``: other running deployments on its host."""

    result: Result
    runs: int
    disturbed_by: Sequence[Deployment]


@dataclass(frozen=True, slots=True)
class MoreRuns:
    """``text``: missing runs for the first metric, "" when none are missing or no estimate exists.

    ``sides``: sides with missing runs that can be launched here. ``has_enough``: the existing
    repeats give an interval when included.
    """

    text: str
    sides: Sequence[Side] = ()
    has_enough: bool = False

    @property
    def of_each(self) -> int | None:
        """The number of missing runs when equal for all sides, else None."""
        counts = {side.runs for side in self.sides}
        return counts.pop() if len(counts) == 1 and len(self.sides) > 1 else None

    @property
    def disturbed(self) -> list[Side]:
        return [side for side in self.sides if side.disturbed_by]

    @property
    def total(self) -> int:
        return sum(side.runs for side in self.sides)


def more_runs(comparison: Comparison, with_repeats: Sequence[Sequence[Result]]) -> MoreRuns:
    """Return the missing runs of ``comparison``; ``with_repeats`` are its columns with all
    undisturbed repeats."""
    settle, columns = comparison.settle, comparison.columns
    if settle is None:  # the statement on two evaluations has their missing questions
        return MoreRuns("")
    if alone := [column.head for column in columns if not column.head.fingerprint]:
        return MoreRuns(" ".join(map(_stands_alone, alone)))
    each = list(settle.each)
    if len({_key(column.head) for column in columns}) == 1:
        return MoreRuns("")  # single repeats of one measurement: no difference to test
    if settle.is_first:
        each = _without_what_exists(comparison, settle.each, with_repeats)
        if not any(each):
            text = _("Three or more runs of each exist. Include repeats for an interval.")
            return MoreRuns(text, has_enough=True)
    pairs = zip(columns, each, strict=False)
    lacking = [(column.head, lacked) for column, lacked in pairs if lacked]
    text = _missing_text(each, lacking, is_first=settle.is_first)
    if max(each, default=0) > LAUNCHED_MOST:
        return MoreRuns(text)
    beside = disturbers([head for head, _lacked in lacking])
    sides = [
        Side(head, lacked, beside.get(head.pk, ()))
        for head, lacked in lacking
        if head.imported_id is None  # measured elsewhere
    ]
    return MoreRuns(text, sides)


def _without_what_exists(
    comparison: Comparison, each: Sequence[int], with_repeats: Sequence[Sequence[Result]]
) -> list[int]:
    """Return the missing runs of each column with all undisturbed repeats included. Of columns that
    are repeats of each other, only the first counts."""
    counted_runs = [[run for run in runs if run.counts] for runs in with_repeats]
    numbers = [len(runs) for runs in counted_runs]
    if (at := comparison.concurrency) is not None:  # with the compared metric
        metric = comparison.rows[0].metric
        ids = [[run.pk for run in runs] for runs in counted_runs]
        points = read_points((pk for own in ids for pk in own), [at])
        numbers = [len(values_at(points, own, metric, at)) for own in ids]
    exist = {_key(runs[0]): n for runs, n in zip(with_repeats, numbers, strict=True)}
    missing: list[int] = []
    counted: set[str] = set()
    for column, lacked in zip(comparison.columns, each, strict=True):
        key = _key(column.head)
        missing.append(0 if key in counted else min(lacked, max(0, LEAST_RUNS - exist.get(key, 0))))
        counted.add(key)
    return missing


def _key(result: Result) -> str:
    """Return the key that repeats share."""
    return result.fingerprint or f"#{result.pk}"


def _stands_alone(result: Result) -> str:
    """Return why more runs give no interval: parts of the identity are unknown."""
    if result.imported_id is not None:
        text = _("%(name)s has no repeats. Unknown: %(parts)s. Declare them on its page.")
    else:
        text = _("More runs of %(name)s cannot be grouped as repeats. Unknown: %(parts)s.")
    return text % {"name": result_name(result), "parts": unknown_words(result)}


def _missing_text(
    each: Sequence[int], lacking: Sequence[tuple[Result, int]], *, is_first: bool
) -> str:
    if not lacking:
        return _("No significant difference (95 % interval includes 0).")
    most = max(each)
    is_equal = all(lacked == most for lacked in each)
    named = _(", ").join(
        _("%(n)s of %(name)s") % {"n": lacked, "name": result_name(head)}
        for head, lacked in lacking
    )
    if is_first and is_equal:
        text = ngettext(
            "No interval: three runs of each are needed, %(n)s more of each.",
            "No interval: three runs of each are needed, %(n)s more of each.",
            most,
        )
    elif is_first:
        text = _("No interval: three runs of each are needed. Missing: %(named)s.")
    elif most > _RUNS_WORTH:
        text = _(
            "No significant difference (95 %% interval includes 0). Significance would need about"
            " %(n)s more runs of each (power 80 %%)."
        )
    elif not is_equal:
        text = _(
            "No significant difference (95 %% interval includes 0). Needed if the difference stays"
            " (power 80 %%), about: %(named)s."
        )
    else:
        text = ngettext(
            "No significant difference (95 %% interval includes 0). Needed if the difference stays:"
            " about %(n)s more run of each (power 80 %%).",
            "No significant difference (95 %% interval includes 0). Needed if the difference stays:"
            " about %(n)s more runs of each (power 80 %%).",
            most,
        )
    return text % {"n": most, "named": named}
