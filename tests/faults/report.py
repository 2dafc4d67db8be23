"""The table of the matrix: at the terminal as it goes, and in docs/reliability.md."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.random_kills import Kills
from tests.faults.trial import Row

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
SHORT = 8  # digits of a checksum that are shown
HEAD = (
    "| # | what is hit | how | in the middle of | when | verdict | log, bytes "
    "| host | dashboard | pages | s |",
    "|--:|---|---|---|---|---|--:|---|---|---|--:|",
)


def say(words: str) -> None:
    """A line at the terminal, at once."""
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def line(number: int, row: Row) -> str:
    """One line of the table."""
    case = row.case
    how = " + ".join([case.how, *([" ".join(case.also)] if case.also else [])])
    about = f"| {number} | {case.hit} | {how} | {case.kind} | {case.when} "
    if row.skipped:
        return f"{about}| *not run: {row.skipped}* | | | | | |"
    pages = sorted({page[:SHORT] for page in row.pages})
    shown = f"{len(row.pages)} × {pages[0]}" if len(pages) == 1 else ", ".join(pages) or "–"
    return (
        f"{about}| {row.verdict}{' **wrong**' if row.wrong else ''} | {row.size:,} "
        f"| {row.host[:SHORT]} | {row.dashboard[:SHORT]} | {shown} | {row.seconds:.0f} |"
    )


def summary(rows: Sequence[Row], kills: Kills | None) -> list[str]:
    """How it went, in sentences."""
    ran = [row for row in rows if not row.skipped]
    bad = [row for row in ran if row.wrong]
    said = []
    if rows:
        said.append(
            f"{len(ran)} cases in {sum(row.seconds for row in ran):.0f} s, "
            f"{sum(row.size for row in ran) / 1e6:.0f} MB of logs, "
            f"{sum(row.lost_bytes for row in ran)} bytes lost, {len(bad)} wrong."
        )
    if kills is not None:
        said.append(kills.sentence())
    return said


def machine() -> str:
    """What it ran on, without a name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.now(tz=UTC):%Y-%m-%d}"
    )


def write(rows: Sequence[Row], kills: Kills | None, *, database: str) -> None:
    """Put the run into docs/reliability.md, in place of the one before."""
    text = DOCUMENT.read_text(encoding="utf-8")
    if rows:
        lines = [f"{machine()}, {database}. {summary(rows, None)[0]}", "", *HEAD]
        lines += [line(number, row) for number, row in enumerate(rows, 1)]
        text = _between(text, "matrix", "\n".join(lines))
    if kills is not None:
        text = _between(text, "kills", f"{machine()}, {database}. {kills.sentence()}")
    DOCUMENT.write_text(text, encoding="utf-8")


def _between(text: str, name: str, new: str) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.partition(end)[2]}"
