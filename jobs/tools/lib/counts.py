"""Counts of an evaluation while it runs, by file of the tool and by data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobs.plans import LONGEST_PART

# A tool that makes up data sets by the thousand is a fault; a page shows no more either.
MOST_FILES = 500

Expected = Sequence[tuple[str, int]]


@dataclass(slots=True)
class Counts:
    """Questions of one file. ``right`` is a sum of scores from 0 to 1 over ``scored`` questions.

    ``cut``: answers that were cut off at the token limit. ``errors``: questions that got none.
    ``total``: questions that will be asked, 0 where that is not known.
    """

    answered: int = 0
    scored: int = 0
    right: float = 0.0
    cut: int = 0
    errors: int = 0
    total: int = 0

    def values(self) -> dict[str, float]:
        """As one point."""
        return {
            "answered": float(self.answered),
            "scored": float(self.scored),
            "right": round(self.right, 6),
            "cut": float(self.cut),
            "errors": float(self.errors),
            "total": float(self.total),
        }


def added(parts: Iterable[Counts]) -> Counts:
    """The sum; its total is unknown where one of them is."""
    whole, unknown = Counts(), False
    for part in parts:
        whole.answered += part.answered
        whole.scored += part.scored
        whole.right += part.right
        whole.cut += part.cut
        whole.errors += part.errors
        whole.total += part.total
        unknown = unknown or part.total == 0
    if unknown:
        whole.total = 0
    return whole


def rows(sets: Mapping[str, Counts]) -> dict[str, dict[str, float]]:
    """A point for each data set, and one for all of them under the name ""."""
    of_sets = {name[:LONGEST_PART]: counts.values() for name, counts in sets.items() if name}
    return {"": added(sets.values()).values(), **of_sets}
