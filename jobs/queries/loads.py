"""What a benchmark measures: two of one thing would measure each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Load:
    """What a benchmark measures: the deployment that ``ref`` names (as in ``Job.inputs``), or the
    host itself where it is empty. ``overlaps``: it may run beside another one that may too.
    """

    ref: Mapping[str, Any]
    overlaps: bool


def load_of(kind: str, inputs: Mapping[str, Mapping[str, Any]], *, overlaps: bool) -> Load | None:
    """What a job of ``kind`` measures; None unless it is a benchmark."""
    if kind not in KINDS or KINDS[kind].family != "benchmark":
        return None
    return Load(inputs.get("deployment", {}), overlaps)
