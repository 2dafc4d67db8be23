"""What a benchmark measures and an evaluation asks: two of one host would measure each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Load:
    """What a benchmark measures or an evaluation asks: the deployment that ``ref`` names (as in
    ``Job.inputs``), or the host itself where it is empty. ``overlaps``: it is a benchmark that may
    run beside others.
    """

    ref: Mapping[str, Any]
    overlaps: bool
    is_benchmark: bool = True

    def may_run_beside(self, other: Load) -> bool:
        """Whether both may run at once on one host, whatever they work on.

        The number of a benchmark suffers, so each of two has to allow it; an evaluation's score
        does not, so only the benchmark is asked, and two evaluations are free.
        """
        return all(one.overlaps or not one.is_benchmark for one in (self, other))


def load_of(kind: str, inputs: Mapping[str, Mapping[str, Any]], *, overlaps: bool) -> Load | None:
    """What a job of ``kind`` measures or asks; None unless it is a benchmark or an evaluation."""
    family = KINDS[kind].family if kind in KINDS else ""
    if family not in ("benchmark", "evaluate"):
        return None
    return Load(inputs.get("deployment", {}), overlaps, family == "benchmark")
