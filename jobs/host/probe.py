"""Equipment of the host: processor, memory, disk, tools, dies. Reads files and asks short commands.

Standard library only: the launcher imports this module.
"""

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jobs.host.base.config import Config

# Programs that are asked for their version. The words of llmdeploy are published nowhere: what
# cannot be read stays unknown, and with it the identity of what it served.
_ASKED = {"conda", "docker", "git", "llmdeploy", "vamc", "vasmi", "vastgenx"}
# Others are too slow, or would do something.
TOOLS = _ASKED | {"evalscope", "hf", "hfd.sh", "modelscope", "opencompass", "vaml", "vllm"}
_VERSION = re.compile(r"\d+(?:\.\d+)+[^\s,;)]*")
_DIE = re.compile(r"vacc(\d+)")
_DRIVER = re.compile(r"Driver[^\n:]*:?\s*([^\n]+)")
_IOMMU_ON = re.compile(r"\b(?:intel_iommu|amd_iommu|iommu)=on\b")
GUIDE_IMAGE = "vllm_vacc"
TIMEOUT_S = 5.0
UNREAD_CHARS = 1000
# "device 3", "Device id 0 status", "die: 12", "/dev/vacc7", "id=4"
_DEVICE = re.compile(r"(?:\b(?:device|die|dev|id)|/dev/vacc)(?:\s+id)?\s*[:#=]?\s*(\d+)\b", re.I)
# Reading -> (command of vasmi, number with its unit, least and most possible value)
_CELSIUS = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:°\s*C|℃|C\b|deg(?:rees?)?\s*C\b|celsius)", re.I)
_WATTS = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:W\b|watts?\b)", re.I)
_READINGS = {
    "temp_c": ("gettemp", _CELSIUS, (-50.0, 200.0)),
    "power_w": ("getpwr", _WATTS, (0.0, 5000.0)),
}


class CommandResult(NamedTuple):
    """Exit code and output. A command that could not run, or timed out, has code None and the
    reason in ``err``."""

    code: int | None
    out: str
    err: str


def run_command(argv: Sequence[str], timeout_s: float) -> CommandResult:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return CommandResult(None, "", str(error))
    return CommandResult(done.returncode, done.stdout, done.stderr)


def probe(config: Config) -> dict[str, Any]:
    """The facts document. Takes some seconds: programs are asked for their versions."""
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
        **vacc_facts(config),
    }


def roots(host_dir: Path, workspace: Path | None = None) -> dict[str, str]:
    """The host's folders, made where they are missing."""
    places = {name: host_dir / name for name in ("environments", "spool", "serve")}
    # The names of the deployment guide, where people have their models already.
    places["weights"] = (workspace or host_dir) / "weights"
    places["artifacts"] = workspace / "vacc_deploy" if workspace else host_dir / "artifacts"
    places["datasets"] = (workspace or host_dir) / "datasets"
    for folder in places.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {name: str(folder) for name, folder in places.items()}


def load(folder: Path) -> dict[str, Any]:
    """``{"load_1m", "memory_free_bytes", "disk_free_bytes"}``"""
    return {
        "load_1m": round(os.getloadavg()[0], 2),
        "memory_free_bytes": _memory("MemAvailable"),
        "disk_free_bytes": shutil.disk_usage(folder).free,
    }


def cpu(root: Path) -> dict[str, Any]:
    fields: dict[str, str] = {}
    for line in (root / "proc/cpuinfo").read_text(errors="replace").splitlines():
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
        release = {}
    return release.get("PRETTY_NAME") or release.get("NAME") or platform.system()


def tool(name: str) -> dict[str, str] | None:
    """``{"name", "version", "path"}``; version "" if unknown; None: not here."""
    path = shutil.which(name)
    if path is None:
        return None
    output = ""
    if name in _ASKED:
        answer = run_command([path, "--version"], TIMEOUT_S)
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


# VACC hosts. The places are those that the vendor's own start script looks at (compose entry point
# of the R1 image, driver installer); no card is asked.


def vacc_facts(config: Config) -> dict[str, Any]:
    """Of a host without cards: no dies and nothing else."""
    dies = dies_below(config.root / "dev")
    if not dies:
        return {"dies": []}
    images = docker_images()
    version = _text(config.root / "opt/vastai/vaststream/version.txt")
    return {
        "dies": dies,
        "driver": driver(config.root / "dev/vastai0_version"),
        "iommu": iommu_is_on(config.root),
        "compiler": version.partition("\n")[0].strip()[:200],
        "workspace": str(config.workspace or config.dir),
        "mount": config.mount,
        "registry": config.registry,
        "modification_dir": str(config.modification_dir or ""),
        "conda": conda_prefix(),
        "images": images,
        "stacks": stacks(images),
    }


