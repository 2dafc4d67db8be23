"""``python -m tests.bench [NAME …] [--json] [--quick]``: run the rows one after the other.

Each is a process of its own, ended when its time is over; whatever it may have left behind is
looked for and ended. Exit code 1 when a row broke: a goal that is missed is a figure, not an error.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import machine
from tests.bench.rows import ROWS
from tests.bench.stopping import on_signals

FOLDER = "BENCH_FOLDER"  # in the environment of all that a row starts
GRACE_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Run the named ones, or all."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--markdown", action="store_true", help="as docs/performance.md has them")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(ROWS)}")
    folder = Path(tempfile.mkdtemp(prefix="vacc-bench-"))
    results: list[dict[str, Any]] = []
    broken = []
    try:
        _say(machine.describe(folder))
        for name in options.names or ROWS:
            figures = _run(name, folder, quick=options.quick)
            results += figures
            if not figures:
                broken.append(name)
            if not options.json:
                (_print_markdown if options.markdown else _print)(figures)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(results, indent=1, ensure_ascii=False))
    if broken:
        _say(f"no figures of {', '.join(broken)}")
    return 1 if broken else 0


def _run(name: str, parent: Path, *, quick: bool) -> list[dict[str, Any]]:
    """The figures of one row; none when it broke, took too long or left something behind."""
    row, folder = ROWS[name], parent / name
    folder.mkdir()
    began = time.monotonic()
    _say(f"{name}: {row.WHAT} …")
    command = [sys.executable, "-m", "tests.bench.one", name, str(folder)]
    process = subprocess.Popen(
        [*command, *(["--quick"] * quick)],
        env=os.environ | {FOLDER: str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for this process, which passes it on
    )
    try:
        out, _ = process.communicate(timeout=row.LIMIT_S)
    except subprocess.TimeoutExpired:
        _say(f"{name} was stopped after {row.LIMIT_S} s")
        out = _stop(process)
    except KeyboardInterrupt:
        _stop(process)
        _say(f"{name} was stopped")
        raise
    finally:
        left = _left_behind(folder)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    if left:
        _say(f"{name} left processes behind: {left}")
    _say(f"{name}: {time.monotonic() - began:.0f} s")
    return json.loads(out) if process.returncode == 0 and not left else []


def _stop(process: subprocess.Popen[bytes]) -> bytes:
    process.terminate()
    try:
        return process.communicate(timeout=GRACE_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _left_behind(folder: Path) -> list[int]:
    """Processes that a row has started and that still run."""
    mark, pids = f"{FOLDER}={folder}".encode(), []
    for place in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in place.read_bytes().split(b"\0"):
                pids.append(int(place.parent.name))
        except OSError:
            continue
    return pids


def _print(figures: Sequence[dict[str, Any]]) -> None:
    for figure in figures:
        beside = "" if figure["limit"] is None else f"{figure['limit']:.4g}"
        ratio = "" if figure["ratio"] is None else f"× {figure['ratio']:.3g}"
        sign = "met" if figure["met"] else "MISSED"
        measured = f"{figure['measured']:.4g} {figure['unit']}"
        columns = (f"{figure['name']:36}", f"{measured:>22}", f"{beside:>10}", f"{ratio:>9}")
        print(*columns, f" {figure['goal']:22}", sign, flush=True)


def _print_markdown(figures: Sequence[dict[str, Any]]) -> None:
    for figure in figures:
        limit = "" if figure["limit"] is None else f"{figure['limit']:.4g}"
        ratio = "" if figure["ratio"] is None else f"{figure['ratio']:.3g}"
        measured = f"{figure['measured']:.4g} {figure['unit']}"
        cells = (f"`{figure['name']}`", measured, limit, ratio, figure["goal"])
        print(f"| {' | '.join(cells)} | {'yes' if figure['met'] else '**no**'} |", flush=True)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    on_signals(signal.SIGINT, signal.SIGTERM)
    sys.exit(main(sys.argv[1:]))
