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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.stacks import dashboard
from tests.faults.report import say
from tests.pressure import report, scene
from tests.pressure.cases import CASES, Case
from tests.stack import ROOT, Stack

LOG_GB, SHORT_LOG_GB = 20.0, 0.2
REST_S = 10.0  # of a dashboard that has just started


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    rows: list[scene.PressureRow] = []
    with under_pressure() as stack:
        if not options.json:
            for text in (*report.HEAD, report.bounds()):
                say(text)
        for name, work in _works(options):
            row = scene.run(stack, name, work, log_gb=options.log_gb, short=options.short)
            rows.append(row)
            if not options.json:
                _tell(row)
    if options.json:
        say(json.dumps([report.to_json(row) for row in rows], indent=1, ensure_ascii=False))
    if options.write:
        report.write(rows)
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
        if case.name in options.names or (not options.names and _is_wanted(case, options)):
            yield case.name, case.run


def _is_wanted(case: Case, options: argparse.Namespace) -> bool:
    return case.is_short or not options.short


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


def _tell(row: scene.PressureRow) -> None:
    say(report.line(row))
    if row.figures:
        say(f"    {report.figures(row)}")
    for wrong in row.wrong:
        say(f"    wrong: {wrong}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
