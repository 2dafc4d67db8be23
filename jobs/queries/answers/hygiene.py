"""Faulty answers of an evaluation, and how far they could move its score.

The score is the share of correct answers among the scored ones: an answer without a score is not
incorrect. The bounds of a group of answers count all of them as incorrect, then all as correct.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count

from jobs.models import AnswerRow, Result
from jobs.queries.answers.answer_flags import FAULTS, FLAGS, bits
from jobs.statistics import wilson

# A share of faulty answers from which a score does not look clean, even of a small sample.
MOST = 0.05
_STRAY = 0.05  # a smaller share of answers with reasoning does not speak against thinking off


@dataclass(frozen=True, slots=True)
class Faulty:
    """Answers with a flag; ``flag`` "": with any. ``low`` and ``high`` bound the score."""

    flag: str
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Unswitched:
    """Answers that speak against the chosen thinking: ``chosen`` is "off", and ``reasoned`` of
    ``total`` answers have reasoning; or it is "on", and none has."""

    chosen: Literal["on", "off"]
    reasoned: int
    total: int


@dataclass(frozen=True, slots=True)
class Hygiene:
    """Flags of an evaluation's answers. ``unknown``: flags that its files cannot tell."""

    total: int
    scored: int
    correct: int
    flags: Sequence[Faulty]
    any: Faulty
    unknown: frozenset[str]

    @property
    def unscored(self) -> int:
        return self.total - self.scored

    @property
    def score(self) -> float | None:
        return self.correct / self.scored if self.scored else None


def hygiene(result: Result) -> Hygiene | None:
    """Return the flags of an evaluation; None without stored answers."""
    rows = AnswerRow.objects.filter(result=result).order_by()
    counted = rows.values_list("marks", "verdict").annotate(n=Count("pk"))
    counts = Counter({(marks, verdict): n for marks, verdict, n in counted})
    total = counts.total()
    if not total:
        return None
    known = {name for name in FLAGS if f"answers_{name}" in result.metrics}
    return Hygiene(
        total=total,
        scored=total - _verdict(counts, AnswerRow.Verdict.UNSCORED),
        correct=_verdict(counts, AnswerRow.Verdict.CORRECT),
        flags=[_faulty(name, bits([name]), counts) for name in FLAGS],
        any=_faulty("", FAULTS, counts),
        unknown=frozenset(FLAGS) - known,
    )


def is_doubtful(result: Result) -> bool:
    """Return True if faulty answers leave the score more uncertain than its sample size does, or
    are 5 % of all. Reads the stored metrics only."""
    metrics = result.metrics
    total, faulty = metrics.get("answers_total") or 0, metrics.get("answers_faulty") or 0
    if not total or not faulty:
        return False
    interval = wilson((metrics.get("accuracy") or 0.0) * total, total)
    return bool(faulty / total >= min(MOST, (interval.high - interval.low) / 2))


def unswitched(result: Result) -> Unswitched | None:
    """Return what speaks against the thinking that a run chose; None for nothing, or the default.

    Reads the stored metrics only.
    """
    metrics = result.metrics
    if not metrics.get("answers_unswitched"):
        return None
    reasoned = int(metrics.get("answers_reasoned") or 0)
    total = int(metrics.get("answers_total") or 0)
    if 0 < reasoned < _STRAY * total:  # such as a question about tags of reasoning
        return None
    return Unswitched("off" if reasoned else "on", reasoned, total)


def _verdict(counts: Counter[tuple[int, str]], wanted: str) -> int:
    return sum(n for (_marks, verdict), n in counts.items() if verdict == wanted)


def _faulty(name: str, mask: int, counts: Counter[tuple[int, str]]) -> Faulty:
    kept = Counter({key: n for key, n in counts.items() if key[0] & mask})
    verdicts = AnswerRow.Verdict
    count, unscored = kept.total(), _verdict(kept, verdicts.UNSCORED)
    scored = counts.total() - _verdict(counts, verdicts.UNSCORED) + unscored
    right = _verdict(counts, verdicts.CORRECT) - _verdict(kept, verdicts.CORRECT)
    return Faulty(
        flag=name,
        count=count,
        share=count / counts.total(),
        low=right / scored if scored else 0.0,
        high=(right + count) / scored if scored else 1.0,
    )
