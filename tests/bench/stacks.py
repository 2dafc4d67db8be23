"""A dashboard to measure, and programs of ``inside/`` that work on its data."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.programs import program
from tests.stack import ROOT, Stack, clean_environment, running


@contextmanager
def dashboard(folder: Path, **environ: str) -> Iterator[Stack]:
    """A stack that is ready, as ``make run`` starts it. Its host may run the bench's tools."""
    (folder / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
    permitted = {"AGENT_ALLOWED_PATHS": f"default:{ROOT / 'tests' / 'bench'}"}
    with running(folder / "data", environ=permitted | environ) as stack:
        yield stack


def web(stack: Stack) -> int:
    """Process id of its web server."""
    return stack.children()["web"]


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Environment variables of a program beside a dashboard."""
    known = {"DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    return clean_environment() | known | more


def inside(data_dir: Path, program: str, /, **order: Any) -> Any:
    """Run ``tests.bench.inside.<program>`` on these data; return its answer."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.inside.{program}"],
        cwd=ROOT,
        env=environment(data_dir),
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def until_closed(data_dir: Path, jobs: list[int]) -> dict[str, Any]:
    """Wait until all these jobs have succeeded; what :mod:`tests.bench.inside.ended_jobs` says.

    Raises:
        RuntimeError: one of them has not.
    """
    with program("inside.ended_jobs", {"jobs": jobs}, env=environment(data_dir)) as waiting:
        facts: dict[str, Any] = waiting.answer()
    wrong = {number: job for number, job in facts.items() if job["state"] != "succeeded"}
    if wrong:
        raise RuntimeError(f"not all jobs have succeeded: {wrong}")
    return facts
