"""A dashboard to measure, and programs beside a row: each started with an order, read line by line,
ended with the row."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.stack import ROOT, Stack, clean_environment, running


class Program:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self.pid = process, process.pid

    def say(self, line: str = "") -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """Return the next line of its output.

        Raises:
            RuntimeError: it has ended.
        """
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} has ended: {self._process.wait()}")
        return line.strip()

    def wait(self) -> None:
        """Return once it has ended by itself."""
        self._process.wait()

    def tell(self, order: Mapping[str, Any]) -> None:
        self.say(json.dumps(order))

    def answer(self) -> Any:
        return json.loads(self.hear())


@contextmanager
def program(
    module: str,
    order: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    python: str | Path = sys.executable,
) -> Iterator[Program]:
    """Run ``python -m tests.bench.<module>`` with its order, and end it with the block."""
    process = subprocess.Popen(
        [python, "-m", f"tests.bench.{module}"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # The kernel may share the processor between sessions: what is measured has its own.
        start_new_session=True,
    )
    with ended(process):
        started = Program(process)
        if order is not None:
            started.tell(order)
        yield started


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """End a process with the block, by force after 10 s."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def dashboard(folder: Path, **environ: str) -> Iterator[Stack]:
    """A stack that is ready, as ``make run`` starts it. Its host may run the bench's tools."""
    (folder / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
    permitted = {"AGENT_ALLOWED_PATHS": f"default:{ROOT / 'tests' / 'bench'}"}
    with running(folder / "data", environ=permitted | environ) as stack:
        yield stack


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    known = {"DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    return clean_environment() | known | more


def until_closed(stack: Stack, jobs: list[int]) -> dict[str, Any]:
    """Wait until all these jobs have succeeded; what ``ended_jobs`` of the orders says.

    Raises:
        RuntimeError: one of them has not.
    """
    facts: dict[str, Any] = stack.call("orders.ended_jobs", jobs=jobs)
    wrong = {number: job for number, job in facts.items() if job["state"] != "succeeded"}
    if wrong:
        raise RuntimeError(f"not all jobs have succeeded: {wrong}")
    return facts
