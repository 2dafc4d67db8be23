"""Questions of the dashboard while OpenCompass asks them: answers and scores, one by one.

``<folder>/.asked.jsonl`` gets a line an answer from our own client, see
``toolchains/scripts/opencompass_questions.py``. A continued run goes on in the file of the earlier
one, and answers what had failed there. Standard library only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.host.readers.counts import MOST_FILES, Counts, Expected, rows
from jobs.host.readers.tails import Tail


class AskedReader:
    """Counts for each expected subset."""

    IS_STEADY = False
    READS_AT_END = True

    def __init__(self, folder: Path, expected: Expected) -> None:
        self._path = folder / ".asked.jsonl"
        self._sets = {name: Counts(total=size) for name, size in expected}
        self._tail = Tail()

    def read(self) -> dict[str, dict[str, float]]:
        """Counts so far by subset, those of all under ""."""
        for line in self._tail.read(self._path)[0]:
            self._add(line)
        return rows(self._sets)

    def _add(self, line: bytes) -> None:
        try:
            answer: Any = json.loads(line)
        except (ValueError, RecursionError):
            return
        name = answer.get("subset") if isinstance(answer, dict) else None
        if not name or not isinstance(name, str):
            return
        if name not in self._sets and len(self._sets) >= MOST_FILES:
            return
        counts = self._sets.setdefault(name, Counts())
        if "error" in answer:
            counts.errors += 1
        else:
            counts.answered += 1
            counts.scored += 1
            counts.right += answer.get("right") is True
            counts.cut += answer.get("finish") == "length"
        if counts.total:
            counts.errors = min(counts.errors, max(0, counts.total - counts.answered))
