"""Units that tools print and the project keeps: bytes, seconds, milliseconds."""

from __future__ import annotations

MS_PER_S = 1000.0
MB = 1_000_000
GB = 1_000_000_000

# pip and most tools count in powers of ten under these names, llama.cpp in powers of two.
_BYTES = {
    "B": 1,
    "bytes": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


def bytes_of(number: float, unit: str) -> int:
    """``number`` of ``unit`` ("MB", "MiB", …) in bytes.

    Raises:
        KeyError: no such unit.
    """
    return round(number * _BYTES[unit])
