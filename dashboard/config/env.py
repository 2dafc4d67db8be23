"""Settings from the environment: one table, each with its reader. Standard library only.

What ``make run`` was started with is remembered in ``DATA_DIR/run.json``, so that a command in a
second terminal finds the same database, Redis and address from ``DATA_DIR`` alone.
"""

import contextlib
import io
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from logging import LogRecord
from logging.handlers import SysLogHandler, WatchedFileHandler
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from jobs.base.valkey import is_address, on_network, socket_of

BASE_DIR = Path(__file__).resolve().parent.parent.parent
RUN_FILE = "run.json"
VALKEY_USERS = "valkey/users.acl"
STOPPING_FILE = "stopping"  # is in DATA_DIR while everything stops: no queued job is started
UMASK = 0o077  # of every process of the dashboard: DATA_DIR is for its own account
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Not remembered for a second terminal: where to look, and what is of use only once.
NOT_REMEMBERED = ("DATA_DIR", "ADMIN_PASSWORD")


class BadVariable(Exception):
    """A variable holds what it must not; the message names it and what is allowed."""


# Readers: text to a value, or ValueError with what is allowed

LONGEST_KEPT_S = 36_500 * 86_400.0
HOST_LOGIN = "host-{host}:{password}"
Network = IPv4Network | IPv6Network
LOCAL_SYSLOG = "/dev/log"
_warn_once = cache(logging.getLogger(__name__).warning)
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


def read_during_benchmarks(raw: str) -> str:
    if raw not in ("refuse", "hold", "pass"):
        raise ValueError("refuse, hold, pass")
    return raw


def read_duration_s(raw: str) -> float:
    """Seconds, from "90", "90s", "15m", "24h" or "7d"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", raw)
    if not match or float(match[1]) == 0:
        raise ValueError('a length of time above 0, such as "90s", "15m", "24h" or "7d"')
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def read_retention_age_s(raw: str) -> float | None:
    """Return the seconds of a length of time with its unit; None for "": for ever. A unit is
    required because 90, meant as days, would remove nearly all."""
    if not raw:
        return None
    if raw[-1].isdigit() or read_duration_s(raw) > LONGEST_KEPT_S:
        raise ValueError('a length of time above 0 with its unit, such as "90d", 36500d at most')
    return read_duration_s(raw)


def read_limit_bytes(raw: str) -> int:
    """Bytes, from "500M", "200G" or "1.5T" (powers of 1,000, as pages show them)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT])B?", raw.replace("K", "k"))
    size = float(match[1]) * 1000 ** ("kMGT".index(match[2]) + 1) if match else 0.0
    if not size:
        raise ValueError('a size above 0 with its unit, such as "500M", "200G" or "1.5T"')
    return round(size)


def read_size_bytes(raw: str) -> int | None:
    return read_limit_bytes(raw) if raw else None


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
    size = read_limit_bytes(raw)
    if size < 32_000_000:
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


# The table


class Read(NamedTuple):
    """Reader of a variable, and what the variable is unless set."""

    by: Callable[[str], Any]
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Every setting, read; what each does is said in docs/run/settings.md, in the same order."""

    port: Annotated[int, Read(_whole(65535), "8000")]
    bind: Annotated[str, Read(read_text, "127.0.0.1")]
    web_processes: Annotated[int, Read(_whole(16), "1")]
    public_url: Annotated[str, Read(read_public_url)]
    trusted_proxies: Annotated[tuple[Network, ...], Read(read_networks)]
    nginx_files: Annotated[str, Read(read_location)]
    data_dir: Annotated[Path, Read(read_folder, "data")]
    database_url: Annotated[str, Read(read_database_url)]
    redis_url: Annotated[str, Read(read_redis_url)]
    host_redis_url: Annotated[str, Read(read_host_redis_url)]
    valkey_listen: Annotated[tuple[str, int] | None, Read(read_listen)]
    valkey_memory_bytes: Annotated[int, Read(read_valkey_memory_bytes, "256M")]
    secret_key: Annotated[str, Read(read_text)]
    secrets_key_file: Annotated[Path | None, Read(read_optional_file)]
    admin_password: Annotated[str, Read(read_text)]
    wheels_dir: Annotated[Path | None, Read(read_optional_folder)]
    time_zone: Annotated[str, Read(read_time_zone, "UTC")]
    host_lost_after_s: Annotated[float, Read(read_duration_s, "24h")]
    stalled_after_s: Annotated[float, Read(read_duration_s, "10m")]
    gateway_during_benchmarks: Annotated[str, Read(read_during_benchmarks, "refuse")]
    gateway_hold_s: Annotated[float, Read(read_duration_s, "5m")]
    queue_limit: Annotated[int, Read(_whole(1_000_000), "10000")]
    compress_logs_after_s: Annotated[float, Read(read_duration_s, "1h")]
    retention_age_s: Annotated[float | None, Read(read_retention_age_s)]
    retention_size_bytes: Annotated[int | None, Read(read_size_bytes)]
    job_log_limit_bytes: Annotated[int, Read(read_limit_bytes, "100G")]
    job_points_limit_bytes: Annotated[int, Read(read_limit_bytes, "100M")]
    job_outputs_limit_bytes: Annotated[int, Read(read_limit_bytes, "10G")]
    import_limit_bytes: Annotated[int, Read(read_limit_bytes, "100M")]
    host_storage_limit_bytes: Annotated[int, Read(read_limit_bytes, "2T")]
    disk_reserve_bytes: Annotated[int, Read(read_limit_bytes, "1G")]
    audit_export: Annotated[Path | str | tuple[str, int] | None, Read(read_audit_export)]
    log_level: Annotated[str, Read(read_log_level, "INFO")]
    debug: Annotated[bool, Read(read_switch, "0")]


def variables() -> dict[str, Read]:
    """Return each variable with its reader, in order. A field adds its unit to the name:
    ``stalled_after_s`` is STALLED_AFTER."""
    hints = get_type_hints(Env, include_extras=True)
    return {_variable(one.name): hints[one.name].__metadata__[0] for one in fields(Env)}


def _variable(field: str) -> str:
    return re.sub("_(s|bytes)$", "", field).upper()


def load(environ: Mapping[str, str], remembered: Mapping[str, str] | None = None) -> Env:
    """Read every variable; an empty one counts as not set. ``remembered`` stands below ``environ``.
    Raises ``BadVariable``: a value is not allowed."""
    known = {**(remembered or {}), **{key: value for key, value in environ.items() if value}}
    values = {name: _read(name, read, known) for name, read in variables().items()}
    env = Env(**{one.name: values[_variable(one.name)] for one in fields(Env)})
    if env.bind not in LOOPBACK and not env.public_url:
        raise BadVariable(
            f"BIND={env.bind} lets other machines in: set PUBLIC_URL to the address that "
            f"they use, such as PUBLIC_URL=http://gpu7:{env.port}"
        )
    if env.valkey_listen and is_everywhere(env.valkey_listen[0]) and not env.public_url:
        raise BadVariable(
            "VALKEY_LISTEN on all addresses: set PUBLIC_URL as well, whose name hosts will use"
        )
    return env


def is_everywhere(address: str) -> bool:
    return ip_address(address).is_unspecified


def host_redis_url(env: Env) -> str:
    """The Redis address for hosts on other computers, with placeholders; "" where there is none."""
    if env.host_redis_url or env.valkey_listen is None:
        return env.host_redis_url
    address, port = env.valkey_listen
    if is_everywhere(address):
        address = urlsplit(env.public_url).hostname or ""
    return on_network(address, port, HOST_LOGIN)


def valkey_users_file(env: Env) -> Path | None:
    """The file of the embedded Valkey's users; None with another Redis."""
    folder = run_facts(env.data_dir).get("valkey_folder")
    is_ours = folder and Path(socket_of(env.redis_url)).parent == Path(folder)
    return env.data_dir / VALKEY_USERS if is_ours else None


