"""Description of the machine, without which figures mean nothing."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def describe(folder: Path) -> str:
    """Date, processor, memory, kernel, Python, and the file system that ``folder`` is on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"{_cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        f"{memory:.0f} GiB",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        _file_system(folder),
    )
    return "; ".join(parts)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    command = ["stat", "--file-system", "--format", "%T", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
