"""Flags of an answer: reasons to doubt its verdict.

- ``cut``: it ended at the token limit.
- ``open_thought``: its reasoning never ended.
- ``not_extracted``: it has a text in which the tool found no answer.
- ``empty``: no text, although its reasoning ended.
- ``failed``: the request failed.
- ``looping``: it repeats itself (:mod:`jobs.tools.outputs.loops`).
- ``no_score``: the tool scored other answers of its set, but not this one.

An answer may have several. Some need the other answers of the run (:class:`Habits`): a tool that
extracts nothing in the whole run does not extract at all.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from django.db.models import Count, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual

from jobs.models import AnswerRow, Result
from jobs.queries.sorting import metric
from jobs.statistics import Z

FLAGS = ("cut", "open_thought", "not_extracted", "empty", "failed", "looping", "no_score")
# Stored with a row, a bit each, in this order. The last two compare it with the other answers.
MARKS = (*FLAGS, "slow", "long")
# Statuses of tools for a request without an answer; "unscored" and "excluded" are none.
_FAILED = ("error", "fail", "timeout")
# Words of tools for an extraction without a result.
_NOTHING = frozenset(("", "[invalid]", "none", "null"))
# Rules of our own scorer that found none; "text" looks for an accepted answer in the whole text.
_FOUND_NONE = frozenset(("no_number", "no_letter", "empty"))


class AnswerFacts(NamedTuple):
    """Facts of an answer that its flags derive from. ``thought``: "open", "closed" or "none", by
    the tags in the text; "" where the parser kept no record. ``loops``: see
    :func:`jobs.tools.outputs.loops.loops`."""

    subset: str
    finish: str
    status: str
    tokens: int | None
    thought: str
    has_reasoning: bool
    has_answer: bool
    is_extracted: bool
    loops: bool


class Habits(NamedTuple):
    """Habits of a run: true for most of its answers. ``extracting``: sets whose tool extracts
    answers. ``scoring``: sets of which the tool scored an answer. ``max_tokens``: limit of an
    answer, None where unknown."""

    thinks: bool
    extracting: frozenset[str]
    scoring: frozenset[str]
    max_tokens: int | None

    @property
    def extracts(self) -> bool:
        return bool(self.extracting)


def facts(
    *, reasoning: str, answer: str, extracted: str, rule: str = "", **about: Any
) -> AnswerFacts:
    """Return the facts of one answer. ``rule``: of our own scorer, which tells more than
    ``extracted``; "" for others. ``about``: the other fields of :class:`AnswerFacts`."""
    found = rule not in _FOUND_NONE if rule else extracted.strip().lower() not in _NOTHING
    has_reasoning, has_answer = bool(reasoning.strip()), bool(answer.strip())
    return AnswerFacts(
        has_reasoning=has_reasoning, has_answer=has_answer, is_extracted=found, **about
    )


def habits(rows: Iterable[AnswerFacts], max_tokens: int | None) -> Habits:
    """Return the habits of a run. A set extracts if the tool extracted half of its answers."""
    thinking, total, scoring = 0, 0, set()
    answered: Counter[str] = Counter()
    extracted: Counter[str] = Counter()
    for row in rows:
        total += 1
        if not row.status:
            scoring.add(row.subset)
        thinking += row.has_reasoning or row.thought == "closed"
        answered[row.subset] += row.has_answer
        extracted[row.subset] += row.has_answer and row.is_extracted
    extracting = frozenset(name for name, n in extracted.items() if n and 2 * n >= answered[name])
    thinks = total > 0 and 2 * thinking >= total
    return Habits(thinks, extracting, frozenset(scoring), max_tokens)


def tells_length(row: AnswerFacts, kept: Habits) -> bool:
    """Return True if the tool reported enough to tell whether the answer was cut."""
    return bool(row.finish) or (row.tokens is not None and kept.max_tokens is not None)


def flags(row: AnswerFacts, kept: Habits) -> frozenset[str]:
    is_cut = row.finish == "length"
    if not row.finish and row.tokens is not None and kept.max_tokens is not None:
        is_cut = row.tokens >= kept.max_tokens  # an answer of the limit's length was cut
    is_open = _is_open(row, kept, is_cut=is_cut)
    has_failed = any(word in row.status.lower() for word in _FAILED)
    found = {
        "cut": is_cut,
        "open_thought": is_open,
        "not_extracted": row.has_answer
        and not row.is_extracted
        and row.subset in kept.extracting
        and not is_open,
        "empty": not (row.has_answer or is_open or has_failed),
        "failed": has_failed,
        "looping": row.loops,
        "no_score": bool(row.status) and not has_failed and row.subset in kept.scoring,
    }
    return frozenset(name for name, holds in found.items() if holds)


def _is_open(row: AnswerFacts, kept: Habits, *, is_cut: bool) -> bool:
    if row.thought in ("open", "closed"):
        return row.thought == "open"
    if row.finish not in ("", "length"):
        return False  # the model ended by itself
    if row.has_reasoning:
        return not row.has_answer
    # Templates of reasoning models open the thought in the prompt, so that a cut one has no tag.
    is_untagged = row.thought == "none" and not row.finish
    return kept.thinks and row.has_answer and (is_cut or is_untagged)


def bits(names: Iterable[str]) -> int:
    return sum(1 << MARKS.index(name) for name in names)


def names(marks: int) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(MARKS) if marks >> place & 1)


FAULTS = bits(FLAGS)


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


class Unswitched(NamedTuple):
    """Answers that speak against the chosen thinking: with "off" some have reasoning, with "on"
    none."""

    chosen: Literal["on", "off"]
    reasoned: int
    total: int


class Hygiene(NamedTuple):
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
    are 5 % of all. Reads the stored metrics only, as :func:`unswitched` does."""
    metrics = result.metrics
    total, faulty = metrics.get("answers_total") or 0, metrics.get("answers_faulty") or 0
    doubt, chance = _doubt_and_chance(faulty, total, metrics.get("accuracy") or 0.0)
    return bool(total and faulty) and (faulty >= MOST * total or doubt >= chance)


