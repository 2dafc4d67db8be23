"""Pasted summary tables of OpenCompass, as in the deployment guide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.errors import ParseError
from jobs.kinds.evaluate.evaluate_opencompass import group_of
from jobs.messages import Message
from jobs.parsers.opencompass.opencompass_tables import HEAD, Score, parse_csv, parse_markdown
from jobs.queries.parity.counts import decimals_of
from jobs.queries.parity.errors import ParityError
from jobs.queries.parity.sides import Side, TableSet

MOST_BYTES = 200_000
_NAME = "table"


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
    is_csv = content.lstrip().startswith(",".join(HEAD).encode())
    try:
        scores = (parse_csv if is_csv else parse_markdown)(_NAME, content.strip())
    except ParseError as error:
        reason = Message("parity:no_table", {"reason": str(error)[:300]})
        raise ParityError(reason, "tables") from error
    columns: list[tuple[str, dict[str, Score]]] = []
    for score in scores:
        if not columns or columns[-1][0] != score.model or score.dataset in columns[-1][1]:
            columns.append((score.model, {}))
        columns[-1][1][score.dataset] = score
    return [Pasted(name, _side(list(rows.values()))) for name, rows in columns]


def _side(scores: Sequence[Score]) -> Side:
    return Side({one.dataset: _set(one) for one in scores}, {})


def _set(score: Score) -> TableSet:
    head = (score.dataset, group_of(score.dataset), score.version, score.metric, score.value)
    return TableSet(*head, questions=None, decimals=decimals_of(score.text))
