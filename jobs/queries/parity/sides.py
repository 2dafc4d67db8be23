"""Evidence of two sides: of stored results, of bare counts ("154/159, 933/976", or scores
"96.86%159"), of pasted tables of OpenCompass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from jobs.base.errors import ParseError
from jobs.base.messages import Message, ReasonError
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.confined import SHORT, NotDone, Task
from jobs.kinds.evaluate import group_of
from jobs.metrics.measured import NO_SCORE, SHARES, TableScore
from jobs.models import Answer, Result
from jobs.queries.answers.own_questions import set_key
from jobs.queries.comparison.accuracy import scored_answers
from jobs.queries.results.results import set_groups
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


class TableSet(NamedTuple):
    """A set without answers: its score in per cent, printed with ``decimals``."""

    name: str
    group: str
    version: str
    metric: str
    value: float | None
    questions: int | None
    decimals: int = 2


@dataclass(frozen=True, slots=True)
class Side:
    """Sets of a side in the order of its tool. ``answers``: scores by set and question; ``asked``:
    number of a set's questions, those without a score included.

    ``key``: question set of this dashboard, "ours@1f2e3d4c5b6a" or "basics"; "" for sets of a tool.
    ``checksum``: SHA-256 of all questions; "": unknown.
    """

    sets: Mapping[str, TableSet]
    answers: Mapping[str, Scores]
    runs: int = 1
    key: str = ""
    asked: Mapping[str, int] = field(default_factory=dict)
    checksum: str = ""

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


def side_of(results: Sequence[Result]) -> Side:
    """Return the sets of a result, or of several runs; a result without sets is one set."""
    head, found = results[0], scored_answers(results)
    checksum = str((head.parts.get("workload") or {}).get("questions_sha256") or "")
    sets = {
        row.dataset: TableSet(
            row.dataset, group.name, row.version, row.metric, row.value, row.questions
        )
        for group in set_groups(head)
        for row in group.rows
    }
    if not sets and not found.sets:
        share, total = head.metrics.get("accuracy"), int(head.metrics.get("questions") or 0)
        if share is not None and total:
            right, name = head.metrics.get("correct", round(share * total)), head.what
            sets = {name: TableSet(name, name, "", SHARES[0], 100 * right / total, total)}
        return Side(sets, {}, len(results), checksum=checksum)
    keys = dict.fromkeys(filter(None, map(set_key, results)))
    left, names = _joined(sets, found.sets)
    return Side(
        left,
        {names.get(name, name): scores for name, scores in found.sets.items()},
        len(results),
        " + ".join(keys),
        {names.get(name, name): asked for name, asked in found.asked.items()},
        checksum,
    )


def _joined(
    sets: Mapping[str, TableSet], answers: Mapping[str, Scores]
) -> tuple[dict[str, TableSet], dict[str, str]]:
    """Return sets, and names of answers -> names of sets, so that no question counts twice.

    Answers of a set may have a longer name ("gsm8k/main" of gsm8k), or one that was cut.
    """
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


def evidence_of(base: Side, result: Side) -> tuple[list[Evidence], Notes]:
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


def _evidence(name: str, base: Side, result: Side, notes: Notes) -> Evidence | None:
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


def _counted(name: str, side: Side, notes: Notes) -> tuple[Share, float] | None:
    """Return a set as a share of questions, with the share as stored."""
    if name in side.answers:
        own = from_scores(name, "", side.answers[name], side.answers[name]).first
        return own, own.value
    row = side.sets[name]
    if row.value is None or row.metric not in SHARES:
        notes.add("no_share", side.title(name))
        return None
    total = row.questions or None
    if total is None:
        known = EVALUATION_SETS.get(name)
        if known is None or (row.version and row.version != known.version):
            notes.add("uncounted", side.title(name))
            return None
        total = known.questions
        notes.add("catalogue", side.title(name))
        if right_of(row.value, total, row.decimals) is None:
            notes.add("unfit", side.title(name))
            return None
    right = right_of(row.value, total, row.decimals)
    exact = total * row.value / 100 if right is None else right
    return Share(min(exact, total), total), row.value / 100


MOST_SETS = 500
MOST_QUESTIONS = 10_000_000
LONGEST = 20_000
MOST_BYTES = 200_000
_COUNT = re.compile(r"(\d{1,8})\s*/\s*(\d{1,8})", re.ASCII)
_SCORE = re.compile(r"(\d{1,3}(?:\.\d{1,12})?)\s*%\s*(\d{1,8})", re.ASCII)
_TABLES = Task("jobs.readings:tables", list[TableScore], SHORT)
# Words in the name of a column, which tell a baseline from a result on VACC.
_BASELINES = frozenset(
    (
        *("h20", "h100", "h200", "h800", "a100", "a800", "b200", "nvidia", "cuda", "gpu"),
        *("official", "baseline", "reference", "官方", "基线"),
    )
)
_OURS = frozenset(("va1", "va10", "va16", "vacc", "vastai", "ours"))


class ParityError(ReasonError):
    """Counts, a table or results without a statement."""


def _refused(message_id: str, field: str, **args: Any) -> ParityError:
    return ParityError(Message(message_id, args), field)


class Count(NamedTuple):
    """Correct answers of one set; ``printed``: the score in per cent that they are from."""

    right: int
    total: int
    printed: float | None = None

    @property
    def text(self) -> str:
        """Return the count as people enter it."""
        if self.printed is not None:
            return f"{self.printed:.12g}%{self.total}"
        return f"{self.right}/{self.total}"


def counts_of(text: str, field: str) -> list[Count]:
    """Return the counts in a text, one a set. Raises ParityError."""
    if len(text) > LONGEST:
        raise _refused("parity:long", field, most=LONGEST)
    parts = [part.strip() for part in re.split(r"[,;，；\n]", text) if part.strip()]
    if not parts:
        raise _refused("parity:none", field)
    if len(parts) > MOST_SETS:
        raise _refused("parity:many_sets", field, most=MOST_SETS)
    return [_count(part, field) for part in parts]


def _count(part: str, field: str) -> Count:
    as_count, as_score = _COUNT.fullmatch(part), _SCORE.fullmatch(part)
    shown, printed = part[:40], None
    if as_count:
        right, total = int(as_count[1]), int(as_count[2])
    elif as_score:
        printed, total = float(as_score[1]), int(as_score[2])
        found = right_of(printed, total, decimals_of(as_score[1])) if total else 0
        if found is None:
            raise _refused("parity:no_count", field, text=shown, score=as_score[1], n=total)
        right = found
    else:
        raise _refused("parity:no_counts", field, text=shown)
    if not 0 < total <= MOST_QUESTIONS:
        raise _refused("parity:no_questions", field, text=shown, most=MOST_QUESTIONS)
    if right > total:
        raise _refused("parity:more_right", field, text=shown)
    return Count(right, total, printed)


def evidence_of_counts(
    base: Sequence[Count], result: Sequence[Count], names: Sequence[str] = ()
) -> list[Evidence]:
    """Return the evidence of counts, set by set. Raises ParityError where the sides differ in sets,
    questions or names."""
    if len(base) != len(result):
        raise _refused("parity:unequal", "result", base=len(base), result=len(result))
    if names and len(names) != len(base):
        raise _refused("parity:names", "names", names=len(names), sets=len(base))
    evidence = []
    for index, (first, second) in enumerate(zip(base, result, strict=True)):
        name = names[index] if names else ""
        if first.total != second.total:
            totals = {"base": first.total, "result": second.total}
            raise _refused("parity:other_numbers", "result", name=name or str(index + 1), **totals)
        printed = None
        if (first.printed, second.printed) != (None, None):
            printed = _printed(first), _printed(second)
        shares = Share(first.right, first.total), Share(second.right, second.total)
        evidence.append(Evidence(name, "", *shares, printed=printed))
    return evidence


def _printed(count: Count) -> float:
    return count.right / count.total if count.printed is None else count.printed / 100


def columns_of(text: str) -> list[tuple[str, Side]]:
    """Return the columns of all tables in a text, each the scores of one model by its name; several
    tables of one model are one column. Raises ``ParityError``: no table, or a damaged one."""
    content = text.replace("\r\n", "\n").encode("utf-8", errors="replace")
    if len(content) > MOST_BYTES:
        raise _refused("parity:long_table", "tables", most=MOST_BYTES // 1000)
    try:
        scores = _TABLES(content)
    except ParseError as error:
        raise _refused("parity:no_table", "tables", reason=str(error)[:300]) from error
    except NotDone as error:
        raise ParityError(error.message, "tables") from error
    columns: list[tuple[str, dict[str, TableScore]]] = []
    for score in scores:
        if not columns or columns[-1][0] != score.model or score.dataset in columns[-1][1]:
            columns.append((score.model, {}))
        columns[-1][1][score.dataset] = score
    return [
        (name, Side({one.dataset: _set(one) for one in rows.values()}, {}))
        for name, rows in columns
    ]


def baseline_of(first: str, second: str) -> int | None:
    """Return the index of the baseline's column, by its name; None if names do not tell."""
    words = [
        "".join(one if one.isalnum() else " " for one in name.lower()).split()
        for name in (first, second)
    ]
    for known, is_base in ((_BASELINES, True), (_OURS, False)):
        found = [not known.isdisjoint(own) for own in words]
        if found[0] != found[1]:
            return found.index(is_base)
    return None


def _set(score: TableScore) -> TableSet:
    is_score = score.value is not None and 0 <= score.value <= 100
    if not is_score and score.text not in NO_SCORE:
        raise _refused(
            "parity:bad_score", "tables", name=score.dataset[:100], score=score.text[:40]
        )
    head = (score.dataset, group_of(score.dataset), score.version, score.metric, score.value)
    return TableSet(*head, questions=None, decimals=decimals_of(score.text))