def dies_below(devices: Path) -> list[dict[str, Any]]:
    """One for each ``/dev/vaccN``: the id that every tool of the vendor takes."""
    names = [path.name for path in devices.iterdir()] if devices.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := _DIE.fullmatch(name))]
    return [{"id": number} for number in sorted(numbers)]


def driver(path: Path) -> str:
    """Such as "00.25.12.30 d3_3_v2_9_a3_1"; "" if unknown."""
    match = _DRIVER.search(_text(path))
    return match[1].strip()[:200] if match else ""


def iommu_is_on(root: Path) -> bool:
    """The kernel was started with an IOMMU, or has groups of one: it must be off."""
    groups = root / "sys/kernel/iommu_groups"
    was_asked = bool(_IOMMU_ON.search(_text(root / "proc/cmdline")))
    return was_asked or (groups.is_dir() and any(groups.iterdir()))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def conda_prefix() -> str:
    """ "" without conda."""
    path = shutil.which("conda")
    return str(Path(path).resolve().parent.parent) if path else ""


def docker_images() -> list[str]:
    """``name:tag`` of every image; empty where docker does not answer."""
    docker = shutil.which("docker")
    if docker is None:
        return []
    answer = run_command([docker, "images", "--format", "{{.Repository}}:{{.Tag}}"], TIMEOUT_S)
    return sorted(answer.out.split()) if answer.code == 0 else []


def stacks(images: list[str]) -> list[str]:
    """Generations of the vendor's tools on this host; both if unknown."""
    names = [image.rpartition("/")[2] for image in images]
    ids = []
    for id_, tag, program in (("guide", "latest", "llmdeploy"), ("current", "VVI", "vastgenx")):
        has_image = any(name.startswith(f"{GUIDE_IMAGE}:{tag}") for name in names)
        if has_image or shutil.which(program):
            ids.append(id_)
    return ids or ["guide", "current"]


# Temperature and power of dies from ``vasmi gettemp`` and ``vasmi getpwr``. Their output format is
# unpublished. So the reader is lenient: any line that names a device, and any number with the unit
# after it. Unreadable output is passed on as text, for people to read.


def readings(config: Config) -> dict[str, Any]:
    """``{"dies": {"0": {"temp_c": 71.5, "power_w": 18.2}}, "unread": {"gettemp": "…"}}``. Empty on
    a host without dies or without ``vasmi``; ``unread`` is there only for a command with unreadable
    output. Takes up to ten seconds."""
    return read_dies([str(die["id"]) for die in dies_below(config.root / "dev")])


def read_dies(numbers: Sequence[str]) -> dict[str, Any]:
    program = shutil.which("vasmi")
    if program is None or not numbers:
        return {}
    dies: dict[str, dict[str, float]] = {}
    unread = {}
    for name, (command, pattern, limits) in _READINGS.items():
        answer = run_command([program, command, "-d", ",".join(numbers)], TIMEOUT_S)
        output = "" if answer.code is None else answer.out + answer.err
        values = _highest(output, pattern, limits, numbers)
        # Numbers for a few dies only are likely those of something else, such as dies of a card.
        if 2 * len(values) >= len(numbers):
            for number, value in values.items():
                dies.setdefault(number, {})[name] = value
        elif output.strip():
            unread[command] = output.strip()[:UNREAD_CHARS]
    return {"dies": dies, **({"unread": unread} if unread else {})}


def _highest(
    text: str, pattern: re.Pattern[str], limits: tuple[float, float], numbers: Sequence[str]
) -> dict[str, float]:
    """Die -> the highest value that stands with it: of a die's several sensors the hottest counts.
    A value belongs to the device that was named last, on its line or before it."""
    highest: dict[str, float] = {}
    device = ""
    for line in text.splitlines():
        if match := _DEVICE.search(line):
            device = match[1]
        if device not in numbers:
            continue
        for value in map(float, pattern.findall(line)):
            if limits[0] <= value <= limits[1]:
                highest[device] = max(value, highest.get(device, value))
    return highest
