"""Second place of the audit log: handlers of Python's logging."""

import io
import os
from logging import LogRecord
from logging.handlers import SysLogHandler, WatchedFileHandler
from pathlib import Path
from typing import Any

LOGGER = "audit_export"
LOCAL_SYSLOG = "/dev/log"
SEND_S = 0.5  # the handler tries twice


class PrivateFile(WatchedFileHandler):
    """Appends lines to a file of mode 0600, and to its successor once it was moved away.

    A line that cannot be written is an error in the process's own messages, and stops nothing.
    """

    def emit(self, record: LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _open(self) -> io.TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_private)


class BoundedSyslog(SysLogHandler):
    """Sends lines to a syslog; a full socket of the local one costs a request at most a second.

    A line that cannot be sent is an error in the process's own messages, and stops nothing.
    """

    def _connect_unixsocket(self, address: str) -> None:
        super()._connect_unixsocket(address)  # type: ignore[misc]  # the types lack it
        self.socket.settimeout(SEND_S)  # type: ignore[attr-defined]


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def handlers(where: Path | str | tuple[str, int] | None) -> dict[str, dict[str, Any]]:
    """Return the handler of a file, or of a syslog at a socket or an address; none for None."""
    if where is None:
        return {}
    if isinstance(where, Path):
        return {LOGGER: {"()": PrivateFile, "filename": str(where), "delay": True}}
    line = {"ident": "vacc-audit: ", "append_nul": False}
    facility = SysLogHandler.LOG_AUTHPRIV
    return {LOGGER: {"()": BoundedSyslog, "address": where, "facility": facility, ".": line}}
