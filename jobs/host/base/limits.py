"""Disk and time limits of jobs and servers on a host. Standard library only.

A change also reaches launchers of running jobs: ``HOST_DIR/limits.json`` holds the limits.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from jobs.host.base.spool import read_json, write_json

# Powers of 1,000, as the pages show sizes.
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


@dataclass(frozen=True, slots=True)
class HostLimits:
    """0 is no limit, everywhere.

    ``log_bytes``: how long a job's log may become. ``disk_reserve_bytes``: what stays free on the
    disk of the spools. ``server_log_bytes``: how much of a server's log stays on this disk once the
    dashboard has it. ``spools_s``: how long the spool of a job stays that the dashboard has all of;
    ``spools_bytes``: how much of the disk all of these may take.
    """

    log_bytes: int = 100 * 10**9
    disk_reserve_bytes: int = 10**9
    server_log_bytes: int = 10**9
    spools_s: int = 7 * 86400
    spools_bytes: int = 0

    def as_environment(self) -> dict[str, str]:
        """Return the limits as environment variables."""
        return {name: str(getattr(self, field)) for name, (field, _) in _VARIABLES.items()}


def read_size(text: str) -> int:
    """Bytes, from "500M", "20G", "1T" or a plain number.

    Raises:
        ValueError: it is something else; the message has the allowed formats.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError("a size such as 500M, 20G or 1T is allowed, and 0 for no limit")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def read_duration_s(text: str) -> int:
    """Seconds, from "90s", "15m", "24h", "7d" or a plain number. Raises as :func:`read_size`."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("a length of time such as 12h or 7d is allowed, and 0 for no limit")
    return round(float(match[1]) * _SECONDS[match[2] or "s"])


_VARIABLES: dict[str, tuple[str, Callable[[str], int]]] = {
    "HOST_LOG_LIMIT": ("log_bytes", read_size),
    "HOST_DISK_RESERVE": ("disk_reserve_bytes", read_size),
    "HOST_SERVER_LOG_KEEP": ("server_log_bytes", read_size),
    "HOST_KEEP_SPOOLS": ("spools_s", read_duration_s),
    "HOST_KEEP_SPOOLS_WITHIN": ("spools_bytes", read_size),
}


def read(values: Mapping[str, str]) -> HostLimits:
    """Limits from environment variables; what is not set is as in :class:`HostLimits`.

    Raises:
        ValueError: one is not allowed; the message names it.
    """
    given = {}
    for name, (field, reader) in _VARIABLES.items():
        text = values.get(name, "").strip()
        if not text:
            continue
        try:
            given[field] = reader(text)
        except ValueError as error:
            raise ValueError(f"{name} is {text!r}: {error}") from None
    return HostLimits(**given)


def write(limits: HostLimits, host_dir: Path) -> None:
    """Store the limits for the launchers of this host."""
    if of_host(host_dir) != limits or not (host_dir / "limits.json").exists():
        write_json(host_dir / "limits.json", asdict(limits))


def write_if_missing(limits: HostLimits, host_dir: Path) -> None:
    """Store the limits unless they are stored: the agent's settings win over a worker's."""
    if not (host_dir / "limits.json").exists():
        with contextlib.suppress(OSError):  # then those of :class:`HostLimits` hold
            write(limits, host_dir)


def of_host(host_dir: Path) -> HostLimits:
    """Return the stored limits; defaults if they cannot be read."""
    known = {field.name for field in fields(HostLimits)}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        values = read_json(host_dir / "limits.json")
        return HostLimits(**{name: int(value) for name, value in values.items() if name in known})
    return HostLimits()
