"""Loads of benchmarks and evaluations: two on one host disturb each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.kinds import KINDS
from jobs.plans import ENGINES


@dataclass(frozen=True, slots=True)
class RequestLoad:
    """Target of a benchmark or evaluation: the deployments named by ``refs`` (as in
    ``Job.inputs``), or the host if empty. ``overlaps``: a benchmark that allows overlap.
    """

    refs: tuple[Mapping[str, Any], ...]
    overlaps: bool
    is_benchmark: bool = True

    def may_run_beside(self, other: RequestLoad) -> bool:
        """Return True if both may run at once on one host.

        Overlap distorts a benchmark, so both must allow it. An evaluation's score is unaffected,
        so only the benchmark decides, and two evaluations may overlap.
        """
        return all(one.overlaps or not one.is_benchmark for one in (self, other))


def load_of(
    kind: str, inputs: Mapping[str, Mapping[str, Any]], *, overlaps: bool
) -> RequestLoad | None:
    """Return the load of a job of ``kind``; None unless a benchmark or evaluation."""
    family = KINDS[kind].family if kind in KINDS else ""
    if family not in ("benchmark", "evaluate"):
        return None
    refs = tuple(inputs[name] for name in ENGINES if inputs.get(name))
    return RequestLoad(refs, overlaps, family == "benchmark")
