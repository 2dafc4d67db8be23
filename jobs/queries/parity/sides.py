"""Evidence of two sides, from the answers of stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.metrics.measured import SHARES, SetScore
from jobs.models import Answer, Result
from jobs.queries.comparison.accuracy import scored_answers
from jobs.queries.results.results import set_groups, set_key
from jobs.statistics import Evidence, Scores, Share, from_scores


@dataclass(slots=True)
class Notes:
    """Limits of the evidence: names of data sets by kind of limit, and the identity of each set.

    ``only_base``, ``only_result``: sets of one side. ``partly``: scored questions of a set that
    both have, of the most that a side was asked. ``apart``: left out, no common question.
    ``unequal``: left out, other numbers of questions, which are given. ``catalogue``: number of
    questions from the catalogue. ``uncounted``: left out, number of questions unknown. ``unfit``:
    left out, the score is of another number of questions. ``no_share``: left out, neither a share
    nor answers. ``version``: other prompts, left out without common questions. ``alone``: one of
    several runs counts, because no answers are stored. ``declared``: the same by name and number
    only, because a side has no answers; "": typed counts without names. ``left_out``: sets of
    pasted tables that are not in their counts.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    identities: dict[str, SetIdentity] = field(default_factory=dict)

    def add(self, kind: str, *names: str) -> None:
        known = self.names.get(kind, [])
        self.names[kind] = list(dict.fromkeys((*known, *names)))


class SetIdentity(NamedTuple):
    """Version of a set and SHA-256 of its common questions; "": unknown."""

    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SideSets:
    """Sets of a side in the order of its tool. ``answers``: scores by set and question; ``asked``:
    number of a set's questions, those without a score included. ``decimals``: of printed scores.

    ``key``: question set of this dashboard, "ours@1f2e3d4c5b6a" or "basics"; "" for sets of a tool.
    ``checksum``: SHA-256 of all questions; "": unknown.
    """

    sets: Mapping[str, SetScore]
    answers: Mapping[str, Scores]
    runs: int = 1
    key: str = ""
    asked: Mapping[str, int] = field(default_factory=dict)
    checksum: str = ""
    decimals: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.sets, *self.answers]))

    def title(self, name: str) -> str:
        """Return the full name of a set: question sets share short ones, such as "short_en"."""
        return f"{self.key}/{name}" if self.key else name

    def version(self, name: str) -> str:
        row = self.sets.get(name)
        return self.key.partition("@")[2] or (row.version if row else "")


def right_of(score: float, total: int, decimals: int = 2) -> int | None:
    """Return the number of correct answers that gives this score in per cent, printed with
    ``decimals``; None where no number does: the score is of another number of questions."""
    right = round(score * total / 100)
    half = 0.5 * 10**-decimals * (1 + 1e-6) + 1e-9
    return right if abs(100 * right / total - score) <= half else None


def decimals_of(text: str) -> int:
    return len(text.strip().partition(".")[2])


def side_of(results: Sequence[Result]) -> SideSets:
    """Return the sets of a result, or of several runs; a result without sets is one set."""
    head, found = results[0], scored_answers(results)
    checksum = str((head.parts.get("workload") or {}).get("questions_sha256") or "")
    sets: dict[str, SetScore] = {
        row.dataset: row for group in set_groups(head) for row in group.rows
    }
    if not sets and not found.sets:
        share, total = head.metrics.get("accuracy"), int(head.metrics.get("questions") or 0)
        if share is not None and total:
            right, name = head.metrics.get("correct", round(share * total)), head.what
            sets = {name: SetScore(name, "", SHARES[0], "", 100 * right / total, total, name)}
        return SideSets(sets, {}, len(results), checksum=checksum)
    keys = dict.fromkeys(filter(None, map(set_key, results)))
    left, names = _joined(sets, found.sets)
    return SideSets(
        left,
        {names.get(name, name): scores for name, scores in found.sets.items()},
        len(results),
        " + ".join(keys),
        {names.get(name, name): asked for name, asked in found.asked.items()},
        checksum,
    )


