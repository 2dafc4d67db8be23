"""Redact secrets in the output of a job before anyone reads it. Standard library only.

In place, with as many ``*``: no offset moves, and every checksum is of what is left. A command that
goes on appending is not disturbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BLOCK = 1024 * 1024


def redact(path: Path, secrets: Sequence[bytes], start: int = 0) -> None:
    """Overwrite every occurrence of ``secrets`` that begins at ``start`` or later."""
    overlap = max(map(len, secrets), default=0) - 1
    if overlap < 0:
        return
    with path.open("r+b") as file:
        while True:
            file.seek(start)
            block = file.read(BLOCK + overlap)
            for secret in secrets:
                at = block.find(secret)
                while at >= 0:
                    file.seek(start + at)
                    file.write(b"*" * len(secret))
                    at = block.find(secret, at + len(secret))
            if len(block) < BLOCK + overlap:
                return
            start += BLOCK


def unfinished(tail: bytes, secrets: Sequence[bytes]) -> int:
    """Return the bytes at the end of ``tail`` that may begin one of ``secrets``."""
    longest = max(map(len, secrets), default=0) - 1
    for length in range(min(longest, len(tail)), 0, -1):
        if any(secret.startswith(tail[-length:]) for secret in secrets):
            return length
    return 0
