"""Ports of this host: free ones, and those of spools that have not ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from jobs.host.base import spool as spools
from jobs.host.base.config import Config


def free_port(config: Config, first_choice: int | None = None) -> int:
    """A port that nothing listens on and no other spool was given.

    Raises:
        OSError: all of HOST_PORTS are taken.
    """
    first, last = config.ports
    taken = _given_ports(config.dir)
    choices: list[int] = [] if first_choice is None else [first_choice]
    choices += range(first, last + 1)
    for port in choices:
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no port between {first} and {last} is free (HOST_PORTS)")


def is_free(port: int) -> bool:
    """True when nothing listens on the port, on any address."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))  # noqa: S104 -- never listens
        except OSError:
            return False
    return True


def listener(port: int) -> str:
    """Return who listens on the port, "vllm (process 123)"; "" if this user may not see it."""
    links = {f"socket:[{inode}]" for inode in _listening(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if links.isdisjoint(_links(folder)):
                continue
            name = (folder.parent / "comm").read_text(errors="replace").strip()
        except OSError:  # ended meanwhile, or of another user
            continue
        return f"{name} (process {folder.parent.name})"
    return ""


def _links(folder: Path) -> Iterator[str]:
    for file in folder.iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield str(file.readlink())


def _listening(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on the port: proc_pid_net(5), state 0A."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _given_ports(host_dir: Path) -> set[int]:
    """Ports of the spools that have not ended."""
    given = set()
    for spool in spools.all_spools(host_dir):
        try:
            # Most spools are of ended jobs, and the existence of one file shows that.
            is_over = spool.is_of_job and (spool.path / "exit.json").exists()
            if not is_over and spool.exit() is None:
                given.add(int(spool.plan()["values"].get("port", 0)))
        except (FileNotFoundError, ValueError, LookupError, TypeError):  # set aside, or torn
            continue
    return given
