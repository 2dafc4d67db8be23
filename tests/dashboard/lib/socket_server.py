"""A dashboard's web server in a process of its own, for tests that open sockets."""

import json
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from jobs.logstore import LogStore
from tests.records import ROOT, Records
from tests.stack import DATABASE, clean_environment, copy_static_files, free_port, make_tables
from tests.waiting import PATIENCE_S, listens, until

START = "2026-01-01 00:00:00"
# A person who is logged in, a running job and a loading deployment.
_FIRST_RECORDS = """
import json
from jobs.models import Deployment
from jobs.queries.hosts import instance_id
from tests.factories import cookie_of, make_job, make_user
instance_id()
cookie, job = cookie_of(make_user()), make_job(state="running")
deployment = Deployment.objects.create(name="d", host=job.host, job=job, state="loading")
print(json.dumps({"cookie": cookie, "job": job.pk, "deployment": deployment.pk}))
"""


FIRST = "first.sqlite3"  # a copy of the database with the first records


@dataclass
class Server:
    """A running server, its first records and its user's cookie."""

    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    records: Records
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
            # A busy machine answers no ping within its 20 s.
            **{"origin": self.url, "open_timeout": PATIENCE_S, "ping_interval": None, **options},
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
        for index in (0, 1):
            begin = (0, *ends)[index] if ends and index <= len(ends) else None
            end = ends[index] if index < len(ends) else None
            exit_code, started_at = None if end is None else 0, None if begin is None else START
            self._write(
                "UPDATE jobs_jobstep SET log_from = ?, log_to = ?, exit_code = ?, started_at = ?"
                ' WHERE job_id = ? AND "index" = ?',
                (begin, end, exit_code, started_at, self.job, index),
            )

    def shell(self, code: str) -> list[str]:
        """Run ``code`` on the server's records; the words that it printed."""
        return self.records.shell(code).split()

    def begin_anew(self) -> None:
        """Take all records away but the first. Numbers of the others are not used again."""
        with closing(sqlite3.connect(self.data_dir / DATABASE, timeout=PATIENCE_S)) as database:
            database.execute("ATTACH ? AS first", [str(self.data_dir / FIRST)])
            of_django = "SELECT name FROM first.sqlite_master WHERE type = 'table'"
            tables = [
                name for (name,) in database.execute(f"{of_django} AND name NOT LIKE 'sqlite%'")
            ]
            steps = ["BEGIN IMMEDIATE;"]
            for table in tables:
                # Without generated columns, which take no value.
                known = database.execute(f"SELECT name FROM pragma_table_info('{table}', 'first')")
                names = ", ".join(f'"{name}"' for (name,) in known)
                steps.append(f"DELETE FROM {table};")
                steps.append(f"INSERT INTO {table} ({names}) SELECT {names} FROM first.{table};")
            database.executescript("\n".join([*steps, "COMMIT;"]))

    def let_in(self, is_active: bool) -> None:
        self._write("UPDATE auth_user SET is_active = ?", (is_active,))

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(sqlite3.connect(self.data_dir / DATABASE, timeout=PATIENCE_S)) as database:
            database.execute(statement, values)
            database.commit()


@contextmanager
def running_server(
    data_dir: Path, *, redis_url: str = "", errors: Path | None = None, debug: bool = True
) -> Iterator[Server]:
    """Start it, wait until it answers, stop it at the end. It writes its errors to ``errors``.

    Without ``debug``, a browser keeps scripts, styles and fonts, as those of ``make run``.
    """
    port = free_port()
    environment = clean_environment() | {
        "DATA_DIR": str(data_dir),
        "PORT": str(port),
        "REDIS_URL": redis_url,
        "SECRET_KEY": "of its two processes",
        "DEBUG": str(int(debug)),
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }
    command = [sys.executable, "-m", "uvicorn", "dashboard.asgi:application"]
    command += ["--port", str(port), "--ws", "websockets-sansio", "--no-proxy-headers"]
    command += ["--ws-per-message-deflate", "false", "--log-level", "warning"]
    # A page that reads nothing, on a busy machine for minutes, answers no ping either.
    command += ["--ws-ping-timeout", "600", "--timeout-graceful-shutdown", "1"]
    with filled(environment) as facts, errors.open("wb") if errors else nullcontext() as stderr:
        if not debug:
            copy_static_files(data_dir)
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
        try:
            until(lambda: listens(port), f"something listens on port {port}")
            yield Server(process, port, data_dir, **facts)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def filled(environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The first records in ``DATA_DIR``, and the process that made them."""
    data_dir = Path(environment["DATA_DIR"])
    make_tables(data_dir)
    records = Records(environment)
    try:
        made = json.loads(records.shell(_FIRST_RECORDS))
        shutil.copy(data_dir / DATABASE, data_dir / FIRST)
        yield {"records": records, **made}
    finally:
        records.close()
