"""Probe of this host: processor, memory, disk, tools, dies. Reads /proc, /etc and /dev."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobs.host.base.config import Config
from jobs.host.probe import vacc
from jobs.host.probe.run_command import run_command

# Program -> the arguments that make it say its version; None: it is not asked (too slow, or it
# would do something).
TOOLS: dict[str, tuple[str, ...] | None] = {
    "conda": ("--version",),
    "docker": ("--version",),
    "evalscope": None,
    "git": ("--version",),
    "hf": None,
    "hfd.sh": None,
    # Its words are published nowhere: what cannot be read stays unknown, and with it the identity
    # of what it served.
    "llmdeploy": ("--version",),
    "modelscope": None,
    "opencompass": None,
    "vamc": ("--version",),
    "vaml": None,
    "vasmi": ("--version",),
    "vastgenx": ("--version",),
    "vllm": None,
}
_VERSION = re.compile(r"\d+(?:\.\d+)+[^\s,;)]*")
TIMEOUT_S = 5.0


def probe(config: Config) -> dict[str, Any]:
    """The facts document. Takes up to some seconds: programs are asked for their versions."""
    disk = shutil.disk_usage(config.workspace or config.dir)
    return {
        "address": _own_address(config.dashboard_url),
        "arch": platform.machine(),
        "cpu": cpu(config.root),
        "disk": {"total_bytes": disk.total, "free_bytes": disk.free},
        "kernel": platform.release(),
        "memory_bytes": _memory("MemTotal"),
        "os": _os(),
        "python": {"path": sys.executable, "version": platform.python_version()},
        "roots": roots(config.dir, config.workspace),
        "tools": [program for name in sorted(TOOLS) if (program := tool(name)) is not None],
        "wheels_dir": str(config.wheels_dir) if config.wheels_dir else None,
        **vacc.facts(config),
    }


def roots(host_dir: Path, workspace: Path | None = None) -> dict[str, str]:
    """The host's folders, made where they are not there yet."""
    places = {name: host_dir / name for name in ("environments", "spool", "serve")}
    # The names of the deployment guide, where people have their models already.
    places["weights"] = (workspace or host_dir) / "weights"
    places["artifacts"] = workspace / "vacc_deploy" if workspace else host_dir / "artifacts"
    places["datasets"] = (workspace or host_dir) / "datasets"
    folders = {}
    for name, folder in places.items():
        folder.mkdir(parents=True, exist_ok=True)
        folders[name] = str(folder)
    return folders


def load(folder: Path) -> dict[str, Any]:
    """Return the load of the host: ``{"load_1m", "memory_free_bytes", "disk_free_bytes"}``."""
    return {
        "load_1m": round(os.getloadavg()[0], 2),
        "memory_free_bytes": _memory("MemAvailable"),
        "disk_free_bytes": shutil.disk_usage(folder).free,
    }


def cpu(root: Path) -> dict[str, Any]:
    """``{"model", "cores", "avx512"}``."""
    text = (root / "proc/cpuinfo").read_text(errors="replace")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "model": fields.get("model name") or platform.processor() or platform.machine(),
        # Cores of this process, which a container may limit.
        "cores": len(os.sched_getaffinity(0)),
        "avx512": "avx512f" in flags,
    }


def _memory(name: str) -> int | None:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _os() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME") or release.get("NAME") or platform.system()


def size_text(count: int) -> str:
    """Bytes in words: "98.4 GB"; something is never "0.0 MB"."""
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= least:
            return f"{count / least:.1f} {unit}"
    return f"{count} B"


def tool(name: str) -> dict[str, str] | None:
    """``{"name", "version", "path"}``; version "" if unknown; None: not here."""
    path, arguments = shutil.which(name), TOOLS[name]
    if path is None:
        return None
    output = ""
    if arguments is not None:
        answer = run_command([path, *arguments], TIMEOUT_S)
        output = answer.out + answer.err if answer.code == 0 else ""
    match = _VERSION.search(output)
    return {"name": name, "version": match[0] if match else "", "path": path}


def _own_address(dashboard_url: str) -> str | None:
    """Our address on the way to the dashboard; nothing is sent. None: there is no way."""
    parts = urlsplit(dashboard_url)
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind) as probe_socket:
            probe_socket.connect(address)
            return str(probe_socket.getsockname()[0])
    except OSError:
        return None
