"""``make faults``: hit everything in the middle of jobs, and fail if anything was lost."""

import argparse
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults import report
from tests.faults.cases import CASES, Case
from tests.faults.middles import Middle
from tests.faults.random_kills import KINDS, Killer, Kills, new_seed
from tests.faults.trial import FaultRow, Trial
from tests.faults.world import World, may_mount

LONG_KILLS = 200
STOPPED_S = 30.0


def main(arguments: Sequence[str]) -> int:
    """Exit code 0: nothing was lost and nothing was wrong."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    cases = [case for case in CASES if re.search(options.only, case.name)]
    if options.short:
        cases = [case for case in cases if case.is_short]
    if options.kills_only:
        cases = []
    count = options.kills or (LONG_KILLS if options.long else 0)
    kinds = {case.kind for case in cases} | (set(options.kinds) if count else set())
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir="/tmp"))
    world = World(folder / "w", with_postgres=not options.sqlite, small_disks=may_mount())
    try:
        middle = Middle(world)
        middle.prepare(kinds)
        trial = Trial(world, middle, stopped_s=options.stopped)
        rows = _run_cases(trial, cases, options)
        killer = Killer(world, trial, options.kinds, seed=options.seed or new_seed())
        kills = killer.run(count, _tell) if count else None
    finally:
        world.close()
        folder.rmdir()
    return _end(rows, kills, options)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults ARGS=…", description=__doc__)
    parser.add_argument("--long", action="store_true", help=f"and {LONG_KILLS} random kills")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="and N random kills")
    parser.add_argument("--kills-only", action="store_true", help="without the matrix")
    parser.add_argument("--kinds", nargs="*", default=KINDS, help="of jobs for the random kills")
    parser.add_argument("--seed", type=int, default=0, help="of the random kills")
    parser.add_argument("--short", action="store_true", help="the cases that run in CI")
    parser.add_argument("--only", default="", metavar="REGEX", help="cases of such names")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    parser.add_argument("--stopped", type=float, default=STOPPED_S, help="seconds of a stop")
    parser.add_argument("--write", action="store_true", help="the run into docs/reliability.md")
    return parser.parse_args(arguments)


def _run_cases(trial: Trial, cases: Sequence[Case], options: argparse.Namespace) -> list[FaultRow]:
    rows: list[FaultRow] = []
    for text in report.HEAD if cases else ():
        report.say(text)
    for case in cases:
        rows.append(trial.run(case))
        report.say(report.line(rows[-1]))
        for wrong in rows[-1].wrong:
            report.say(f"    wrong: {wrong}")
        if options.write:  # rows so far stay if the run is ended here
            report.write(rows, None, database=_database(options))
    return rows


def _tell(row: FaultRow, kills: int) -> None:
    report.say(f"{report.line(row)} after {kills} kills")
    for wrong in row.wrong:
        report.say(f"    wrong: {wrong}")


def _end(rows: Sequence[FaultRow], kills: Kills | None, options: argparse.Namespace) -> int:
    for message in report.summary(rows, kills):
        report.say(message)
    if options.write:
        report.write(rows, kills, database=_database(options))
    looked_at = [*rows, *(kills.rows if kills is not None else ())]
    return 1 if any(row.wrong for row in looked_at) else 0


def _database(options: argparse.Namespace) -> str:
    return "SQLite" if options.sqlite else "PostgreSQL"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
