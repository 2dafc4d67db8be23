"""Pasted summary tables of OpenCompass, as in the deployment guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.confined import SHORT, NotDone, Task
from jobs.kinds.evaluate.evaluate_opencompass import group_of
from jobs.metrics.measured import NO_SCORE, TableScore
from jobs.queries.parity.counts import decimals_of
from jobs.queries.parity.errors import ParityError
from jobs.queries.parity.sides import Side, TableSet

MOST_BYTES = 200_000
_TABLES = Task("jobs.readings:tables", list[TableScore], SHORT)
# Words in the name of a column, which tell a baseline from a result on VACC.
_BASELINES = frozenset(
    (
        *("h20", "h100", "h200", "h800", "a100", "a800", "b200", "nvidia", "cuda", "gpu"),
        *("official", "baseline", "reference", "官方", "基线"),
    )
)
_OURS = frozenset(("va1", "va10", "va16", "vacc", "vastai", "ours"))


@dataclass(frozen=True, slots=True)
class Pasted:
    """Column of a table: the scores of one model."""

    name: str
    side: Side


def columns_of(text: str) -> list[Pasted]:
    """Return the columns of all tables in a text; several tables of one model are one column.

    Raises:
        ParityError: no table, or a damaged one.
    """
    content = text.replace("\r\n", "\n").encode("utf-8", errors="replace")
    if len(content) > MOST_BYTES:
        raise ParityError(Message("parity:long_table", {"most": MOST_BYTES // 1000}), "tables")
    try:
        scores = _TABLES(content)
    except ParseError as error:
        reason = Message("parity:no_table", {"reason": str(error)[:300]})
        raise ParityError(reason, "tables") from error
    except NotDone as error:
        raise ParityError(error.message, "tables") from error
    columns: list[tuple[str, dict[str, TableScore]]] = []
    for score in scores:
        if not columns or columns[-1][0] != score.model or score.dataset in columns[-1][1]:
            columns.append((score.model, {}))
        columns[-1][1][score.dataset] = score
    return [Pasted(name, _side(list(rows.values()))) for name, rows in columns]


def baseline_of(first: str, second: str) -> int | None:
    """Return the index of the column that is the baseline, by its name; None where names do not
    tell."""
    words = [_words(name) for name in (first, second)]
    for known, is_base in ((_BASELINES, True), (_OURS, False)):
        found = [not known.isdisjoint(own) for own in words]
        if found[0] != found[1]:
            return found.index(is_base)
    return None


def _words(name: str) -> list[str]:
    return "".join(one if one.isalnum() else " " for one in name.lower()).split()


def _side(scores: Sequence[TableScore]) -> Side:
    return Side({one.dataset: _set(one) for one in scores}, {})


def _set(score: TableScore) -> TableSet:
    is_score = score.value is not None and 0 <= score.value <= 100
    if not is_score and score.text not in NO_SCORE:
        args = {"name": score.dataset[:100], "score": score.text[:40]}
        raise ParityError(Message("parity:bad_score", args), "tables")
    head = (score.dataset, group_of(score.dataset), score.version, score.metric, score.value)
    return TableSet(*head, questions=None, decimals=decimals_of(score.text))
