"""Health checks of servers, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobs.host.base import engine_http
from jobs.host.base.spool import Spool
from jobs.plans import HEALTH_MARK, from_json

LOADING, READY, UNHEALTHY = "loading", "ready", "unhealthy"
LOOPBACK = "127.0.0.1"
ASK_S = 0.5  # while it loads
ASK_READY_S = 2.0
TIMEOUT_S = 4.0  # from the connection to the last header
PATIENCE = 3  # failures in a row before a server that was ready is unhealthy


class Health:
    """The health of one run of a server, from the path of its port that its plan names. *loading*
    until the first 200, *ready*, *unhealthy* after three failures in a row. ``changed`` is called
    from the thread when the word changes."""

    def __init__(self, spool: Spool, port: int, changed: Callable[[], None]) -> None:
        self._spool = spool
        self._run = spool.meta().run
        self._port = port
        plan = spool.plan()["plan"]
        self.path = from_json(plan).steps[-1].health  # of the server itself
        # The one address that the server listens on, or this machine's own.
        self._address = str(plan.get("address") or LOOPBACK)
        self._changed = changed
        self._stopped = threading.Event()
        self._is_marked = self.path != "/health" and "?" not in self.path
        self.state = READY if spool.was_ready() else LOADING
        threading.Thread(target=self._ask, name=f"health {spool.path.name}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _ask(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            fine = self._is_fine()
            failures = 0 if fine else failures + 1
            before = self.state
            if fine:
                self.state = READY
            elif before == READY and failures >= PATIENCE:
                self.state = UNHEALTHY
            if self.state != before:
                try:
                    if fine:
                        self._spool.mark_ready(self._run)
                except FileNotFoundError:  # set aside
                    self.stop()
                self._changed()
            self._stopped.wait(ASK_READY_S if self.state == READY and fine else ASK_S)

    def _is_fine(self) -> bool:
        """Return True if the server answers 200; if it rejects only the mark, later requests omit
        the mark."""
        if self.state == LOADING or not self._is_marked:
            return status(self._port, self.path, self._address) == 200
        code = status(self._port, f"{self.path}?{HEALTH_MARK}", self._address)
        if code in (0, 200):
            return code == 200
        fine = status(self._port, self.path, self._address) == 200
        self._is_marked = not fine
        return fine


def status(port: int, path: str, at: str = LOOPBACK) -> int:
    """Return the status of the server on this port for ``path``; 0 without an answer."""
    host = f"[{at}]" if ":" in at else at
    # A new connection each time: a server that takes no new connection is unhealthy.
    try:
        return engine_http.status(f"http://{host}:{port}{path}", within_s=TIMEOUT_S)
    except (OSError, ValueError):
        return 0