def _doubt_and_chance(faulty: Any, total: Any, share: Any) -> tuple[Any, Any]:
    """Return the share of faulty answers and half of Wilson's interval, both multiplied with the
    same number and squared. The arguments are numbers, or expressions of a query."""
    doubt = faulty * (total + Z * Z)
    return doubt * doubt, Z * Z * total * total * (total * share * (1.0 - share) + Z * Z / 4)


def unswitched(result: Result) -> Unswitched | None:
    """Return what speaks against the thinking that a run chose; None also for the default."""
    metrics = result.metrics
    if not metrics.get("answers_unswitched"):
        return None
    reasoned = int(metrics.get("answers_reasoned") or 0)
    total = int(metrics.get("answers_total") or 0)
    if 0 < reasoned < _STRAY * total:  # such as a question about tags of reasoning
        return None
    return Unswitched("off" if reasoned else "on", reasoned, total)


def _stored(name: str) -> Coalesce:
    return Coalesce(metric(name).value, 0.0)


_TOTAL, _FAULTY, _REASONED = map(_stored, ("answers_total", "answers_faulty", "answers_reasoned"))
_OF_ANSWERS = Q(type=Result.Type.EVALUATION) & Q(GreaterThan(_TOTAL, 0.0))
# :func:`is_doubtful` and :func:`unswitched` as conditions of a query.
DOUBTFUL = (
    _OF_ANSWERS
    & Q(GreaterThan(_FAULTY, 0.0))
    & (
        Q(GreaterThanOrEqual(_FAULTY, _TOTAL * MOST))
        | Q(GreaterThanOrEqual(*_doubt_and_chance(_FAULTY, _TOTAL, _stored("accuracy"))))
    )
)
UNSWITCHED = (
    _OF_ANSWERS
    & Q(GreaterThan(_stored("answers_unswitched"), 0.0))
    & (Q(Exact(_REASONED, 0.0)) | Q(GreaterThanOrEqual(_REASONED, _TOTAL * _STRAY)))
)


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