def _read(name: str, read: Read, known: Mapping[str, str]) -> Any:
    raw = known.get(name, read.default).strip()
    try:
        return read.by(raw)
    except ValueError as error:
        shown = "…" if "@" in raw else raw  # addresses may hold a password
        raise BadVariable(f"{name}={shown} will not do; allowed: {error}") from error


def run_facts(data_dir: Path) -> dict[str, Any]:
    """Return what the last ``make run`` on this ``DATA_DIR`` stored; {} before the first."""
    try:
        facts = json.loads((data_dir / RUN_FILE).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        _warn_once("%s does not count: %s", data_dir / RUN_FILE, str(error))
        return {}
    return facts if isinstance(facts, dict) else {}


def load_remembering(environ: Mapping[str, str]) -> Env:
    """As :func:`load`, with the variables of the last ``make run`` on the same ``DATA_DIR``."""
    facts = run_facts(read_folder(environ.get("DATA_DIR") or "data"))
    return load(environ, facts.get("environ"))


def secret_key(env: Env) -> str:
    """The key that signs sessions: given, or made once and kept in a 0600 file. Where no dashboard
    was ever started, one of this process alone: a command that got the wrong folder leaves nothing
    there."""
    if env.secret_key:
        return env.secret_key
    known = (env.data_dir / RUN_FILE, env.data_dir / "secrets" / "secret_key")
    if any(path.exists() for path in known):
        return kept_secret(env.data_dir, "secret_key")
    return secrets.token_urlsafe(48)


def kept_secret(data_dir: Path, name: str) -> str:
    """The secret ``DATA_DIR/secrets/NAME``, made the first time. Two processes get the same one."""
    path = data_dir / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        try:
            # Whole or not at all; of two processes the first one's secret holds.
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink()
    return path.read_text()


def database(env: Env) -> dict[str, Any]:
    parts = urlsplit(env.database_url)
    if parts.scheme in ("", "sqlite"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path.removeprefix("/")) or env.data_dir / "db.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        # Each request has a thread of its own, and a connection that outlives it would stay open
        # until the garbage collector comes by: 76 of PostgreSQL's 100 after 300 requests.
        "CONN_MAX_AGE": 0,
    }


# Second place of the audit log: handlers of Python's logging. A line that cannot be stored is an
# error in the process's own messages, and stops nothing

LOGGER = "audit_export"
SEND_S = 0.5  # the handler tries twice


class PrivateFile(WatchedFileHandler):
    """Appends lines to a file of mode 0600, and to its successor once it was moved away."""

    def emit(self, record: LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _open(self) -> io.TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)


class BoundedSyslog(SysLogHandler):
    """Sends lines to a syslog; a full socket of the local one costs a request at most a second."""

    def _connect_unixsocket(self, address: str) -> None:
        super()._connect_unixsocket(address)  # type: ignore[misc]  # the types lack it
        self.socket.settimeout(SEND_S)  # type: ignore[attr-defined]


def audit_handlers(where: Path | str | tuple[str, int] | None) -> dict[str, dict[str, Any]]:
    """Return the handler of a file, or of a syslog at a socket or an address; none for None."""
    if where is None:
        return {}
    if isinstance(where, Path):
        return {LOGGER: {"()": PrivateFile, "filename": str(where), "delay": True}}
    line = {"ident": "vacc-audit: ", "append_nul": False}
    facility = SysLogHandler.LOG_AUTHPRIV
    return {LOGGER: {"()": BoundedSyslog, "address": where, "facility": facility, ".": line}}