def _joined(
    sets: Mapping[str, SetScore], answers: Mapping[str, Scores]
) -> tuple[dict[str, SetScore], dict[str, str]]:
    """Return sets, and names of answers -> names of sets, so that no question counts twice. Answers
    of a set may have a longer name ("gsm8k/main" of gsm8k), or one that was cut."""
    left, names = dict(sets), dict[str, str]()
    longest = Answer._meta.get_field("subset").max_length
    for name in sets:
        if name in answers:
            continue
        own = [one for one in answers if one == name[:longest] or one.startswith(f"{name}/")]
        if len(own) == 1:
            names[own[0]] = name
        elif own:
            del left[name]
    return left, names


def evidence_of(base: SideSets, result: SideSets) -> tuple[list[Evidence], Notes]:
    """Return the evidence of the common sets, and its limits."""
    notes = Notes()
    # Of one full name; with other ones the questions of both sides decide.
    common = [
        name
        for name in base.names
        if name in result.names
        and (
            base.title(name) == result.title(name)
            or (base.answers.get(name) and result.answers.get(name))
        )
    ]
    for kind, side in (("only_base", base), ("only_result", result)):
        notes.add(kind, *(side.title(name) for name in side.names if name not in common))
    found = [_evidence(name, base, result, notes) for name in common]
    return [one for one in found if one is not None], notes


def _evidence(name: str, base: SideSets, result: SideSets, notes: Notes) -> Evidence | None:
    rows = base.sets.get(name), result.sets.get(name)
    group = next((row.group for row in rows if row), "")
    title = " / ".join(dict.fromkeys((base.title(name), result.title(name))))
    versions = [version for side in (base, result) if (version := side.version(name))]
    is_other = len(set(versions)) > 1
    if is_other and base.key == result.key:  # else the title has them
        notes.add("version", f"{title} {versions[0]} / {versions[1]}")
    first, second = base.answers.get(name), result.answers.get(name)
    if first and second:
        common = [key for key in first if key in second]
        if not common:
            notes.add("apart", title)
            return None
        asked = max(len(first), len(second), base.asked.get(name, 0), result.asked.get(name, 0))
        if len(common) < asked:
            notes.add("partly", f"{title} {len(common)} / {asked}")
        version = " / ".join(dict.fromkeys(versions))
        questions = "\n".join(sorted(map(str, common))).encode("utf-8", "replace")
        notes.identities[title] = SetIdentity(version, sha256(questions).hexdigest())
        return from_scores(title, group, first, second)
    if is_other:
        return None
    before, after = _counted(name, base, notes), _counted(name, result, notes)
    if before is None or after is None:
        return None
    numbers = before[0].total, after[0].total
    sides = zip(numbers, (base, result), strict=True)
    first_asked, second_asked = ({total, side.asked.get(name, total)} for total, side in sides)
    if not first_asked & second_asked:
        notes.add("unequal", f"{title} {numbers[0]} / {numbers[1]}")
        return None
    if base.checksum and result.checksum and base.checksum != result.checksum:
        notes.add("apart", title)
        return None
    if max(base.runs, result.runs) > 1:
        notes.add("alone", title)
    notes.add("declared", title)
    notes.identities[title] = SetIdentity(versions[0] if versions else "", "")
    return Evidence(title, group, before[0], after[0], printed=(before[1], after[1]))


def _counted(name: str, side: SideSets, notes: Notes) -> tuple[Share, float] | None:
    """Return a set as a share of questions, with the share as stored."""
    if name in side.answers:
        own = from_scores(name, "", side.answers[name], side.answers[name]).first
        return own, own.value
    row = side.sets[name]
    if row.value is None or row.metric not in SHARES:
        notes.add("no_share", side.title(name))
        return None
    total, decimals = row.questions or None, side.decimals.get(name, 2)
    if total is None:
        known = EVALUATION_SETS.get(name)
        if known is None or (row.version and row.version != known.version):
            notes.add("uncounted", side.title(name))
            return None
        total = known.questions
        notes.add("catalogue", side.title(name))
        if right_of(row.value, total, decimals) is None:
            notes.add("unfit", side.title(name))
            return None
    right = right_of(row.value, total, decimals)
    exact = total * row.value / 100 if right is None else right
    return Share(min(exact, total), total), row.value / 100
