"""Numbers in text of people and in JSON of tools, and units that these print."""

import math
import re
from typing import Any

DIGITS = 18  # numbers of so many digits fit the big integer of every database
# "res-15", in addresses and everywhere else. "#15" is a job.
RESULT_PATTERN = rf"res-[1-9][0-9]{{0,{DIGITS - 1}}}"
_RESULT = re.compile(RESULT_PATTERN)

MS_PER_S = 1000.0
MB = 1_000_000
GB = 1_000_000_000
# pip and most tools count in powers of ten under these names, llama.cpp in powers of two.
_BYTES = {"B": 1, "bytes": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_BYTES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def number_from(text: str) -> int | None:
    """Only ASCII digits, at most ``DIGITS``, with leading zeros; None for other text."""
    is_number = len(text) <= DIGITS and text.isascii() and text.isdecimal()
    return int(text) if is_number else None


def finite(value: Any) -> float | None:
    """Return a number as it is in JSON; None for anything else, NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return real if math.isfinite(real) else None


def whole(value: Any, most: int = 2**31 - 1, least: int = 1) -> int | None:
    """Return an integer as it is in JSON, within these bounds; None for anything else."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and least <= value <= most else None


def result_number(pk: int) -> str:
    """As people, addresses and the API write it: "res-15"."""
    return f"res-{pk}"


def result_pk(text: str) -> int | None:
    """None for text that numbers no result. Spaces around and case do not count."""
    text = text.strip().lower()
    return int(text.removeprefix("res-")) if _RESULT.fullmatch(text) else None


def size_text(count: int) -> str:
    """Bytes in words: "98.4 MB"; something is never "0.0 MB"."""
    number, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, bigger
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def bytes_of(number: float, unit: str) -> int:
    """Raises KeyError: not a unit such as "MB" or "MiB"."""
    return round(number * _BYTES[unit])
