"""Waiting for what other processes and threads do."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

# A deadline passes only where a test fails, so it may be long: a machine has other things to do.
PATIENCE_S = 300.0
# Most of what is asked costs another process 20 ms or more.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.4
_T = TypeVar("_T")


def until(true: Callable[[], _T], what: str = "it happens", timeout_s: float = PATIENCE_S) -> _T:
    """Return the first true value of ``true()``, with longer and longer pauses between calls.

    Raises:
        AssertionError: names ``what`` did not come in ``timeout_s``.
    """
    deadline, pause_s = time.monotonic() + timeout_s, FIRST_PAUSE_S
    while not (value := true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    return value


def listens(port: int) -> bool:
    """Return True if something on this computer accepts at the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
