"""``make run``: everything that the dashboard and This computer consist of, under one supervisor.

It keeps to the standard library and ``jobs.host.agent.supervisor``, so that it stays small for as
long as the rest runs. Django's part of a start is ``manage.py setup``.
"""

import argparse
import contextlib
import errno
import fcntl
import json
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.config import env as env_module
from dashboard.config.env import NOT_REMEMBERED, RUN_FILE, STOPPING_FILE, BadVariable, Env
from dashboard.config.readers import BASE_DIR
from dashboard.server import valkey
from jobs.base.files import write_atomic
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
TELL_S = 5.0  # for the agent to ship what they left


class CannotStart(Exception):
    """Message why the dashboard cannot start."""


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
        lock = (data_dir / "run.lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"DATA_DIR={data_dir} cannot be written: {error.strerror}. "
            "Set another folder: DATA_DIR=/some/folder make run"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            address = env_module.run_facts(data_dir).get("address", "still starting")
            raise CannotStart(
                f"A dashboard already runs on DATA_DIR={data_dir}: {address}"
            ) from None
        yield


def _refuse_open(data_dir: Path) -> None:
    """Check that no other account can read what lies in ``DATA_DIR``.

    Its group may enter it, as nginx does by an ACL, while the files in it are closed.
    """
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
    """The socket that the web server will serve. It outlives the server's own restarts."""
    try:
        return _listening(env.bind, env.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {env.port} on {env.bind} is in use by another program. "
                f"Choose another port: PORT={env.port + 1} make run"
            ) from error
        raise CannotStart(
            f"Cannot listen on BIND={env.bind}, PORT={env.port}: {error.strerror}"
        ) from error


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
        server = valkey.prepare(env.data_dir, old_folder, env.valkey_memory_bytes)
    address = (env.public_url or f"http://{_reachable(env)}:{env.port}") + "/"
    _remember(env, address, server)
    try:
        _prepare(env)
        say(f"\n  Dashboard   {address}   (prepared in {time.monotonic() - began:.1f} s)")
        say("  Ctrl-C stops everything\n")
        code = Supervisor(
            [*_valkey(server, of_hosts), *_children(env, listener)],
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


def _remember(env: Env, address: str, server: valkey.Valkey | None) -> None:
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


def _valkey(server: valkey.Valkey | None, of_hosts: socket.socket | None) -> list[Child]:
    """Return the embedded Valkey, and the way of hosts to it."""
    if server is None:
        return []
    children = [Child(f"Valkey (it logs to {server.log})", server.argv())]
    if of_hosts is not None:
        gate = [sys.executable, "-m", "dashboard.server.valkey_gate"]
        argv = [*gate, str(of_hosts.fileno()), str(server.socket)]
        children.append(
            Child("the gate to Valkey", argv, cwd=BASE_DIR, pass_fds=(of_hosts.fileno(),))
        )
    return children


def _children(env: Env, listener: socket.socket) -> list[Child]:
    """In the order of their start; they stop in the reverse order."""
    descriptor = listener.fileno()
    celery = [sys.executable, *worker.AS_ROOT, "-m", "celery", "--quiet", "-A", "dashboard.celery"]
    own_worker = [
        *(*celery, "worker", "--loglevel", "WARNING", "--hostname", "dashboard@%h"),
        # Threads: one process, of which nothing is left when it is killed.
        *("--pool", "threads", "--concurrency", "4", "--without-gossip", "--without-mingle"),
    ]
    beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""]
    web = [sys.executable, "-m", "dashboard.server.web", str(descriptor)]
    several = env.web_processes > 1
    # They accept from one queue, so that one that is killed leaves no connection unanswered.
    webs = [
        Child(
            f"web server {number}" if several else "the web server",
            web,
            env=WEB_ENVIRON,
            cwd=BASE_DIR,
            pass_fds=(descriptor,),
        )
        for number in range(1, env.web_processes + 1)
    ]
    host = worker.children(config.load(file=env.data_dir / "host" / "host.env"))
    return [
        *webs,
        Child("the dashboard's worker", own_worker, env=CELERY_ENVIRON, cwd=BASE_DIR),
        Child("the scheduler", beat, env=CELERY_ENVIRON, cwd=BASE_DIR),
        *host,
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
