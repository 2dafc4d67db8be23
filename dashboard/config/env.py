"""Settings from the environment: one table, each with its reader. Standard library only.

What ``make run`` was started with is remembered in ``DATA_DIR/run.json``, so that a command in a
second terminal finds the same database, Redis and address from ``DATA_DIR`` alone.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import parse_qsl, unquote, urlsplit

from dashboard.config.networks import Network, read_networks
from dashboard.config.readers import (
    HOST_LOGIN,
    read_audit_export,
    read_database_url,
    read_duration_s,
    read_folder,
    read_host_redis_url,
    read_limit_bytes,
    read_listen,
    read_location,
    read_log_level,
    read_optional_file,
    read_optional_folder,
    read_port,
    read_public_url,
    read_queue_limit,
    read_redis_url,
    read_retention_age_s,
    read_size_bytes,
    read_switch,
    read_text,
    read_time_zone,
    read_valkey_memory_bytes,
    read_web_processes,
)
from jobs.base.valkey import on_network, socket_of

RUN_FILE = "run.json"
VALKEY_USERS = "valkey/users.acl"
STOPPING_FILE = "stopping"  # is in DATA_DIR while everything stops: no queued job is started
UMASK = 0o077  # of every process of the dashboard: DATA_DIR is for its own account
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Not remembered for a second terminal: where to look, and what is of use only once.
NOT_REMEMBERED = ("DATA_DIR", "ADMIN_PASSWORD")


class BadVariable(Exception):
    """A variable holds what it must not; the message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of the table: how the variable ``name`` is read, what it is unless set."""

    name: str
    read: Callable[[str], Any]
    default: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Every setting, read. The order is that of the table in docs/run/settings.md."""

    port: Annotated[int, Variable("PORT", read_port, "8000", "port of the dashboard")]
    bind: Annotated[
        str,
        Variable(
            "BIND",
            read_text,
            "127.0.0.1",
            "listen address; an address that others can reach needs `PUBLIC_URL`",
        ),
    ]
    web_processes: Annotated[
        int,
        Variable(
            "WEB_PROCESSES",
            read_web_processes,
            "1",
            "number of web processes on this address; with several, use PostgreSQL",
        ),
    ]
    public_url: Annotated[
        str,
        Variable(
            "PUBLIC_URL",
            read_public_url,
            "",
            "address for people and hosts, with an optional prefix",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Variable(
            "TRUSTED_PROXIES",
            read_networks,
            "",
            "addresses or networks of proxies whose `X-Forwarded-*` headers count; default: none",
        ),
    ]
    nginx_files: Annotated[
        str,
        Variable(
            "NGINX_FILES",
            read_location,
            "",
            "internal location of nginx that sends files of `DATA_DIR`; default: none, no nginx",
        ),
    ]
    data_dir: Annotated[
        Path,
        Variable("DATA_DIR", read_folder, "data", "folder for database, logs, outputs, secrets"),
    ]
    database_url: Annotated[
        str,
        Variable(
            "DATABASE_URL",
            read_database_url,
            "",
            "PostgreSQL, or another SQLite file; default: SQLite in `DATA_DIR`",
        ),
    ]
    redis_url: Annotated[
        str,
        Variable("REDIS_URL", read_redis_url, "", "Redis or Valkey instead of the embedded Valkey"),
    ]
    host_redis_url: Annotated[
        str,
        Variable(
            "HOST_REDIS_URL",
            read_host_redis_url,
            "",
            "address of Redis for other hosts; `host-{host}:{password}` in it is the login of each",
        ),
    ]
    valkey_listen: Annotated[
        tuple[str, int] | None,
        Variable(
            "VALKEY_LISTEN",
            read_listen,
            "",
            "address on which the embedded Valkey listens to hosts; each has its own login",
        ),
    ]
    valkey_memory_bytes: Annotated[
        int,
        Variable(
            "VALKEY_MEMORY",
            read_valkey_memory_bytes,
            "256M",
            "maximum memory of the embedded Valkey; a quarter of it is for connections",
        ),
    ]
    secret_key: Annotated[
        str,
        Variable(
            "SECRET_KEY", read_text, "", "signs sessions; default: random, stored in `DATA_DIR`"
        ),
    ]
    secrets_key_file: Annotated[
        Path | None,
        Variable(
            "SECRETS_KEY_FILE",
            read_optional_file,
            "",
            "file of the key that encrypts secrets; default: `DATA_DIR/secrets/encryption_key`",
        ),
    ]
    admin_password: Annotated[
        str,
        Variable(
            "ADMIN_PASSWORD",
            read_text,
            "",
            "first administrator's password, from 10 characters; default: random, printed once",
        ),
    ]
    wheels_dir: Annotated[
        Path | None,
        Variable(
            "WHEELS_DIR",
            read_optional_folder,
            "",
            "folder of wheels, for an offline start",
        ),
    ]
    time_zone: Annotated[
        str, Variable("TIME_ZONE", read_time_zone, "UTC", "time zone of shown times")
    ]
    host_lost_after_s: Annotated[
        float,
        Variable(
            "HOST_LOST_AFTER",
            read_duration_s,
            "24h",
            "time without a heartbeat after which a host's jobs end as lost",
        ),
    ]
    stalled_after_s: Annotated[
        float,
        Variable(
            "STALLED_AFTER",
            read_duration_s,
            "10m",
            "time without output after which a running job is shown as stalled",
        ),
    ]
    queue_limit: Annotated[
        int,
        Variable(
            "QUEUE_LIMIT",
            read_queue_limit,
            "10000",
            "maximum number of queued jobs of a host; further jobs are refused",
        ),
    ]
    compress_logs_after_s: Annotated[
        float,
        Variable(
            "COMPRESS_LOGS_AFTER",
            read_duration_s,
            "1h",
            "delay before the log of an ended job is packed (zstd), from 64 KiB on",
        ),
    ]
    retention_age_s: Annotated[
        float | None,
        Variable(
            "RETENTION_AGE",
            read_retention_age_s,
            "",
            "retention time of logs and files after a job's end, such as `90d`; default: unlimited",
        ),
    ]
    retention_size_bytes: Annotated[
        int | None,
        Variable(
            "RETENTION_SIZE",
            read_size_bytes,
            "",
            "maximum size of logs, files and points together, such as `200G`; default: unlimited",
        ),
    ]
    job_log_limit_bytes: Annotated[
        int,
        Variable(
            "JOB_LOG_LIMIT",
            read_limit_bytes,
            "100G",
            "maximum log of a job or server; a larger one is refused and its job ends as lost",
        ),
    ]
    job_points_limit_bytes: Annotated[
        int,
        Variable(
            "JOB_POINTS_LIMIT",
            read_limit_bytes,
            "100M",
            "maximum live metrics of a job; later ones are left out of its charts",
        ),
    ]
    job_outputs_limit_bytes: Annotated[
        int,
        Variable(
            "JOB_OUTPUTS_LIMIT",
            read_limit_bytes,
            "10G",
            "maximum files of a job together; a job that leaves more ends as lost",
        ),
    ]
    import_limit_bytes: Annotated[
        int,
        Variable(
            "IMPORT_LIMIT",
            read_limit_bytes,
            "100M",
            "maximum files of one import together, unpacked; they are kept with its results",
        ),
    ]
    host_storage_limit_bytes: Annotated[
        int,
        Variable(
            "HOST_STORAGE_LIMIT",
            read_limit_bytes,
            "2T",
            "maximum logs, files and live metrics of a host; its jobs above it end as lost",
        ),
    ]
    disk_reserve_bytes: Annotated[
        int,
        Variable(
            "DISK_RESERVE",
            read_limit_bytes,
            "1G",
            "free space on the disk of `DATA_DIR` that hosts, imports and chats cannot use; "
            "below it hosts wait",
        ),
    ]
    audit_export: Annotated[
        Path | str | tuple[str, int] | None,
        Variable(
            "AUDIT_EXPORT",
            read_audit_export,
            "",
            "second place of the audit log: a file, `syslog`, or `syslog:10.0.0.5:514` (UDP)",
        ),
    ]
    log_level: Annotated[
        str, Variable("LOG_LEVEL", read_log_level, "INFO", "level of the processes' own messages")
    ]
    debug: Annotated[
        bool,
        Variable(
            "DEBUG", read_switch, "0", "1 for development: static files from their source folders"
        ),
    ]


def variables() -> dict[str, Variable]:
    """The table: each field of :class:`Env` and its variable, in order."""
    hints = get_type_hints(Env, include_extras=True)
    return {field.name: hints[field.name].__metadata__[0] for field in fields(Env)}


def load(environ: Mapping[str, str], remembered: Mapping[str, str] | None = None) -> Env:
    """Read every variable; an empty one counts as not set. ``remembered`` stands below ``environ``.

    Raises:
        BadVariable: a value is not allowed.
    """
    known = {**(remembered or {}), **{key: value for key, value in environ.items() if value}}
    env = Env(**{name: _read(variable, known) for name, variable in variables().items()})
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
    """True for the address that stands for all of a computer's."""
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
    try:
        folder = json.loads((env.data_dir / RUN_FILE).read_text())["valkey_folder"]
    except (OSError, ValueError, KeyError):
        return None
    is_ours = bool(folder) and Path(socket_of(env.redis_url)).parent == Path(folder)
    return env.data_dir / VALKEY_USERS if is_ours else None


def _read(variable: Variable, known: Mapping[str, str]) -> Any:
    raw = known.get(variable.name, variable.default).strip()
    try:
        return variable.read(raw)
    except ValueError as error:
        shown = "…" if "@" in raw else raw  # addresses may hold a password
        raise BadVariable(f"{variable.name}={shown} will not do; allowed: {error}") from error


def remembered(data_dir: Path) -> dict[str, str]:
    """The variables that the last ``make run`` on this ``DATA_DIR`` was started with."""
    try:
        environ: dict[str, str] = json.loads((data_dir / RUN_FILE).read_text())["environ"]
    except (OSError, ValueError, KeyError):
        return {}
    return environ


def load_remembering(environ: Mapping[str, str]) -> Env:
    """As :func:`load`, with what the ``run.json`` of the same ``DATA_DIR`` remembers."""
    return load(environ, remembered(read_folder(environ.get("DATA_DIR") or "data")))


def secret_key(env: Env) -> str:
    """The key that signs sessions: given, or made once and kept in a 0600 file."""
    return env.secret_key or _secret_of(env.data_dir, "secret_key")


def _secret_of(data_dir: Path, name: str) -> str:
    """Return :func:`kept_secret`; where no dashboard was ever started, one for this process alone.

    A command that got the wrong folder therefore leaves nothing there.
    """
    is_there = (data_dir / RUN_FILE).exists() or (data_dir / "secrets" / name).exists()
    return kept_secret(data_dir, name) if is_there else secrets.token_urlsafe(48)


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
    """Django's settings of the one database."""
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
