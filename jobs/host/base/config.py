"""Settings of a host: the environment, or the file of "Add a host". Standard library only."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

from jobs.base.errors import JobsError
from jobs.base.valkey import is_address, without_login
from jobs.host.base.spool import read_json, write_json

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MOUNT = re.compile(r"(/[A-Za-z0-9._-]+)+/?")
_REGISTRY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_PORTS = re.compile(r"(\d{1,5})-(\d{1,5})")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
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
    """A setting that is missing or wrong; the message has its name and the allowed values."""

    id = "host:config"


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of disk and time; 0 is no limit.

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


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError("a size such as 500M, 20G or 1T is allowed, and 0 for no limit")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def _duration_s(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError("a length of time such as 12h or 7d is allowed, and 0 for no limit")
    return round(float(match[1]) * _SECONDS[match[2]])


_LIMITS: dict[str, tuple[str, Callable[[str], int]]] = {
    "HOST_LOG_LIMIT": ("log_bytes", _size),
    "HOST_DISK_RESERVE": ("disk_reserve_bytes", _size),
    "HOST_SERVER_LOG_KEEP": ("server_log_bytes", _size),
    "HOST_KEEP_SPOOLS": ("spools_s", _duration_s),
    "HOST_KEEP_SPOOLS_WITHIN": ("spools_bytes", _size),
}


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
    redis_url: str
    key: str
    dir: Path
    wheels_dir: Path | None
    ports: tuple[int, int]
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
        return {
            "HOST_NAME": self.name,
            "DASHBOARD_URL": self.dashboard_url,
            "REDIS_URL": self.redis_url,
            "HOST_KEY": self.key,
            "HOST_DIR": str(self.dir),
            "WHEELS_DIR": str(self.wheels_dir or ""),
            "HOST_PORTS": f"{self.ports[0]}-{self.ports[1]}",
            "HOST_WORKSPACE": str(self.workspace or ""),
            "HOST_MOUNT": self.mount,
            "HOST_REGISTRY": self.registry,
            "HOST_MODIFICATION_DIR": str(self.modification_dir or ""),
            "HOST_ROOT": str(self.root),
            "HOST_SCALE": f"{self.scale!r}",
            "AGENT_ALLOWED_PROGRAMS": " ".join(self.allowed_programs),
            "AGENT_ALLOWED_PATHS": ":".join(self.allowed_paths),
            **{name: str(getattr(self.limits, limit)) for name, (limit, _) in _LIMITS.items()},
        }


def load(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Config:
    """Settings from ``environ`` (the process's own when None); ``file`` has the last word. Raises
    ConfigError: a value is missing or not allowed."""
    given = dict(os.environ if environ is None else environ)
    if file is not None:
        given |= read_env_file(file)
    values = {name: value.strip() for name, value in given.items()}
    for name, meaning in _REQUIRED.items():
        if not values.get(name):
            raise ConfigError(f"{name} is not set: {meaning}")
    return Config(
        name=_matching(
            values, "HOST_NAME", _NAME, "small letters, digits and hyphens are allowed, 63 at most"
        ),
        dashboard_url=_dashboard_url(values),
        redis_url=_redis_url(values),
        key=values["HOST_KEY"],
        dir=_writable("HOST_DIR", values["HOST_DIR"]),
        wheels_dir=_existing(values, "WHEELS_DIR"),
        ports=_ports(values),
        workspace=(
            _writable("HOST_WORKSPACE", values["HOST_WORKSPACE"])
            if values.get("HOST_WORKSPACE")
            else None
        ),
        mount=_matching(
            values, "HOST_MOUNT", _MOUNT, "an absolute path such as /test is allowed", "/test"
        ).rstrip("/"),
        registry=_matching(
            values,
            "HOST_REGISTRY",
            _REGISTRY,
            "a host name with or without a port is allowed, such as registry.lan:5000",
        ),
        modification_dir=_existing(values, "HOST_MODIFICATION_DIR"),
        root=_existing(values, "HOST_ROOT") or Path("/"),
        scale=_scale(values),
        allowed_programs=_allowed_programs(values),
        allowed_paths=_allowed_paths(values),
        limits=_limits(values),
    )


def read_env_file(path: Path) -> dict[str, str]:
    """``NAME=value`` lines; a value may be quoted as in a shell, ``#`` begins a comment line.
    Raises ConfigError: the file cannot be read, or a line is something else."""
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


def _matching(
    values: Mapping[str, str], name: str, allowed: re.Pattern[str], meaning: str, default: str = ""
) -> str:
    text = values.get(name) or default
    if text and not allowed.fullmatch(text):
        raise ConfigError(f"{name} is {text!r}: {meaning}")
    return text


def _dashboard_url(values: Mapping[str, str]) -> str:
    url = values["DASHBOARD_URL"]
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ConfigError(
            f"DASHBOARD_URL is {url!r}: http://HOST:PORT or https://HOST is allowed, "
            "with a path where the dashboard has one"
        )
    return url.rstrip("/")


def _redis_url(values: Mapping[str, str]) -> str:
    url = values.get("REDIS_URL", "")
    if url and not is_address(url):
        raise ConfigError(
            f"REDIS_URL is {without_login(url)!r}: an address such as redis://10.0.0.5:6379/0, "
            "rediss://… or unix:///PATH is allowed, or none"
        )
    return url


def _writable(name: str, text: str) -> Path:
    path = Path(text).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{name} is {text!r}, which cannot be made: {error}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"{name} is {text!r}, where this user may not write")
    return path


def _existing(values: Mapping[str, str], name: str) -> Path | None:
    text = values.get(name)
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise ConfigError(f"{name} is {text!r}, which is no folder")
    return path


def _ports(values: Mapping[str, str]) -> tuple[int, int]:
    text = values.get("HOST_PORTS") or "20000-20999"
    match = _PORTS.fullmatch(text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise ConfigError(f"HOST_PORTS is {text!r}: FIRST-LAST is allowed, between 1024 and 65535")
    return first, last


def _scale(values: Mapping[str, str]) -> float:
    text = values.get("HOST_SCALE") or "1"
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise ConfigError(f"HOST_SCALE is {text!r}: a number above 0 and up to 1 is allowed")
    return scale


def _allowed_programs(values: Mapping[str, str]) -> tuple[str, ...]:
    names = tuple(filter(None, re.split(r"[\s,]+", values.get("AGENT_ALLOWED_PROGRAMS", ""))))
    for name in names:
        if not _PROGRAM.fullmatch(name):
            raise ConfigError(
                f"AGENT_ALLOWED_PROGRAMS has {name!r}: names of programs without a folder are "
                "allowed, and the word default for those that are permitted unless it is set"
            )
    return names


def _allowed_paths(values: Mapping[str, str]) -> tuple[str, ...]:
    folders = tuple(filter(None, values.get("AGENT_ALLOWED_PATHS", "").split(":")))
    for folder in folders:
        if folder != "default" and (not folder.startswith("/") or folder.strip("/") == ""):
            raise ConfigError(
                f"AGENT_ALLOWED_PATHS has {folder!r}: absolute folders between colons are allowed, "
                "but not /, and the word default for the host's own"
            )
    return folders


def _limits(values: Mapping[str, str]) -> HostLimits:
    limits = {}
    for name, (limit, read) in _LIMITS.items():
        if text := values.get(name):
            try:
                limits[limit] = read(text)
            except ValueError as error:
                raise ConfigError(f"{name} is {text!r}: {error}") from None
    return HostLimits(**limits)


def write_limits(limits: HostLimits, host_dir: Path, *, if_missing: bool = False) -> None:
    """Store the limits in ``limits.json``, for the launchers of running jobs too. ``if_missing``:
    the agent's settings win over a worker's."""
    file = host_dir / "limits.json"
    if not file.exists() or (not if_missing and limits_of(host_dir) != limits):
        write_json(file, asdict(limits))


def limits_of(host_dir: Path) -> HostLimits:
    """Return the stored limits; defaults if they cannot be read."""
    known = {field.name for field in fields(HostLimits)}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        values = read_json(host_dir / "limits.json")
        return HostLimits(**{name: int(value) for name, value in values.items() if name in known})
    return HostLimits()
