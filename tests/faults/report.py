"""The table of the matrix: at the terminal as it goes, and in docs/reliability.md."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.cases import CASES, Case
from tests.faults.random_kills import Kills
from tests.faults.trial import FaultRow

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
SHORT = 8  # digits of a checksum that are shown
HEAD = (
    "| target | fault | job | when | verdict | log, bytes | host | dashboard | pages | s |",
    "| -- | -- | -- | -- | -- | --: | -- | -- | -- | --: |",
)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def line(row: FaultRow) -> str:
    pages = sorted({page[:SHORT] for page in row.pages})
    shown = f"{len(row.pages)} × {pages[0]}" if len(pages) == 1 else ", ".join(pages) or "–"
    cells = [
        row.verdict + (" **wrong**" if row.wrong else ""),
        f"{row.size:,}",
        row.host[:SHORT],
        row.dashboard[:SHORT] or "–",
        shown,
        f"{row.seconds:.0f}",
    ]
    if row.skipped:
        cells = [f"*not run: {row.skipped}*", *([""] * 5)]
    return f"| {' | '.join([*_about(row.case), *cells])} |"


def summary(rows: Sequence[FaultRow], kills: Kills | None) -> list[str]:
    ran = [row for row in rows if not row.skipped]
    bad = [row for row in ran if row.wrong]
    lines = []
    if rows:
        lines.append(
            f"{len(ran)} cases in {sum(row.seconds for row in ran):.0f} s, "
            f"{sum(row.size for row in ran) / 1e6:.0f} MB of logs, "
            f"{sum(row.lost_bytes for row in ran)} bytes lost, {len(bad)} wrong."
        )
    if kills is not None:
        lines.append(kills.message())
    return lines


def machine() -> str:
    """Description of the machine, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.now(tz=UTC):%Y-%m-%d}"
    )


def write(rows: Sequence[FaultRow], kills: Kills | None, *, database: str) -> None:
    """Put the run into docs/reliability.md: these cases' lines, and how the kills went.

    Lines of other cases stay; those that are no case any more go.
    """
    text = DOCUMENT.read_text(encoding="utf-8")
    if rows:
        new = {_about(row.case): line(row) for row in rows}
        known = {_about_line(old): old for old in text.splitlines() if old.startswith("| ")}
        lines = [new.get(key) or known.get(key) for key in map(_about, CASES)]
        kept = [entry for entry in lines if entry is not None]
        text = between(text, "matrix", "\n".join([f"{_whole(kept, database)}", "", *HEAD, *kept]))
    if kills is not None:
        text = between(text, "kills", f"{machine()}, {database}. {kills.message()}")
    DOCUMENT.write_text(text, encoding="utf-8")


def _whole(lines: Sequence[str], database: str) -> str:
    """Totals of the table's cases."""
    ran = [line for line in lines if "not run" not in line]
    wrong = sum("**wrong**" in line for line in ran)
    size = sum(int(_cells(line)[5].replace(",", "")) for line in ran)
    seconds = sum(int(_cells(line)[9]) for line in ran)
    return (
        f"{machine()}, {database}: {len(ran)} cases, {seconds} s, {size / 1e6:.0f} MB of logs, "
        f"{wrong} wrong."
    )


def _about(case: Case) -> tuple[str, ...]:
    how = " + ".join([case.how, *([" ".join(case.also)] if case.also else [])])
    return (case.hit, how, case.kind, case.when)


def _about_line(line: str) -> tuple[str, ...]:
    return tuple(_cells(line)[:4])


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def between(text: str, name: str, new: str) -> str:
    """``text`` with ``new`` between the marks of this name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.partition(end)[2]}"
