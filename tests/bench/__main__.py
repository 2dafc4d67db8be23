"""``python -m tests.bench [NAME …] [--json] [--quick]``: run the rows one after the other.

Each is a process of its own (``--in FOLDER NAME``), ended when its time is over; whatever it may
have left behind is looked for and ended. Exit code 1 when a row broke: a goal that is missed is a
figure, not an error. Rows beside programs of others run by name only; ``peers`` names them all.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.harness import Bench, exponent
from tests.bench.rows import PEERS, ROWS
from tests.stack import pids_with

FOLDER = "BENCH_FOLDER"  # in the environment of all that a row starts
GRACE_S = 60.0
ALL = ROWS | PEERS
GROWTH = "growth"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    words = ("peers", GROWTH, *ALL)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(words))
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--markdown", action="store_true", help="as docs/performance.md has them")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works")
    parser.add_argument("--share", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--in", type=Path, dest="folder", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.folder:  # a process of one row; SIGTERM ends it with all that it has started
        (name,) = options.names
        figures = ALL[name].figures(Bench(options.folder, options.quick, options.share))
        json.dump([figure.to_json() for figure in figures], sys.stdout)
        return 0
    names = [row for name in options.names for row in (PEERS if name == "peers" else [name])]
    grows = GROWTH in names
    names = [name for name in names if name != GROWTH]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; there are {', '.join(ALL)}")
    if grows and (sizeless := [name for name in names if not ALL[name].grows]):
        parser.error(f"{sizeless[0]} has no size that grows")
    folder = Path(tempfile.mkdtemp(prefix="vacc-bench-"))
    results: list[dict[str, Any]] = []
    broken = []
    try:
        _say(_machine(folder))
        for name in names or [name for name, row in ROWS.items() if row.grows or not grows]:
            figures = _run(name, folder, quick=options.quick)
            if figures and grows:
                figures = _grown(name, folder, figures, quick=options.quick)
            results += figures
            if not figures:
                broken.append(name)
            if not options.json:
                (_print_growth if grows else _print)(figures, markdown=options.markdown)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(results, indent=1, ensure_ascii=False))
    if broken:
        _say(f"no figures of {', '.join(broken)}")
    return 1 if broken else 0


def _grown(
    name: str, parent: Path, figures: Sequence[dict[str, Any]], *, quick: bool
) -> list[dict[str, Any]]:
    """Return figures with those of a tenth of the size beside them; none when that broke."""
    tenths = {each["name"]: each for each in _run(name, parent, quick=quick, share=0.1)}
    return [
        {
            **{key: figure[key] for key in ("name", "unit", "measured")},
            "size": ALL[name].grows,
            "tenth": tenth["measured"],
            "exponent": exponent(tenth["measured"], figure["measured"]),
        }
        for figure in figures
        if (tenth := tenths.get(figure["name"]))
    ]


def _run(name: str, parent: Path, *, quick: bool, share: float = 1.0) -> list[dict[str, Any]]:
    """The figures of one row; none when it broke, took too long or left something behind."""
    row, folder = ALL[name], parent / name
    folder.mkdir()
    began = time.monotonic()
    _say(f"{name}: {row.what}{f', {row.grows} × {share:g}' if share < 1 else ''} …")
    command = [sys.executable, "-m", "tests.bench", name, "--in", str(folder)]
    command += ["--share", str(share)]
    process = subprocess.Popen(
        [*command, *(["--quick"] * quick)],
        env=os.environ | {FOLDER: str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for this process, which passes it on
    )
    try:
        out, _ = process.communicate(timeout=row.limit_s)
    except subprocess.TimeoutExpired:
        _say(f"{name} was stopped after {row.limit_s} s")
        out = _stop(process)
    except KeyboardInterrupt:
        _stop(process)
        _say(f"{name} was stopped")
        raise
    finally:
        left = pids_with(f"{FOLDER}={folder}")
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


def _print(figures: Sequence[dict[str, Any]], *, markdown: bool) -> None:
    for figure in figures:
        limit = "" if figure["limit"] is None else f"{figure['limit']:.4g}"
        ratio = "" if figure["ratio"] is None else f"{figure['ratio']:.3g}"
        measured = f"{figure['measured']:.4g} {figure['unit']}"
        if markdown:
            cells = (f"`{figure['name']}`", measured, limit, ratio, figure["goal"])
            print(f"| {' | '.join(cells)} | {'yes' if figure['met'] else '**no**'} |", flush=True)
        else:
            columns = (f"{figure['name']:36}", f"{measured:>22}", f"{limit:>10}")
            columns += (f"{ratio and f'× {ratio}':>9}", f" {figure['goal']:22}")
            print(*columns, "met" if figure["met"] else "MISSED", flush=True)


def _print_growth(figures: Sequence[dict[str, Any]], *, markdown: bool) -> None:
    for figure in figures:
        unit, power = figure["unit"], figure["exponent"]
        texts = [f"{figure[key]:.4g} {unit}" for key in ("tenth", "measured")]
        texts.append("–" if power is None else f"{power:+.2f}")
        if markdown:
            cells = (f"`{figure['name']}`", figure["size"], *texts)
            print(f"| {' | '.join(cells)} |", flush=True)
        else:
            print(f"{figure['name']:36}", *(f"{text:>22}" for text in texts), flush=True)


def _machine(folder: Path) -> str:
    """The machine, without which figures mean nothing, and the file system of ``folder``."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    command = ["stat", "--file-system", "--format", "%T", str(folder)]
    disk = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    cpu = f"{(names or [platform.machine()])[0]}, {os.cpu_count()} cores"
    parts = (f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", f"{cpu}, load {os.getloadavg()[0]:.1f}")
    parts += (f"{memory:.0f} GiB", f"Linux {platform.release()}")
    return "; ".join((*parts, f"Python {platform.python_version()}", disk))


def _stop_on(*numbers: signal.Signals) -> None:
    """Have each of these raise ``KeyboardInterrupt``, once: what ends then is not cut off again.

    A process that was started in the background ignores Ctrl-C unless it says otherwise.
    """

    def stop(number: int, frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in numbers:
        signal.signal(each, stop)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    _stop_on(signal.SIGINT, signal.SIGTERM)
    sys.exit(main(sys.argv[1:]))
