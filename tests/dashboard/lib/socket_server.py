"""A dashboard's web server in a process of its own, for tests that open sockets.

Run as a program it fills the tables of ``DATA_DIR`` and prints ``{"cookie", "job", "deployment"}``.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from jobs.logstore import LogStore
from tests.stack import DATABASE, ROOT, clean_environment, make_tables
from tests.waiting import PATIENCE_S, listens, until

START = "2026-01-01 00:00:00"


@dataclass
class Server:
    """A running server, its records and its user's cookie."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    cookie: str
    job: int
    deployment: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logs(self) -> LogStore:
        """The server's logs, opened by the test's own process as another web process would."""
        return LogStore(self.data_dir / "logs")

    def socket(self, path: str, *, cookie: str | None = None, **options: Any) -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/ws/{path}",
            additional_headers={"Cookie": self.cookie if cookie is None else cookie},
            compression=None,
            max_size=None,
            **{"origin": self.url, **options},
        )

    def get(self, path: str, *, cookie: str | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            headers={"Cookie": self.cookie if cookie is None else cookie},
        )
        return urllib.request.urlopen(request, timeout=PATIENCE_S)

    def set_state(self, state: str) -> None:
        """Write the job's state past all services, as another process would."""
        finished = None if state == "running" else START
        self._write(
            "UPDATE jobs_job SET state = ?, finished_at = ? WHERE id = ?",
            (state, finished, self.job),
        )

    def set_deployment_state(self, state: str) -> None:
        self._write("UPDATE jobs_deployment SET state = ? WHERE id = ?", (state, self.deployment))

    def set_steps(self, *ends: int) -> None:
        """Let the job's two steps begin where the one before ended; each end is one that went well.

        Offsets in the log, bytes. Without any, no step has begun.
        """
        edges = (0, *ends)
        for index in (0, 1):
            begin, end = (
                edges[at] if at < len(edges) and ends else None for at in (index, index + 1)
            )
            self._write(
                "UPDATE jobs_jobstep SET log_from = ?, log_to = ?, exit_code = ?, started_at = ?"
                ' WHERE job_id = ? AND "index" = ?',
                (
                    begin,
                    end,
                    None if end is None else 0,
                    None if begin is None else START,
                    self.job,
                    index,
                ),
            )

    def shell(self, code: str) -> list[str]:
        """Run ``code`` in Django's shell on the server's records; the words that it printed."""
        environ = clean_environment() | {"DATA_DIR": str(self.data_dir), "DEBUG": "1"}
        command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
        done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
        return done.stdout.decode().split()

    def let_in(self, is_active: bool) -> None:
        self._write("UPDATE auth_user SET is_active = ?", (is_active,))

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(sqlite3.connect(self.data_dir / DATABASE, timeout=PATIENCE_S)) as database:
            database.execute(statement, values)
            database.commit()


@contextmanager
def running_server(
    data_dir: Path, *, redis_url: str = "", errors: Path | None = None
) -> Iterator[Server]:
    """Start it, wait until it answers, stop it at the end. It writes its errors to ``errors``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "REDIS_URL": redis_url,
        "SECRET_KEY": "of its two processes",
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    filled = fill(environment)
    command = [sys.executable, "-m", "uvicorn", "dashboard.asgi:application"]
    command += ["--port", str(port), "--ws", "websockets-sansio", "--no-proxy-headers"]
    command += ["--ws-per-message-deflate", "false", "--log-level", "warning"]
    # A page that reads nothing, on a busy machine for minutes, answers no ping either.
    command += ["--ws-ping-timeout", "600", "--timeout-graceful-shutdown", "1"]
    with errors.open("wb") if errors else nullcontext() as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
    try:
        wait_for(port)
        yield Server(process, port, data_dir, **filled)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def fill(environment: dict[str, str]) -> dict[str, Any]:
    make_tables(Path(environment["DATA_DIR"]))
    filled = subprocess.run(
        [sys.executable, "-m", "tests.dashboard.lib.socket_server"],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    answer: dict[str, Any] = json.loads(filled.stdout)
    return answer


def wait_for(port: int) -> None:
    until(lambda: listens(port), f"something listens on port {port}")


def _fill() -> None:
    """Make a person who is logged in, a running job and a loading deployment."""
    import django  # noqa: PLC0415 -- only in the program

    django.setup()
    from jobs.models import Deployment  # noqa: PLC0415 -- needs Django set up
    from jobs.queries.hosts import instance_id  # noqa: PLC0415
    from tests.factories import cookie_of, make_job, make_user  # noqa: PLC0415

    instance_id()
    cookie = cookie_of(make_user())
    job = make_job(state="running")
    deployment = Deployment.objects.create(name="d", host=job.host, job=job, state="loading")
    json.dump({"cookie": cookie, "job": job.pk, "deployment": deployment.pk}, sys.stdout)


if __name__ == "__main__":
    _fill()
