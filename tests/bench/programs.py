"""Programs beside a row: started with an order, read line by line, ended with the row."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.stack import ROOT


class Program:
    """A running program that reads and prints lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._in, self._out = process.stdin, process.stdout

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def say(self, line: str = "") -> None:
        """Write a line to the program."""
        self._in.write(line + "\n")
        self._in.flush()

    def tell(self, order: Mapping[str, Any]) -> None:
        """Write a line of JSON to the program."""
        self.say(json.dumps(order))

    def hear(self) -> str:
        """Return the next line of its output.

        Raises:
            RuntimeError: it has ended.
        """
        line = self._out.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} has ended: {self._process.wait()}")
        return line.strip()

    def answer(self) -> Any:
        """The next line as JSON."""
        return json.loads(self.hear())


@contextmanager
def program(
    module: str, order: Mapping[str, Any] | None = None, *, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run ``python -m tests.bench.<module>`` with its order, and end it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # The kernel may share the processor between sessions: what is measured has its own.
        start_new_session=True,
    )
    try:
        started = Program(process)
        if order is not None:
            started.tell(order)
        yield started
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
