"""The files of an ended job, as its reader takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.plans import Plan


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended job. ``outputs`` is path -> content, and LOG -> the log's end."""

    kind: Any  # a jobs.kinds Kind, whose Params ``params`` are
    params: Any
    plan: Plan
    outputs: Mapping[str, bytes]

    @property
    def nested(self) -> dict[str, bytes]:
        """Return the outputs in folders."""
        return {path: self.outputs[path] for path in self.outputs if "/" in path}
