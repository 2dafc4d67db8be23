"""``make pressure``: too much of everything; fails if memory grew, the rest stood or a byte went.

Each case is one line of the table. Exit code 1 when a bound is broken or anything was lost.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.programs import dashboard
from tests.faults.report import DOCUMENT, between, machine, say
from tests.pressure import scene
from tests.pressure.cases import CASES
from tests.pressure.memory import ROLES
from tests.pressure.scene import PressureRow
from tests.stack import ROOT, Stack

LOG_GB, SHORT_LOG_GB = 20.0, 0.2
REST_S = 10.0  # of a dashboard that has just started

HEAD = (
    f"| case | {' | '.join(ROLES)} | log, bytes | SHA-256 | slowest page, s | s | bound met |",
    f"| -- |{' --: |' * len(ROLES)} --: | -- | --: | --: | -- |",
)
SHORT = 8  # digits of a checksum that are shown
_WHAT = {case.name: case.what for case in CASES}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    rows: list[PressureRow] = []
    with under_pressure() as stack:
        if not options.json:
            for text in (*HEAD, bounds()):
                say(text)
        for name, work in _works(options):
            row = scene.run(stack, name, work, log_gb=options.log_gb, short=options.short)
            rows.append(row)
            if not options.json:
                _tell(row)
    if options.json:
        say(json.dumps([to_json(row) for row in rows], indent=1, ensure_ascii=False))
    if options.write:
        write(rows)
    return 1 if any(row.wrong for row in rows) else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make pressure ARGS=…", description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--log-gb", type=float, default=0.0, help=f"of the flood: {LOG_GB:g}")
    parser.add_argument("--short", action="store_true", help="smaller, as in CI")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--write", action="store_true", help="the run into docs/reliability.md")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"there is no case {unknown[0]}; there are {', '.join(names)}")
    options.log_gb = options.log_gb or (SHORT_LOG_GB if options.short else LOG_GB)
    return options


def _works(options: argparse.Namespace) -> Iterator[tuple[str, scene.Work]]:
    yield "at rest", lambda _scene: time.sleep(REST_S)
    for case in CASES:
        is_wanted = case.is_short or not options.short
        if case.name in options.names or (not options.names and is_wanted):
            yield case.name, case.run


@contextmanager
def under_pressure() -> Iterator[Stack]:
    """A dashboard with its own host, which permits the tool."""
    folder = Path(tempfile.mkdtemp(prefix="pressure-"))
    roots = f"default:{ROOT / 'tests' / 'pressure'}"
    try:
        with dashboard(folder, AGENT_ALLOWED_PATHS=roots) as stack:
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(row: PressureRow) -> None:
    say(line(row))
    if row.figures:
        say(f"    {figures(row)}")
    for wrong in row.wrong:
        say(f"    wrong: {wrong}")


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
