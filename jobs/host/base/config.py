"""Settings of a host: the environment, or the file of "Add a host". Standard library only."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobs.base.errors import JobsError
from jobs.base.valkey import is_address, without_login
from jobs.host.base.spool import read_json, write_json

log = logging.getLogger(__name__)

_LIMITS_FILE = "limits.json"
# Powers of 1,000, as the pages show sizes.
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_REQUIRED = {
    "HOST_NAME": "name of this host on the dashboard",
    "DASHBOARD_URL": "address of the dashboard, such as http://10.0.0.5:8000",
    "HOST_KEY": "key of this host from the dashboard",
    "HOST_DIR": "folder for jobs, models and environments",
}


class ConfigError(JobsError):
    """Missing or wrong setting; the message has its name and the allowed values."""

    id = "host:config"


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of disk and time; 0 is no limit. ``log_bytes``: of a job's log.
    ``disk_reserve_bytes``: stay free on the disk of the spools. ``server_log_bytes``: of a server's
    log stay on this disk once the dashboard has it. ``spools_s``, ``spools_bytes``: how long spools
    of jobs stay that the dashboard has all of, and how much disk they may take."""

    log_bytes: int = 100 * 10**9
    disk_reserve_bytes: int = 10**9
    server_log_bytes: int = 10**9
    spools_s: int = 7 * 86400
    spools_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one host. ``ports``: first and last port that a server may get.

    ``workspace`` is the folder of models, data sets and what is made of them (None: in
    ``dir``), ``mount`` where a container sees it. ``registry`` is the host name of the registry of
    images, ``modification_dir`` the folder with the vendor's changed model files; "" and None where
    there is none. ``scale`` is the size of a file here as a share of the real one's: below 1 on a
    simulated host alone. ``root`` is put before ``/dev``, ``/proc`` and ``/sys`` when it is probed.
    ``allowed_programs`` and ``allowed_paths`` are what jobs may run and touch
    (``jobs.host.claim.policy``; none: its default).
    """

    name: str
    dashboard_url: str
    key: str
    dir: Path
    redis_url: str = ""
    wheels_dir: Path | None = None
    ports: tuple[int, int] = (20000, 20999)
    workspace: Path | None = None
    mount: str = "/test"
    registry: str = ""
    modification_dir: Path | None = None
    root: Path = Path("/")
    scale: float = 1.0
    allowed_programs: tuple[str, ...] = ()
    allowed_paths: tuple[str, ...] = ()
    limits: HostLimits = field(default_factory=HostLimits)

    def as_environment(self) -> dict[str, str]:
        values = {name: getattr(self, key) for name, (key, _) in _SETTINGS.items()}
        limits = {name: getattr(self.limits, key) for name, (key, _) in _LIMITS.items()}
        return {
            **{name: str(value or "") for name, value in values.items()},
            "HOST_PORTS": f"{self.ports[0]}-{self.ports[1]}",
            "AGENT_ALLOWED_PROGRAMS": " ".join(self.allowed_programs),
            "AGENT_ALLOWED_PATHS": ":".join(self.allowed_paths),
            **{name: str(value) for name, value in limits.items()},
        }


def load(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Config:
    """Settings from ``environ`` (None: the process's own); ``file`` has the last word. Raises
    ConfigError: a value is missing or not allowed."""
    given = dict(os.environ if environ is None else environ)
    if file is not None:
        given |= read_env_file(file)
    for name, meaning in _REQUIRED.items():
        if not given.get(name, "").strip():
            raise ConfigError(f"{name} is not set: {meaning}")
    values, limits = _read(given, _SETTINGS), _read(given, _LIMITS)
    return Config(**values, limits=HostLimits(**limits))


def _read(
    given: Mapping[str, str], settings: Mapping[str, tuple[str, Callable[[str], Any]]]
) -> dict[str, Any]:
    values = {}
    for name, (attribute, read) in settings.items():
        if text := given.get(name, "").strip():
            try:
                values[attribute] = read(text)
            except ValueError as error:
                raise ConfigError(f"{name} is {text!r}{error}") from None
    return values


def read_env_file(path: Path) -> dict[str, str]:
    """``NAME=value`` lines; a value may be quoted as in a shell, ``#`` begins a comment line.
    Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"ENV: {path} cannot be read: {error}") from error
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ConfigError(f"ENV: line {number} of {path} is not NAME=value: {line!r}")
        try:
            values[name.strip()] = " ".join(shlex.split(value))
        except ValueError as error:
            raise ConfigError(f"ENV: line {number} of {path}: {error}") from error
    return values


