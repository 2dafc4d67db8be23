"""Reads endpoints in Prometheus text format while a job runs. Standard library only."""

from __future__ import annotations

import http.client
import json
import math
import os
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from jobs.plans import Watch

TIMEOUT_S = 2.0
LONGEST_ANSWER = 4 * 1024 * 1024


def samples(text: str, names: Collection[str]) -> dict[str, float]:
    """Values of the named samples, summed over their labels. Others, NaN and infinities are left.

    Source of the format: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        name = line.partition("{")[0].split(" ", 1)[0].strip()
        if name not in names or line.startswith("#"):
            continue
        # A label's value may hold any character, a value and a timestamp hold no brace.
        rest = line.rpartition("}")[2] if "{" in line else line[len(name) :]
        try:
            value = float(rest.split()[0])
        except (ValueError, IndexError):
            continue
        if math.isfinite(value):
            found[name] = found.get(name, 0.0) + value
    return found


class Watcher:
    """Scrapes every watch in a thread of its own and appends to one points file."""

    def __init__(self, watches: Sequence[Watch], points: Path) -> None:
        self._fd = os.open(points, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._scrape, args=(watch,), name=f"watch {watch.name}")
            for watch in watches
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def stop(self) -> None:
        """Stop all; the points file is complete and on the disk afterwards."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)
        with self._writing:  # a thread that hangs in a read finds the file closed
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _scrape(self, watch: Watch) -> None:
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + watch.interval_s, time.monotonic())
            at = time.time()
            text = _get(watch.url)
            values = samples(text, watch.metrics) if text else {}
            if values:
                line = json.dumps({"t": round(at, 3), "w": watch.name, "v": values})
                with self._writing:
                    if self._fd >= 0:
                        os.write(self._fd, line.encode() + b"\n")


def _get(url: str) -> str:
    """The body of a 200 answer; empty for anything else (the server may not be there yet)."""
    parts = urlsplit(url)
    made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = made(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        answer = connection.getresponse()
        body = answer.read(LONGEST_ANSWER)
        return body.decode(errors="replace") if answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
