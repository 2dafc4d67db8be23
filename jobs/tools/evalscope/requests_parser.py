"""Single requests of EvalScope's performance test: the database ``benchmark_data.db`` (SQLite).

The file is a stranger's: it is read in memory, its schema is not trusted, and a statement that runs
for too long is stopped. Only a plain table is read: a view, a virtual table and a generated column
compute their values.
"""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import closing
from typing import Any

from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import MOST_REQUESTS, RequestTimes

_HEAD = b"SQLite format 3\x00"
_STEPS = 1_000  # instructions of SQLite between two checks
_MOST_S = 5.0  # processor time
_LONGEST_VALUE = 10_000_000  # bytes, also of a row
_LONGEST_REASON = 200
_KIND = "SELECT substr(sql, 1, 13) FROM sqlite_schema WHERE name = 'result'"
_COMPUTED = "SELECT name FROM pragma_table_xinfo('result') WHERE hidden <> 0"
_ROWS = """
    SELECT first_chunk_latency, time_per_output_token, latency, completion_tokens
    FROM result WHERE success = 1 LIMIT ?
"""


def is_base(content: bytes) -> bool:
    """Return True for a SQLite database."""
    return content.startswith(_HEAD)


def read(path: str, content: bytes) -> tuple[list[RequestTimes], tuple[Message, ...]]:
    """Return the completed requests, else a message with the damage."""
    try:
        with closing(sqlite3.connect(":memory:")) as base:
            return _times(base, content), ()
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        reason = f"{path}: {error}"[:_LONGEST_REASON]
        return [], (Message("figures:no_requests", {"reason": reason}),)


def _times(base: sqlite3.Connection, content: bytes) -> list[RequestTimes]:
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    base.deserialize(content)
    base.execute("PRAGMA trusted_schema = OFF")
    end = time.thread_time() + _MOST_S
    base.set_progress_handler(lambda: time.thread_time() > end, _STEPS)
    if base.execute(_KIND).fetchall() != [("CREATE TABLE ",)] or base.execute(_COMPUTED).fetchone():
        raise ValueError("no plain table 'result'")
    return [_row(*row) for row in base.execute(_ROWS, (MOST_REQUESTS + 1,))]


def _row(first_s: Any, further_s: Any, whole_s: Any, tokens: Any) -> RequestTimes:
    first, further, whole = (_seconds(value) for value in (first_s, further_s, whole_s))
    has_further = further is not None and _seconds(tokens) not in (None, 0.0, 1.0)
    return RequestTimes(
        None if first is None else MS_PER_S * first,
        MS_PER_S * further if further is not None and has_further else None,
        whole,
    )


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{value!r:.40} is no time")
    return float(value)
