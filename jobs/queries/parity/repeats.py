"""Runs of one side: repeats of one measurement, or parts of it that asked other questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.kinds.lib import evaluations
from jobs.models import Result
from jobs.queries.comparison.work_differs import QUESTIONS
from jobs.queries.parity.lacking import CHOICE

# Which questions a run asked, and how many at once: each question counts once, in any run.
_QUESTIONS = CHOICE.union(("batch", QUESTIONS, *evaluations.STOP_FIELDS))


def no_repeat(runs: Sequence[Result]) -> tuple[Result, list[str]] | None:
    """Return the first run that is of another measurement than the first one, with the parts of
    its identity that differ or are unknown; None where all are of one."""
    for run in runs[1:]:
        if names := _apart(runs[0], run):
            return run, names
    return None


def _apart(first: Result, second: Result) -> list[str]:
    if first.fingerprint and first.fingerprint == second.fingerprint:
        return []
    parts = _parts(first), _parts(second)
    names = dict.fromkeys(name for side in parts for name in side)
    differing = [name for name in names if parts[0].get(name) != parts[1].get(name)]
    if differing or _is_one_engine(first, second):
        return differing
    return [name for name, value in parts[0].items() if value is None] or ["workload"]


def _parts(result: Result) -> dict[str, Any]:
    groups = (result.identity.get("parts") or {}).values()
    named = {name: value for group in groups for name, value in group.items()}
    return {name: value for name, value in named.items() if name not in _QUESTIONS}


def _is_one_engine(first: Result, second: Result) -> bool:
    """Return True where unknown parts are equal, because one deployment or endpoint answered; and
    where nothing is unknown."""
    if all(run.identity and not run.identity.get("unknown") for run in (first, second)):
        return True
    deployments = first.deployment_id, second.deployment_id
    endpoints = first.endpoint_id, second.endpoint_id
    return any(one is not None and one == other for one, other in (deployments, endpoints))
