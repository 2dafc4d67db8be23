"""A process with Django set up on the records of a dashboard, which a test's own process has not.

One serves all calls of a test run: each start of Django takes most of a second of a processor.
``python -m tests.records``: each line in is ``[function, {arguments}]``, each line out
``{"answer": …}`` or ``{"error": …}``.
"""

import io
import json
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Records:
    """Start it with the settings of a dashboard in ``environ``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.records"],
            cwd=ROOT,
            env={**environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C ends the tests first
        )

    def call(self, function: str, /, **order: Any) -> Any:
        """Call a function by its module and name; arguments and answer are JSON.

        Raises:
            AssertionError: the function raised an error; its traceback.
        """
        self._process.stdin.write(json.dumps([function, order]) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if "error" in reply:
            raise AssertionError(f"{function}: {reply['error']}")
        return reply["answer"]

    def shell(self, code: str) -> str:
        """Run ``code``; what it printed."""
        printed: str = self.call("tests.records.run", code=code)
        return printed

    def close(self) -> None:
        self._process.communicate()


def run(code: str) -> str:
    with redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return printed.getvalue()


def hash_passwords_fast() -> None:
    """A million rounds cost a seventh of a second of a processor, at each login."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: PLC0415 -- needs Django

    PBKDF2PasswordHasher.iterations = 1000


def main() -> None:
    import django  # noqa: PLC0415 -- only in the program

    django.setup()
    hash_passwords_fast()
    from django.db import connections  # noqa: PLC0415

    answers = sys.stdout
    for line in sys.stdin:
        function, order = json.loads(line)
        module, _, name = function.rpartition(".")
        try:
            with redirect_stdout(sys.stderr):
                reply = {"answer": getattr(import_module(module), name)(**order)}
        except Exception:  # returned to the caller
            reply = {"error": traceback.format_exc()}
        connections.close_all()  # the database may be another one the next time
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
