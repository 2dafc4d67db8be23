"""The tables of a run: at the terminal, as JSON, and in docs/reliability.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.report import DOCUMENT, between, machine
from tests.pressure.cases import CASES
from tests.pressure.memory import ROLES
from tests.pressure.scene import PressureRow

HEAD = (
    f"| case | {' | '.join(ROLES)} | log, bytes | SHA-256 | slowest page, s | s | bound met |",
    f"| -- |{' --: |' * len(ROLES)} --: | -- | --: | --: | -- |",
)
SHORT = 8  # digits of a checksum that are shown
_WHAT = {case.name: case.what for case in CASES}


def line(row: PressureRow) -> str:
    """One line of the table: MB of one process at most, a role."""
    peaks = [f"{row.peaks[role]:.0f}" if role in row.peaks else "–" for role in ROLES]
    log_cells = [f"{row.log_bytes:,}", row.sha256[:SHORT] or "–", f"{row.slowest_page_s:.1f}"]
    held = "**no**" if row.wrong else "yes"
    cells = [_name(row), *peaks, *log_cells, f"{row.seconds:.0f}", held]
    return f"| {' | '.join(cells)} |"


def bounds() -> str:
    cells = [f"*{role.bound_mb:g}*" for role in ROLES.values()]
    return f"| *bound, MB* | {' | '.join(cells)} |  |  |  |  |  |"


def figures(row: PressureRow) -> str:
    """Times of a row besides its own; "" for none."""
    return "; ".join(f"{name} {value:g}" for name, value in row.figures.items())


def to_json(row: PressureRow) -> dict[str, Any]:
    peaks = {
        role: {"mb": round(mb, 1), "bound_mb": ROLES[role].bound_mb}
        for role, mb in row.peaks.items()
    }
    return {
        **{"name": row.name, "peaks": peaks, "figures": row.figures, "wrong": row.wrong},
        **{"log_bytes": row.log_bytes, "sha256": row.sha256, "held": not row.wrong},
        **{"slowest_page_s": round(row.slowest_page_s, 2), "seconds": round(row.seconds, 1)},
    }


def write(rows: Sequence[PressureRow]) -> None:
    """Put the run into docs/reliability.md. Lines of cases that were not run stay as they are."""
    text = DOCUMENT.read_text(encoding="utf-8")
    old = text.partition("<!-- pressure: begin -->")[2].partition("<!-- pressure: end -->")[0]
    table = _merged(old, "| ", {_name(row): line(row) for row in rows})
    bullets = {_name(row): f"- {_name(row)}: {figures(row)}." for row in rows if row.figures}
    why = [f"- {role}: {each.bound_mb:g} MB. {each.why}." for role, each in ROLES.items()]
    parts = [f"{machine()}, SQLite.", "", *HEAD, bounds(), *table, ""]
    new = "\n".join([*parts, *_merged(old, "- ", bullets), "", *why])
    DOCUMENT.write_text(between(text, "pressure", new), encoding="utf-8")


def _name(row: PressureRow) -> str:
    return _WHAT.get(row.name, row.name)


def _merged(old: str, begin: str, new: Mapping[str, str]) -> list[str]:
    """A line a case, in their order: the new one, or the one that was there."""
    merged = []
    for what in ("at rest", *_WHAT.values()):
        known = [each for each in old.splitlines() if each.startswith(f"{begin}{what}")]
        merged += [new[what]] if what in new else known[:1]
    return merged