def _matching(allowed: str, meaning: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(allowed, text):
            raise ValueError(f": {meaning}")
        return text.rstrip("/")

    return read


def _dashboard_url(text: str) -> str:
    with contextlib.suppress(ValueError):
        parts = urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return text.rstrip("/")
    raise ValueError(
        ": http://HOST:PORT or https://HOST is allowed, with a path where the dashboard has one"
    )


def _redis_url(text: str) -> str:
    if not is_address(text):
        raise ConfigError(
            f"REDIS_URL is {without_login(text)!r}: an address such as redis://10.0.0.5:6379/0, "
            "rediss://… or unix:///PATH is allowed, or none"
        )
    return text


def _writable(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f", which cannot be made: {error}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValueError(", where this user may not write")
    return path


def _existing(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise ValueError(", which is no folder")
    return path


def _ports(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise ValueError(": FIRST-LAST is allowed, between 1024 and 65535")
    return first, last


def _scale(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (scale := float(text)) <= 1:
            return scale
    raise ValueError(": a number above 0 and up to 1 is allowed")


def _programs(text: str) -> tuple[str, ...]:
    names = tuple(filter(None, re.split(r"[\s,]+", text)))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name):
            raise ConfigError(
                f"AGENT_ALLOWED_PROGRAMS has {name!r}: names of programs without a folder are "
                "allowed, and the word default for those that are permitted unless it is set"
            )
    return names


def _paths(text: str) -> tuple[str, ...]:
    folders = tuple(filter(None, text.split(":")))
    for folder in folders:
        if folder != "default" and (not folder.startswith("/") or folder.strip("/") == ""):
            raise ConfigError(
                f"AGENT_ALLOWED_PATHS has {folder!r}: absolute folders between colons are allowed, "
                "but not /, and the word default for the host's own"
            )
    return folders


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text, re.IGNORECASE)
    if not match:
        raise ValueError(": a size such as 500M, 20G or 1T is allowed, and 0 for no limit")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def _duration_s(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text)
    if not match:
        raise ValueError(": a length of time such as 12h or 7d is allowed, and 0 for no limit")
    return round(float(match[1]) * _SECONDS[match[2]])


# Variable -> field, and how its text is read.
_SETTINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "HOST_NAME": (
        "name",
        _matching(
            r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
            "small letters, digits and hyphens are allowed, 63 at most",
        ),
    ),
    "DASHBOARD_URL": ("dashboard_url", _dashboard_url),
    "REDIS_URL": ("redis_url", _redis_url),
    "HOST_KEY": ("key", str),
    "HOST_DIR": ("dir", _writable),
    "WHEELS_DIR": ("wheels_dir", _existing),
    "HOST_PORTS": ("ports", _ports),
    "HOST_WORKSPACE": ("workspace", _writable),
    "HOST_MOUNT": (
        "mount",
        _matching(r"(/[A-Za-z0-9._-]+)+/?", "an absolute path such as /test is allowed"),
    ),
    "HOST_REGISTRY": (
        "registry",
        _matching(
            r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?",
            "a host name with or without a port is allowed, such as registry.lan:5000",
        ),
    ),
    "HOST_MODIFICATION_DIR": ("modification_dir", _existing),
    "HOST_ROOT": ("root", _existing),
    "HOST_SCALE": ("scale", _scale),
    "AGENT_ALLOWED_PROGRAMS": ("allowed_programs", _programs),
    "AGENT_ALLOWED_PATHS": ("allowed_paths", _paths),
}
_LIMITS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "HOST_LOG_LIMIT": ("log_bytes", _size),
    "HOST_DISK_RESERVE": ("disk_reserve_bytes", _size),
    "HOST_SERVER_LOG_KEEP": ("server_log_bytes", _size),
    "HOST_KEEP_SPOOLS": ("spools_s", _duration_s),
    "HOST_KEEP_SPOOLS_WITHIN": ("spools_bytes", _size),
}


def write_limits(limits: HostLimits, host_dir: Path, *, if_missing: bool = False) -> None:
    """To ``limits.json``, for the launchers of running jobs too. ``if_missing``: the agent's
    settings win over a worker's."""
    stored = _stored_limits(host_dir)
    if stored is None or (not if_missing and stored != limits):
        write_json(host_dir / _LIMITS_FILE, asdict(limits))


def limits_of(host_dir: Path) -> HostLimits:
    """Defaults if the stored limits cannot be read; the agent writes a damaged file anew."""
    return _stored_limits(host_dir) or HostLimits()


def _stored_limits(host_dir: Path) -> HostLimits | None:
    """None: no such file, or a damaged one, which is logged."""
    known, file = {field.name for field in fields(HostLimits)}, host_dir / _LIMITS_FILE
    try:
        values = read_json(file)
        return HostLimits(**{name: int(value) for name, value in values.items() if name in known})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("%s is damaged (%s): default limits hold until it is written anew", file, error)
        return None
