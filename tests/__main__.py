"""``make test``: all tests on SQLite, and those that may differ there on PostgreSQL as well.

May differ: what writes, locks, relies on a constraint, reads JSON, sorts or sums, and each page
once (marker ``postgresql``). Pages, forms and texts get their rows from the same queries, so the
rest of their tests cannot. ``--all`` runs every test that uses a database on PostgreSQL.

Tests that take the tour or start other processes run for minutes, partly waiting. So three parts
run at once, and the next begins when one ends. Each output is printed at the end of its part.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import find_browser
from tests.stack import MADE, postgresql

NO_TESTS = 5  # exit code of pytest: nothing was selected
AT_ONCE = 3
# In the order of their starts: some tests of the processes wait for what the tour installs, and the
# shortest ends last. Each part is a process of its own: one for all would hold all tests' modules.
TITLES = {
    "tour": "After the tour, most in a browser",
    "processes": "With real processes",
    "browser": "In a browser",
    "pages": "Pages and API, on SQLite",
    "rest": "Without other processes, on SQLite",
    "postgresql": "Database tests again, on PostgreSQL",
}


@dataclass
class Part:
    """One run of pytest. ``output``: the file of what it prints."""

    name: str
    output: Path
    options: list[str]
    environ: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """Run it to its end; return the exit code."""
        command = [sys.executable, "-m", "pytest", *self.options]
        with self.output.open("wb") as file:
            return subprocess.call(command, env=os.environ | self.environ, stdout=file, stderr=file)

    def show(self) -> None:
        print(
            f"\n{TITLES[self.name]}:\n{self.output.read_text(errors='replace')}", end="", flush=True
        )


def main(arguments: list[str]) -> int:
    """Run all, whatever one of them says; 0 when all passed."""
    # Hundreds of processes start: each would compile all modules again, a second of each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options = {"prefix": "vacc-tests-", "dir": "/tmp", "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(**options) as folder, postgresql() as database:
        os.environ[MADE] = folder
        codes = set()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            runs = {
                pool.submit(part.run): part for part in _parts(arguments, Path(folder), database)
            }
            try:
                for run in as_completed(runs):
                    runs[run].show()
                    codes.add(run.result())
            except KeyboardInterrupt:
                # It reaches the running parts, too: they stop what they have started.
                pool.shutdown(cancel_futures=True)
                return 130
    if find_browser() is None:
        print(
            "\nBrowser tests were skipped: no Chromium on the PATH. "
            "On Debian or Ubuntu: apt install chromium fonts-wqy-microhei"
        )
    if codes == {NO_TESTS}:
        return NO_TESTS
    return 0 if codes <= {0, NO_TESTS} else 1


def _parts(arguments: list[str], folder: Path, database: str) -> Iterator[Part]:
    chosen = [argument for argument in arguments if argument != "--all"]
    for name in TITLES:
        options = [*chosen, f"--basetemp={folder / name}"]
        if name == "postgresql":
            options.append("--database=" + ("all" if "--all" in arguments else "postgresql"))
            yield Part(name, folder / f"{name}.txt", options, {"TEST_DATABASE_URL": database})
            continue
        options.append(f"--part={name}")
        if name != "pages":
            # The pages have the API's document. The plugin takes a second of a start, and memory.
            options += ["-p", "no:schemathesis"]
        if all(argument.startswith("--shuffle=") for argument in chosen):
            # Of tests that were chosen, none may take the tour.
            options.append(f"--toured={folder / 'toured'}")
        yield Part(name, folder / f"{name}.txt", options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
