"""``make test``: all tests on SQLite, and those that may differ there on PostgreSQL as well.

May differ: what writes, locks, relies on a constraint, reads JSON, sorts or sums, and each page
once (marker ``postgresql``). Pages, forms and texts get their rows from the same queries, so the
rest of their tests cannot. ``--all`` runs every test that uses a database on PostgreSQL.

Tests that take the tour or start other processes run for minutes, partly waiting. So three lanes
of parts go beside each other. The outputs of the second and the third are printed at the end.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from tests.conftest import find_chromium
from tests.stack import postgresql

INTERRUPTED, NO_TESTS = 2, 5  # exit codes of pytest; NO_TESTS: nothing was selected
TITLES = {
    "rest": "Without other processes, on SQLite",
    "pages": "Pages and API, on SQLite",
    "postgresql": "Database tests again, on PostgreSQL",
    "tour": "After the tour, most in a browser",
    "browser": "In a browser",
    "processes": "With real processes",
}
# Each part is a process of its own: one for all would hold the modules of all tests. Some tests of
# the processes wait for what the tour installs.
LANES = (("rest", "pages", "postgresql"), ("tour", "browser"), ("processes",))


@dataclass
class Part:
    """One run of pytest. ``output``: where its output is kept; None: it goes to the terminal."""

    name: str
    options: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    output: Path | None = None
    code: int = NO_TESTS

    def run(self) -> None:
        command = [sys.executable, "-m", "pytest", *self.options]
        environ = os.environ | self.environ
        if self.output is None:
            self.show()
            self.code = subprocess.call(command, env=environ)
            return
        with self.output.open("wb") as file:
            self.code = subprocess.call(command, stdout=file, stderr=file, env=environ)

    def show(self) -> None:
        print(f"\n{TITLES[self.name]}:", flush=True)
        if self.output is not None and self.output.exists():
            print(self.output.read_text(errors="replace"), end="", flush=True)


def main(arguments: list[str]) -> int:
    """Run all, whatever one of them says; 0 when all passed."""
    # Hundreds of processes start: each would compile all modules again, a second of each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options = {"prefix": "vacc-tests-", "dir": "/tmp", "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(**options) as folder, postgresql() as database:
        parts = _parts(arguments, Path(folder), database)
        first, *others = ([parts[name] for name in lane] for lane in LANES)
        for part in chain(*others):
            part.output = Path(folder) / f"{part.name}.txt"
        try:
            # On Ctrl-C all parts are interrupted, and stop what they have started.
            with ThreadPoolExecutor() as pool:
                for lane in others:
                    pool.submit(_run, lane)
                _run(first)
        except KeyboardInterrupt:
            return 130
        for part in chain(*others):
            part.show()
    if find_chromium() is None:
        print(
            "\nBrowser tests were skipped: no Chromium on the PATH. "
            "On Debian or Ubuntu: apt install chromium fonts-wqy-microhei"
        )
    codes = {part.code for part in parts.values()}
    if codes == {NO_TESTS}:
        return NO_TESTS
    return 0 if codes <= {0, NO_TESTS} else 1


def _parts(arguments: list[str], folder: Path, database: str) -> dict[str, Part]:
    chosen = [argument for argument in arguments if argument != "--all"]
    parts = {}
    for name in chain(*LANES):
        part = parts[name] = Part(name, [*chosen, f"--basetemp={folder / name}"])
        if name == "postgresql":
            part.options.append("--database=" + ("all" if "--all" in arguments else "postgresql"))
            part.environ = {"TEST_DATABASE_URL": database}
            continue
        part.options.append(f"--part={name}")
        if name != "pages":
            # The pages have the API's document. The plugin takes a second of a start, and memory.
            part.options += ["-p", "no:schemathesis"]
        if all(argument.startswith("--shuffle=") for argument in chosen):
            # Of tests that were chosen, none may take the tour.
            part.options.append(f"--toured={folder / 'toured'}")
    return parts


def _run(lane: Sequence[Part]) -> None:
    for part in lane:
        part.run()
        if part.code == INTERRUPTED:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
