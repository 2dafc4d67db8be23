"""Protocol of client and daemon: lines of JSON over a socket in the state's folder."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import zlib
from pathlib import Path
from typing import Any

from simulator.lib import world

DOWN = (
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
    "Is the docker daemon running?"
)
_LONGEST = 100  # a socket's path ends at 107 bytes


def folder() -> Path:
    """Folder of the daemon's state."""
    path = world.state() / "docker"
    path.mkdir(parents=True, exist_ok=True)
    return path


def address() -> str:
    """The path of the daemon's socket; elsewhere when the state's folder is too deep."""
    path = str(folder() / "docker.sock")
    if len(path) <= _LONGEST:
        return path
    return str(Path(tempfile.gettempdir(), f"standin-docker-{zlib.crc32(path.encode()):08x}.sock"))


def answers() -> bool:
    """True when a daemon listens. Its socket may be there before, and after one was killed."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address())
        except OSError:
            return False
        return True


class DaemonError(Exception):
    """The daemon's error instead of an answer: ``Error response from daemon: ...``."""


class Wire:
    """One conversation. Messages are JSON objects, one a line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("r", encoding="utf-8")

    @classmethod
    def dial(cls) -> Wire:
        """Call the daemon.

        Raises:
            OSError: it does not answer.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(address())
        return cls(connection)

    def say(self, **message: Any) -> None:
        """Send one message; nothing happens when the other side has gone."""
        with contextlib.suppress(OSError):
            self._connection.sendall((json.dumps(message) + "\n").encode())

    def hear(self) -> dict[str, Any] | None:
        """The next message; None when the other side has gone."""
        try:
            line = self._reader.readline()
        except OSError:
            return None
        return json.loads(line) if line else None

    def close(self) -> None:
        """End the conversation."""
        self._reader.close()
        self._connection.close()
