"""Evidence of a data set: its questions on two sides, paired where both have the answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.queries.statistics import Share, cells_of, design_effect

Scores = Mapping[object, Sequence[float]]  # question -> scores of its answers, from 0 to 1
ALL = ""  # name of counts without a set's name


@dataclass(frozen=True, slots=True)
class Evidence:
    """Accuracy of both sides on one data set.

    ``cells``: questions correct in both, only in the first, only in the second, in neither; None
    without one answer a question on both sides. ``gaps``: difference of each question's mean score,
    None for different questions. ``step``: least difference of a question. ``printed``: shares as a
    table has them, rounded. ``is_share``: scores are 0 or 1.
    """

    name: str
    group: str
    first: Share
    second: Share
    cells: tuple[int, int, int, int] | None = None
    gaps: Sequence[float] | None = None
    step: float = 1.0
    printed: tuple[float, float] | None = None
    is_share: bool = True

    @property
    def gap(self) -> float:
        """Return the difference as a table of the sets has it."""
        if self.printed:
            return self.printed[1] - self.printed[0]
        return self.second.value - self.first.value


def from_scores(name: str, group: str, first: Scores, second: Scores) -> Evidence:
    """Return the evidence of answers; of the common questions, where there are any."""
    common = [key for key in first if key in second]
    if not common:
        sides = [list(first.values()), list(second.values())]
        is_share = _is_share(sides)
        return Evidence(name, group, _share(sides[0]), _share(sides[1]), is_share=is_share)
    sides = [[first[key] for key in common], [second[key] for key in common]]
    is_share = _is_share(sides)
    gaps = [_mean(after) - _mean(before) for before, after in zip(*sides, strict=True)]
    fewest = min(len(scores) for side in sides for scores in side)
    return Evidence(
        name,
        group,
        _share(sides[0]),
        _share(sides[1]),
        cells=cells_of(*sides),
        gaps=gaps,
        step=1 / fewest,
        is_share=is_share,
    )


def _share(questions: Sequence[Sequence[float]]) -> Share:
    """Return the mean of the questions; the design effect is that of their answers."""
    total = len(questions)
    return Share(sum(map(_mean, questions)), total, design_effect(questions))


def _is_share(sides: Sequence[Sequence[Sequence[float]]]) -> bool:
    return all(score in (0, 1) for side in sides for scores in side for score in scores)


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)
