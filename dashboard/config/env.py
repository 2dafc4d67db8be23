"""Settings from the environment: one table, each with its reader. Standard library only.

What ``make run`` was started with is remembered in ``DATA_DIR/run.json``, so that a command in a
second terminal finds the same database, Redis and address from ``DATA_DIR`` alone.
"""

import contextlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_type_hints
from urllib.parse import parse_qsl, unquote, urlsplit

from dashboard.config import readers
from dashboard.config.readers import HOST_LOGIN, Network, read_folder
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


class Read(NamedTuple):
    """Reader of a variable, and what the variable is unless set."""

    by: Callable[[str], Any]
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Every setting, read; what each does is said in docs/run/settings.md, in the same order."""

    port: Annotated[int, Read(readers.read_port, "8000")]
    bind: Annotated[str, Read(readers.read_text, "127.0.0.1")]
    web_processes: Annotated[int, Read(readers.read_web_processes, "1")]
    public_url: Annotated[str, Read(readers.read_public_url)]
    trusted_proxies: Annotated[tuple[Network, ...], Read(readers.read_networks)]
    nginx_files: Annotated[str, Read(readers.read_location)]
    data_dir: Annotated[Path, Read(readers.read_folder, "data")]
    database_url: Annotated[str, Read(readers.read_database_url)]
    redis_url: Annotated[str, Read(readers.read_redis_url)]
    host_redis_url: Annotated[str, Read(readers.read_host_redis_url)]
    valkey_listen: Annotated[tuple[str, int] | None, Read(readers.read_listen)]
    valkey_memory_bytes: Annotated[int, Read(readers.read_valkey_memory_bytes, "256M")]
    secret_key: Annotated[str, Read(readers.read_text)]
    secrets_key_file: Annotated[Path | None, Read(readers.read_optional_file)]
    admin_password: Annotated[str, Read(readers.read_text)]
    wheels_dir: Annotated[Path | None, Read(readers.read_optional_folder)]
    time_zone: Annotated[str, Read(readers.read_time_zone, "UTC")]
    host_lost_after_s: Annotated[float, Read(readers.read_duration_s, "24h")]
    stalled_after_s: Annotated[float, Read(readers.read_duration_s, "10m")]
    queue_limit: Annotated[int, Read(readers.read_queue_limit, "10000")]
    compress_logs_after_s: Annotated[float, Read(readers.read_duration_s, "1h")]
    retention_age_s: Annotated[float | None, Read(readers.read_retention_age_s)]
    retention_size_bytes: Annotated[int | None, Read(readers.read_size_bytes)]
    job_log_limit_bytes: Annotated[int, Read(readers.read_limit_bytes, "100G")]
    job_points_limit_bytes: Annotated[int, Read(readers.read_limit_bytes, "100M")]
    job_outputs_limit_bytes: Annotated[int, Read(readers.read_limit_bytes, "10G")]
    import_limit_bytes: Annotated[int, Read(readers.read_limit_bytes, "100M")]
    host_storage_limit_bytes: Annotated[int, Read(readers.read_limit_bytes, "2T")]
    disk_reserve_bytes: Annotated[int, Read(readers.read_limit_bytes, "1G")]
    audit_export: Annotated[Path | str | tuple[str, int] | None, Read(readers.read_audit_export)]
    log_level: Annotated[str, Read(readers.read_log_level, "INFO")]
    debug: Annotated[bool, Read(readers.read_switch, "0")]


def variables() -> dict[str, Read]:
    """Return each variable with its reader, in order.

    A field adds its unit to the name: ``stalled_after_s`` is STALLED_AFTER.
    """
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
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def load_remembering(environ: Mapping[str, str]) -> Env:
    """As :func:`load`, with the variables of the last ``make run`` on the same ``DATA_DIR``."""
    facts = run_facts(read_folder(environ.get("DATA_DIR") or "data"))
    return load(environ, facts.get("environ"))


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
