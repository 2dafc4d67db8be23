"""Stack, parallelism and subject of a result, derived from its identity.

A subject is what a regression is asked of: one model, precision and parallelism under one workload
of one tool, on equal hardware. Stack, driver, image, arguments and weights may differ: these are
the causes that a regression is searched for. The fingerprint has all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jobs.models import Result
from jobs.queries.comparison.work_differs import hardware, work

LONGEST_STACK = 64
_MOST_DIES = 9999


def stack_of(result: Result) -> str:
    """Return the id of the stack that served or loaded the model, or the toolchain of the artifact;
    "" for a device of others, and when unknown."""
    if result.imported_id or result.run_context.get("device"):
        return ""
    served = result.deployment
    if served is None:
        named = _params(result).get("stack")
    else:
        named = served.details.get("stack") or (served.artifact and served.artifact.toolchain)
    return named[:LONGEST_STACK] if isinstance(named, str) else ""


def parallelism_of(result: Result) -> str:
    """Return "tp8", or "tp8 × pp4" with more than one pipeline stage; "" when not recorded. An
    import may have an expert parallel size too, or lack the first: "pp4 × ep16".
    """
    served, told = result.deployment, _params(result)
    if result.imported is not None:
        told = {name: getattr(result.imported, name) for name in ("tp", "pp", "ep")}
    elif served is not None:
        told = served.details
    tp, pp, ep = (_size(told.get(name)) for name in ("tp", "pp", "ep"))
    ep = ep if result.imported_id else 0
    sizes = [f"{name}{size}" for name, size in (("pp", pp), ("ep", ep)) if size > 1]
    return " × ".join([f"tp{tp}", *sizes] if tp else sizes)


def _size(value: Any) -> int:
    """Return a parallel size in bounds; 0: not recorded."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value <= _MOST_DIES else 0


def subject_of(result: Result, parallelism: str) -> str:
    """Return the SHA-256 of the subject's parts; "" when the workload is not fully known."""
    asked = work(result)
    if not asked or not result.model_id or any(value is None for value in asked.values()):
        return ""
    named = {
        "type": result.type,
        "work": asked,
        "model": result.model_id,
        "precision": result.label,
        "parallelism": parallelism,
        "simulated": result.simulated,
        "hardware": hardware(result),
    }
    text = json.dumps(named, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _params(result: Result) -> Mapping[str, Any]:
    params = result.job.params if result.job else None
    return params if isinstance(params, dict) else {}
