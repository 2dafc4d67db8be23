"""``make test``: all tests on SQLite, and those that may differ there on PostgreSQL as well.

May differ: what writes, locks, relies on a constraint, reads JSON, sorts or sums, and each page
once (marker ``postgresql``). Pages, forms and texts get their rows from the same queries, so the
rest of their tests cannot. ``--all`` runs every test that uses a database on PostgreSQL.

Tests that take the tour or start other processes run for minutes, mostly waiting. So four runs go
beside each other: what needs the tour; what starts processes, which uses what the tour has
installed; PostgreSQL; and the others. The output of the first three is printed at the end.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import find_chromium
from tests.stack import postgresql

NO_TESTS = 5  # pytest's exit code: nothing was selected
# The parts that run beside the others, and what they are called.
BESIDE = {"processes": "With real processes", "tour": "After the tour, most in a browser"}
# The parts that run one after the other: one process would hold the modules of all tests.
IN_TURN = {
    "rest": "Without other processes, on SQLite",
    "pages": "Pages and API, on SQLite",
    "browser": "In a browser",
}
POSTGRESQL = "Database tests again, on PostgreSQL"


def main(arguments: list[str]) -> int:
    """Run all, whatever one of them says; 0 when all passed."""
    # Hundreds of processes start: each would compile all modules again, a second of each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    is_all = "--all" in arguments
    arguments = [argument for argument in arguments if argument != "--all"]
    with ExitStack() as at_end:
        options = {"prefix": "vacc-tests-", "dir": "/tmp", "ignore_cleanup_errors": True}
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(**options)))
        # Of tests that were chosen, none may take the tour.
        is_whole = all(argument.startswith("--shuffle=") for argument in arguments)
        toured = [f"--toured={folder / 'toured'}"] if is_whole else []
        beside = [
            at_end.enter_context(
                _beside(title, [*arguments, *_of(part), *toured], folder / part, {})
            )
            for part, title in BESIDE.items()
        ]
        chosen = "--database=" + ("all" if is_all else "postgresql")
        database = {"TEST_DATABASE_URL": at_end.enter_context(postgresql())}
        beside.append(
            at_end.enter_context(
                _beside(POSTGRESQL, [*arguments, chosen], folder / "postgresql", database)
            )
        )
        try:
            codes = []
            for part, title in IN_TURN.items():
                print(f"\n{title}:", flush=True)
                codes.append(subprocess.call(_command([*arguments, *_of(part)])))
            codes += [wait() for wait in beside]
        except KeyboardInterrupt:
            return 130
    if find_chromium() is None:
        print(
            "\nBrowser tests were skipped: no Chromium on the PATH. "
            "On Debian or Ubuntu: apt install chromium fonts-wqy-microhei"
        )
    if all(code == NO_TESTS for code in codes):
        return NO_TESTS
    return 0 if all(code in (0, NO_TESTS) for code in codes) else 1


@contextmanager
def _beside(
    title: str, arguments: list[str], folder: Path, environ: dict[str, str]
) -> Iterator[Callable[[], int]]:
    """Start a run of pytest beside others; it has ended where the ``with`` ends.

    Gives a function that waits for it, prints its output, and returns its exit code.
    """
    with tempfile.TemporaryFile("w+") as output:
        command = _command([*arguments, f"--basetemp={folder}"])
        run = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environ
        )

        def wait() -> int:
            print(f"\n{title}:", flush=True)
            code = run.wait()
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout)
            return code

        try:
            yield wait
        finally:
            run.wait()  # where we were interrupted, it was as well, and stops what it has started


def _of(part: str) -> list[str]:
    # The pages have the API's document. The plugin takes a second of a start, and memory.
    return [f"--part={part}", *(["-p", "no:schemathesis"] if part != "pages" else [])]


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
