"""Readers of settings: text from the environment to a value, or ValueError with what is allowed.

Standard library only.
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from dashboard.config.audit_export import LOCAL_SYSLOG
from jobs.base.valkey import is_address

BASE_DIR = Path(__file__).resolve().parent.parent.parent
LONGEST_KEPT_S = 36_500 * 86_400.0
LEAST_VALKEY_MEMORY = 32_000_000
HOST_LOGIN = "host-{host}:{password}"
Network = IPv4Network | IPv6Network


_SIZE = 'a size above 0 with its unit, such as "500M", "200G" or "1.5T"'
read_text = str


def read_folder(raw: str) -> Path:
    """An absolute path; what is relative begins at the project's folder."""
    return (BASE_DIR / Path(raw).expanduser()).resolve()


def read_optional_folder(raw: str) -> Path | None:
    if not raw:
        return None
    path = read_folder(raw)
    if not path.is_dir():
        raise ValueError("a folder that exists")
    return path


def read_optional_file(raw: str) -> Path | None:
    """An absolute path of a file, which may be made later, or nothing."""
    path = read_folder(raw) if raw else None
    if path is not None and path.is_dir():
        raise ValueError("the path of a file")
    return path


def read_location(raw: str) -> str:
    """Begin of a path in nginx, with slashes around it, or nothing."""
    if raw and not re.fullmatch(r"(/[A-Za-z0-9_-]+)+/", raw):
        raise ValueError('a path with a slash at both ends, such as "/nginx-files/"')
    return raw


def _whole(most: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        if not raw.isdecimal() or not 1 <= int(raw) <= most:
            raise ValueError(f"a whole number from 1 to {most}")
        return int(raw)

    return read


read_port = _whole(65535)
read_web_processes = _whole(16)
read_queue_limit = _whole(1_000_000)


def read_networks(raw: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(word) for word in raw.replace(",", " ").split())
    except ValueError as error:
        raise ValueError(
            'addresses and networks, such as "127.0.0.1" or "10.0.0.5, 10.1.0.0/16"'
        ) from error


def read_switch(raw: str) -> bool:
    if raw not in ("0", "1"):
        raise ValueError("1 or 0")
    return raw == "1"


def read_duration_s(raw: str) -> float:
    """Seconds, from "90", "90s", "15m", "24h" or "7d"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", raw)
    if not match or float(match[1]) == 0:
        raise ValueError('a length of time above 0, such as "90s", "15m", "24h" or "7d"')
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def read_retention_age_s(raw: str) -> float | None:
    """Return the seconds of a length of time with its unit; None for "": for ever.

    A unit is required because 90, meant as days, would remove nearly all.
    """
    if not raw:
        return None
    if raw[-1].isdigit() or read_duration_s(raw) > LONGEST_KEPT_S:
        raise ValueError('a length of time above 0 with its unit, such as "90d", 36500d at most')
    return read_duration_s(raw)


def read_size_bytes(raw: str) -> int | None:
    """Bytes, from "500M", "200G" or "1.5T" (powers of 1,000, as pages show them); or nothing."""
    if not raw:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kKMGT])B?", raw)
    size = float(match[1]) * 1000 ** ("kMGT".index(match[2].replace("K", "k")) + 1) if match else 0
    if not match or size == 0:
        raise ValueError(_SIZE)
    return round(size)


def read_limit_bytes(raw: str) -> int:
    """A size as :func:`read_size_bytes` takes it; a limit is never empty."""
    size = read_size_bytes(raw)
    if size is None:
        raise ValueError(_SIZE)
    return size


def read_time_zone(raw: str) -> str:
    if raw not in available_timezones() and raw != "UTC":
        raise ValueError('the name of a time zone, such as "Asia/Shanghai" or "UTC"')
    return ZoneInfo(raw).key


def read_log_level(raw: str) -> str:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR")
    if raw.upper() not in levels:
        raise ValueError(", ".join(levels))
    return raw.upper()


def read_public_url(raw: str) -> str:
    """Scheme, host and optional prefix, without a slash at the end; or nothing."""
    if not raw:
        return ""
    try:
        parts = urlsplit(raw)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username:
        raise ValueError(
            'an address such as "https://bench.example.org" or "http://gpu7:8000/vacc"'
        )
    return raw.rstrip("/")


def read_redis_url(raw: str) -> str:
    """An address in redis-py's spelling, or nothing for an embedded Valkey."""
    if raw and not is_address(raw):
        raise ValueError('"redis://HOST:PORT/DB", "rediss://…" or "unix:///PATH?db=N"')
    return raw


def read_host_redis_url(raw: str) -> str:
    """An address for hosts; ``host-{host}:{password}`` in it stands for the login of each."""
    if raw and (not is_address(raw) or re.search(r"[{}]", raw.replace(f"//{HOST_LOGIN}@", "//"))):
        raise ValueError(
            f'an address with one login for all hosts, or with "{HOST_LOGIN}" for one each, such '
            f'as "redis://{HOST_LOGIN}@valkey.lan:6379/0"'
        )
    return raw


def read_valkey_memory_bytes(raw: str) -> int:
    """The memory of the embedded Valkey, enough for its own needs."""
    size = read_limit_bytes(raw)
    if size < LEAST_VALKEY_MEMORY:
        raise ValueError('a size of at least 32M with its unit, such as "256M" or "1G"')
    return size


def read_listen(raw: str) -> tuple[str, int] | None:
    """An IP address of this computer and a port, or nothing."""
    if not raw:
        return None
    try:
        parts = urlsplit(f"//{raw}")
        address, port = ip_address(parts.hostname or ""), parts.port
    except ValueError:
        address, port = None, None
    if address is None or not port or raw not in (f"{address}:{port}", f"[{address}]:{port}"):
        raise ValueError('an IP address and a port, such as "10.0.0.5:6380" or "[fd00::5]:6380"')
    return str(address), port


def read_audit_export(raw: str) -> Path | str | tuple[str, int] | None:
    """Return a file, the socket of the local syslog, or address and port of another; or nothing."""
    if raw == "syslog":
        return LOCAL_SYSLOG
    if raw.startswith("syslog:"):
        return read_listen(raw.removeprefix("syslog:") or ":")
    return read_optional_file(raw)


def read_database_url(raw: str) -> str:
    if raw and not raw.startswith(("sqlite:///", "postgres://", "postgresql://")):
        raise ValueError('"sqlite:///PATH" or "postgres://USER:PASSWORD@HOST:PORT/NAME"')
    return raw
