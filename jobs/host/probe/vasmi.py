"""Temperature and power of dies from ``vasmi gettemp`` and ``vasmi getpwr``.

Their output format is unpublished. So the reader is lenient: any line that names a device, and any
number with the unit after it. Unreadable output is passed on as text, for people to read.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from typing import Any

from jobs.host.base.config import Config
from jobs.host.probe import vacc
from jobs.host.probe.run_command import run_command

PROGRAM = "vasmi"
TIMEOUT_S = 5.0
UNREAD_CHARS = 1000
# "device 3", "Device id 0 status", "die: 12", "/dev/vacc7", "id=4"
_DEVICE = re.compile(r"(?:\b(?:device|die|dev|id)|/dev/vacc)(?:\s+id)?\s*[:#=]?\s*(\d+)\b", re.I)
# Reading -> (command, number with its unit, least and most possible value)
_CELSIUS = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:°\s*C|℃|C\b|deg(?:rees?)?\s*C\b|celsius)", re.I)
_WATTS = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:W\b|watts?\b)", re.I)
_ASKED = {
    "temp_c": ("gettemp", _CELSIUS, (-50.0, 200.0)),
    "power_w": ("getpwr", _WATTS, (0.0, 5000.0)),
}


def readings(config: Config) -> dict[str, Any]:
    """``{"dies": {"0": {"temp_c": 71.5, "power_w": 18.2}}, "unread": {"gettemp": "…"}}``.

    Empty on a host without dies or without ``vasmi``; ``unread`` is there only for a command
    with unreadable output. Takes up to ten seconds.
    """
    return read_dies([str(die["id"]) for die in vacc.dies_below(config.root / "dev")])


def read_dies(numbers: Sequence[str]) -> dict[str, Any]:
    """Return the readings of the dies with these numbers."""
    program = shutil.which(PROGRAM)
    if program is None or not numbers:
        return {}
    dies: dict[str, dict[str, float]] = {}
    unread = {}
    for name, (command, pattern, limits) in _ASKED.items():
        answer = run_command([program, command, "-d", ",".join(numbers)], TIMEOUT_S)
        output = "" if answer.code is None else answer.out + answer.err
        values = read(output, pattern, limits, numbers)
        # Numbers for a few dies only are likely those of something else, such as dies of a card.
        if 2 * len(values) >= len(numbers):
            for number, value in values.items():
                dies.setdefault(number, {})[name] = value
        elif output.strip():
            unread[command] = output.strip()[:UNREAD_CHARS]
    return {"dies": dies, **({"unread": unread} if unread else {})}


def read(
    text: str, pattern: re.Pattern[str], limits: tuple[float, float], numbers: Sequence[str]
) -> dict[str, float]:
    """Die -> the highest value that stands with it: of a die's several sensors the hottest counts.

    A value belongs to the device that was named last, on its line or before it.
    """
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
