"""Process that listens on a port."""

import os
import socket
from pathlib import Path

from jobs.host.checks import listener


def test_a_descriptor_that_closes_during_the_scan_hides_no_process(monkeypatch):
    links, read = [], Path.readlink

    def readlink(path):
        links.append(path)
        if len(links) == 1:
            raise FileNotFoundError(path)
        return read(path)

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        own = Path(f"/proc/{os.getpid()}/fd")
        monkeypatch.setattr(Path, "glob", lambda _path, _pattern: iter([own]))
        monkeypatch.setattr(Path, "readlink", readlink)

        assert listener(server.getsockname()[1]).endswith(f" (process {os.getpid()})")
