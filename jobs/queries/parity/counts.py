"""Bare counts as people type them: "154/159, 933/976", or scores "96.86%159"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.base.messages import Message
from jobs.queries.parity.errors import ParityError
from jobs.statistics import ALL, Evidence, Share

MOST_SETS = 500
MOST_QUESTIONS = 10_000_000
LONGEST = 20_000
_COUNT = re.compile(r"(\d{1,8})\s*/\s*(\d{1,8})", re.ASCII)
_SCORE = re.compile(r"(\d{1,3}(?:\.\d{1,12})?)\s*%\s*(\d{1,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Count:
    """Correct answers of one set; ``printed``: the score in per cent that they are from."""

    right: int
    total: int
    printed: float | None = None

    @property
    def text(self) -> str:
        """Return the count as it is typed."""
        if self.printed is not None:
            return f"{self.printed:.12g}%{self.total}"
        return f"{self.right}/{self.total}"


def right_of(score: float, total: int, decimals: int = 2) -> int | None:
    """Return the number of correct answers that gives this score in per cent, printed with
    ``decimals``; None where no number does: the score is of another number of questions."""
    right = round(score * total / 100)
    half = 0.5 * 10**-decimals * (1 + 1e-6) + 1e-9
    return right if abs(100 * right / total - score) <= half else None


def decimals_of(text: str) -> int:
    """Return the number of decimals of a printed score."""
    return len(text.strip().partition(".")[2])


def counts_of(text: str, field: str) -> list[Count]:
    """Return the counts in a text, one a set.

    Raises:
        ParityError: names the error.
    """
    if len(text) > LONGEST:
        raise ParityError(Message("parity:long", {"most": LONGEST}), field)
    parts = [part.strip() for part in re.split(r"[,;，；\n]", text) if part.strip()]
    if not parts:
        raise ParityError(Message("parity:none"), field)
    if len(parts) > MOST_SETS:
        raise ParityError(Message("parity:many_sets", {"most": MOST_SETS}), field)
    return [_count(part, field) for part in parts]


def _count(part: str, field: str) -> Count:
    as_count, as_score = _COUNT.fullmatch(part), _SCORE.fullmatch(part)
    if as_count:
        right, total = int(as_count[1]), int(as_count[2])
        printed = None
    elif as_score:
        printed, total = float(as_score[1]), int(as_score[2])
        found = right_of(printed, total, decimals_of(as_score[1])) if total else 0
        if found is None:
            raise ParityError(
                Message("parity:no_count", {"text": part[:40], "score": as_score[1], "n": total}),
                field,
            )
        right = found
    else:
        raise ParityError(Message("parity:no_counts", {"text": part[:40]}), field)
    if not 0 < total <= MOST_QUESTIONS:
        raise ParityError(
            Message("parity:no_questions", {"text": part[:40], "most": MOST_QUESTIONS}), field
        )
    if right > total:
        raise ParityError(Message("parity:more_right", {"text": part[:40]}), field)
    return Count(right, total, printed)


def evidence_of(
    base: Sequence[Count], result: Sequence[Count], names: Sequence[str] = ()
) -> list[Evidence]:
    """Return the evidence of counts, set by set.

    Raises:
        ParityError: the sides have different numbers of sets or questions, or other names.
    """
    if len(base) != len(result):
        raise ParityError(
            Message("parity:unequal", {"base": len(base), "result": len(result)}), "result"
        )
    if names and len(names) != len(base):
        raise ParityError(
            Message("parity:names", {"names": len(names), "sets": len(base)}), "names"
        )
    for index, (first, second) in enumerate(zip(base, result, strict=True)):
        if first.total != second.total:
            name = names[index] if names else str(index + 1)
            args = {"name": name, "base": first.total, "result": second.total}
            raise ParityError(Message("parity:other_numbers", args), "result")
    return [
        Evidence(
            names[index] if names else ALL,
            "",
            Share(first.right, first.total),
            Share(second.right, second.total),
            printed=_printed(first, second),
        )
        for index, (first, second) in enumerate(zip(base, result, strict=True))
    ]


def _printed(first: Count, second: Count) -> tuple[float, float] | None:
    if first.printed is None and second.printed is None:
        return None
    shares = [
        one.right / one.total if one.printed is None else one.printed / 100
        for one in (first, second)
    ]
    return shares[0], shares[1]
