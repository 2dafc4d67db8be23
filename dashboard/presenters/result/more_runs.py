"""How many more runs would settle a comparison, of which side, and what would disturb them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.presenters.result.provenance import unknown_words
from dashboard.text.formatting import number
from jobs.models import Deployment, Result
from jobs.queries.comparison.comparison import Comparison
from jobs.queries.results.repeats import at_concurrency, disturbers
from jobs.queries.statistics import LEAST_RUNS

LAUNCHED_MOST = 10  # runs of one side by one press
# More runs than this are not worth their time: the difference is too small to matter.
_RUNS_WORTH = 30


@dataclass(frozen=True, slots=True)
class Side:
    """Runs that one side lacks. ``disturbed_by``: other deployments that are up on its host."""

    result: Result
    runs: int
    disturbed_by: Sequence[Deployment]


@dataclass(frozen=True, slots=True)
class MoreRuns:
    """``words``: what would settle the first number, "" where it is settled or nothing can be said.

    ``sides``: those that lack runs which can be launched from here. ``has_enough``: the repeats
    that exist give an interval, if they are counted.
    """

    words: str
    sides: Sequence[Side] = ()
    has_enough: bool = False

    @property
    def of_each(self) -> int | None:
        """The one number that all sides lack; None where they lack different ones."""
        found = {side.runs for side in self.sides}
        return found.pop() if len(found) == 1 and len(self.sides) > 1 else None

    @property
    def disturbed(self) -> list[Side]:
        """Sides whose new runs would count as disturbed."""
        return [side for side in self.sides if side.disturbed_by]

    @property
    def total(self) -> int:
        """Runs of all sides."""
        return sum(side.runs for side in self.sides)


def more_runs(comparison: Comparison, with_repeats: Sequence[Sequence[Result]]) -> MoreRuns:
    """What would settle ``comparison``; ``with_repeats`` are its columns with every quiet repeat
    that exists."""
    settle = comparison.settle
    if settle is None:
        return MoreRuns(_settled_by_questions(comparison))
    if alone := [column.head for column in comparison.columns if not column.head.fingerprint]:
        return MoreRuns(" ".join(map(_stands_alone, alone)))
    each = list(settle.each)
    if len({_key(column.head) for column in comparison.columns}) == 1:
        return MoreRuns("")  # repeats of one measurement, each as itself: nothing differs to settle
    if settle.is_first:
        each = _without_what_exists(comparison, settle.each, with_repeats)
        if not any(each):
            words = _("Each has three runs or more: count them together for an interval.")
            return MoreRuns(words, has_enough=True)
    columns = comparison.columns
    lacking = [
        (column.head, lacked) for column, lacked in zip(columns, each, strict=False) if lacked
    ]
    is_worth = max(each, default=0) <= LAUNCHED_MOST
    beside = disturbers([head for head, _lacked in lacking]) if is_worth else {}
    sides = [Side(head, lacked, beside.get(head.pk, ())) for head, lacked in lacking]
    words = _words(each, lacking, is_first=settle.is_first)
    return MoreRuns(words, sides if is_worth else ())


def _without_what_exists(
    comparison: Comparison, each: Sequence[int], with_repeats: Sequence[Sequence[Result]]
) -> list[int]:
    """Runs that each column lacks when all quiet repeats are counted; of columns that are repeats
    of each other the first stands for all."""
    exist = {_key(runs[0]): _counted(comparison, runs) for runs in with_repeats}
    found: list[int] = []
    seen: set[str] = set()
    for column, lacked in zip(comparison.columns, each, strict=True):
        key = _key(column.head)
        found.append(0 if key in seen else min(lacked, max(0, LEAST_RUNS - exist.get(key, 0))))
        seen.add(key)
    return found


def _key(result: Result) -> str:
    """What repeats have in common."""
    return result.fingerprint or f"#{result.pk}"


def _stands_alone(result: Result) -> str:
    """Why no further run of it would make an interval: something of its identity is unknown."""
    words = _("More runs of #%(job)s would not count as its repeats. Unknown: %(parts)s.")
    return words % {"job": result.job_id, "parts": unknown_words(result)}


def _counted(comparison: Comparison, runs: Sequence[Result]) -> int:
    """How many of ``runs`` would count in a group: quiet, with the number that is compared."""
    quiet = [run for run in runs if run.counts]
    if comparison.concurrency is None:
        return len(quiet)
    return len(at_concurrency(quiet, comparison.rows[0].metric, comparison.concurrency))


def _words(each: Sequence[int], lacking: Sequence[tuple[Result, int]], *, is_first: bool) -> str:
    if not lacking:
        return _("The 95 % interval of the difference includes 0.")
    most = max(each)
    is_equal = all(lacked == most for lacked in each)
    named = _(", ").join(
        _("%(n)s of #%(job)s") % {"n": lacked, "job": head.job_id} for head, lacked in lacking
    )
    if is_first and is_equal:
        words = ngettext(
            "An interval needs three runs of each: %(n)s more run of each gives one.",
            "An interval needs three runs of each: %(n)s more runs of each give one.",
            most,
        )
        return words % {"n": most}
    if is_first:
        words = _("An interval needs three runs of each. Missing: %(named)s.")
        return words % {"named": named}
    if most > _RUNS_WORTH:
        words = _(
            "The 95 %% interval of the difference includes 0. A difference this small would need"
            " about %(n)s more runs of each (power 80 %%)."
        )
        return words % {"n": most}
    if not is_equal:
        words = _(
            "The 95 %% interval of the difference includes 0. About so many more runs would settle"
            " it, if the difference stays (power 80 %%): %(named)s."
        )
        return words % {"named": named}
    words = ngettext(
        "The 95 %% interval of the difference includes 0. About %(n)s more run of each would"
        " settle it, if the difference stays (power 80 %%).",
        "The 95 %% interval of the difference includes 0. About %(n)s more runs of each would"
        " settle it, if the difference stays (power 80 %%).",
        most,
    )
    return words % {"n": most}


def _settled_by_questions(comparison: Comparison) -> str:
    """Of evaluations that were paired: how many more questions it would take."""
    paired = comparison.paired[0] if len(comparison.paired) == 1 else None
    if comparison.barriers or paired is None or not paired.more_needed:
        return ""
    words = _("About %(n)s more questions would settle it, if the difference stays (power 80 %%).")
    return words % {"n": number(paired.more_needed)}
