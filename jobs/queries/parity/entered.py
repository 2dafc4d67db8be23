"""Sides that a person enters: bare counts such as 118/142, and pasted tables of scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobs.base.errors import ParseError
from jobs.base.messages import Message, ReasonError
from jobs.confined import SHORT, NotDone, Task
from jobs.kinds.evaluate import group_of
from jobs.metrics.measured import NO_SCORE, SetScore, TableScore
from jobs.queries.parity.sides import SideSets, decimals_of, right_of
from jobs.statistics import Evidence, Share

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


class SetCount(NamedTuple):
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


def counts_of(text: str, field: str) -> list[SetCount]:
    """Return the counts in a text, one a set. Raises ParityError."""
    if len(text) > LONGEST:
        raise _refused("parity:long", field, most=LONGEST)
    parts = [part.strip() for part in re.split(r"[,;，；\n]", text) if part.strip()]
    if not parts:
        raise _refused("parity:none", field)
    if len(parts) > MOST_SETS:
        raise _refused("parity:many_sets", field, most=MOST_SETS)
    return [_count(part, field) for part in parts]


def _count(part: str, field: str) -> SetCount:
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
    return SetCount(right, total, printed)


def evidence_of_counts(
    base: Sequence[SetCount], result: Sequence[SetCount], names: Sequence[str] = ()
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


def _printed(count: SetCount) -> float:
    return count.right / count.total if count.printed is None else count.printed / 100


def columns_of(text: str) -> list[tuple[str, SideSets]]:
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
        (
            name,
            SideSets(
                {one.dataset: _set(one) for one in rows.values()},
                {},
                decimals={one.dataset: decimals_of(one.text) for one in rows.values()},
            ),
        )
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


def _set(score: TableScore) -> SetScore:
    is_score = score.value is not None and 0 <= score.value <= 100
    if not is_score and score.text not in NO_SCORE:
        raise _refused(
            "parity:bad_score", "tables", name=score.dataset[:100], score=score.text[:40]
        )
    head = (score.dataset, score.version, score.metric, score.mode, score.value)
    return SetScore(*head, None, group_of(score.dataset))
