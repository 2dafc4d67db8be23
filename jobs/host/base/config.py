"""Settings of a host: the environment, or the file of "Add a host"."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from jobs.base.errors import JobsError
from jobs.base.redis_addresses import is_address, without_login
from jobs.host.base import limits
from jobs.host.base.limits import HostLimits

_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
_MOUNT = re.compile(r"^(/[A-Za-z0-9._-]+)+/?$")
_REGISTRY = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?$")
_PROGRAM = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")
_PORTS = re.compile(r"^(\d{1,5})-(\d{1,5})$")


class ConfigError(JobsError):
    """A setting that is missing or wrong; the message has its name and the allowed values."""

    id = "host:config"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one host. ``ports``: first and last port that a server may get.

    ``workspace`` is the folder of models, data sets and what is made of them (None: in
    ``dir``), ``mount`` where a container sees it. ``registry`` is the host name of the registry of
    images, ``modification_dir`` the folder with the vendor's changed model files; "" and None where
    there is none. ``scale`` is the size of a file here as a share of the real one's: below 1 on a
    simulated host alone. ``root`` is put before ``/dev``, ``/proc`` and ``/sys`` when it is probed.
    ``allowed_programs`` and ``allowed_paths`` are what jobs may run and touch
    (``jobs.host.claim.policy``; none: its default), ``limits`` how much of the disk they may take.
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
        """Return the settings as environment variables, for child processes."""
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
            **self.limits.as_environment(),
        }


def load(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Config:
    """Settings from ``environ`` (the process's own when None); ``file`` has the last word.

    Raises:
        ConfigError: a value is missing or not allowed.
    """
    values = dict(os.environ if environ is None else environ)
    if file is not None:
        values |= read_env_file(file)
    return Config(
        name=_name(values),
        dashboard_url=_dashboard_url(values),
        redis_url=_redis_url(values),
        key=_required(values, "HOST_KEY", "key of this host from the dashboard"),
        dir=_folder(values),
        wheels_dir=_existing(values, "WHEELS_DIR"),
        ports=_ports(values),
        workspace=_workspace(values),
        mount=_mount(values),
        registry=_registry(values),
        modification_dir=_existing(values, "HOST_MODIFICATION_DIR"),
        root=_existing(values, "HOST_ROOT") or Path("/"),
        scale=_scale(values),
        allowed_programs=_allowed_programs(values),
        allowed_paths=_allowed_paths(values),
        limits=_limits(values),
    )


def read_env_file(path: Path) -> dict[str, str]:
    """``NAME=value`` lines; a value may be quoted as in a shell, ``#`` begins a comment line.

    Raises:
        ConfigError: the file cannot be read, or a line is something else.
    """
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
            parts = shlex.split(value)
        except ValueError as error:
            raise ConfigError(f"ENV: line {number} of {path}: {error}") from error
        values[name.strip()] = " ".join(parts)
    return values


def _required(values: Mapping[str, str], name: str, meaning: str) -> str:
    value = values.get(name, "").strip()
    if not value:
        raise ConfigError(f"{name} is not set: {meaning}")
    return value


def _name(values: Mapping[str, str]) -> str:
    name = _required(values, "HOST_NAME", "name of this host on the dashboard")
    if not _NAME.match(name):
        raise ConfigError(
            f"HOST_NAME is {name!r}: small letters, digits and hyphens are allowed, 63 at most"
        )
    return name


def _dashboard_url(values: Mapping[str, str]) -> str:
    url = _required(
        values, "DASHBOARD_URL", "address of the dashboard, such as http://10.0.0.5:8000"
    )
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
    url = values.get("REDIS_URL", "").strip()
    if url and not is_address(url):
        raise ConfigError(
            f"REDIS_URL is {without_login(url)!r}: an address such as redis://10.0.0.5:6379/0, "
            "rediss://… or unix:///PATH is allowed, or none"
        )
    return url


def _folder(values: Mapping[str, str]) -> Path:
    text = _required(values, "HOST_DIR", "folder for jobs, models and environments")
    return _writable("HOST_DIR", text)


def _workspace(values: Mapping[str, str]) -> Path | None:
    text = values.get("HOST_WORKSPACE", "").strip()
    return _writable("HOST_WORKSPACE", text) if text else None


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
    text = values.get(name, "").strip()
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise ConfigError(f"{name} is {text!r}, which is no folder")
    return path


def _mount(values: Mapping[str, str]) -> str:
    text = values.get("HOST_MOUNT", "").strip() or "/test"
    if not _MOUNT.match(text):
        raise ConfigError(f"HOST_MOUNT is {text!r}: an absolute path such as /test is allowed")
    return text.rstrip("/")


def _registry(values: Mapping[str, str]) -> str:
    text = values.get("HOST_REGISTRY", "").strip()
    if text and not _REGISTRY.match(text):
        raise ConfigError(
            f"HOST_REGISTRY is {text!r}: a host name with or without a port is allowed, such as "
            "registry.lan:5000"
        )
    return text


def _scale(values: Mapping[str, str]) -> float:
    text = values.get("HOST_SCALE", "").strip() or "1"
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise ConfigError(f"HOST_SCALE is {text!r}: a number above 0 and up to 1 is allowed")
    return scale


def _allowed_programs(values: Mapping[str, str]) -> tuple[str, ...]:
    names = tuple(re.split(r"[\s,]+", values.get("AGENT_ALLOWED_PROGRAMS", "").strip()))
    for name in filter(None, names):
        if not _PROGRAM.match(name):
            raise ConfigError(
                f"AGENT_ALLOWED_PROGRAMS has {name!r}: names of programs without a folder are "
                "allowed, and the word default for those that are permitted unless it is set"
            )
    return tuple(filter(None, names))


def _allowed_paths(values: Mapping[str, str]) -> tuple[str, ...]:
    folders = tuple(filter(None, values.get("AGENT_ALLOWED_PATHS", "").strip().split(":")))
    for folder in folders:
        if folder != "default" and (not folder.startswith("/") or folder.strip("/") == ""):
            raise ConfigError(
                f"AGENT_ALLOWED_PATHS has {folder!r}: absolute folders between colons are allowed, "
                "but not /, and the word default for the host's own"
            )
    return folders


def _limits(values: Mapping[str, str]) -> HostLimits:
    try:
        return limits.read(values)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _ports(values: Mapping[str, str]) -> tuple[int, int]:
    text = values.get("HOST_PORTS", "").strip() or "20000-20999"
    match = _PORTS.match(text)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise ConfigError(f"HOST_PORTS is {text!r}: FIRST-LAST is allowed, between 1024 and 65535")
    return first, last
