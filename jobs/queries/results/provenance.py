"""Provenance of a result: what it was measured with, and which parts nobody wrote down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.models import Result

# Parts in the order in which they are shown. Of a host without dies the first are not asked for.
_OF_DIES = ("driver", "firmware", "dies")
PARTS = (
    *_OF_DIES,
    *("image", "image_id", "weights_sha256", "dataset_sha256", "engine", "tool"),
    *("measured_in", "host_load", "ran_beside"),
)
_PROGRAM = "program "


@dataclass(frozen=True, slots=True)
class Provenance:
    """``parts`` by name of :data:`PARTS`, plain data; ``missing`` are those that are not known, of
    the engine its programs by name ("program llmdeploy").

    A part that does not apply (dies of a host without, a data set of a tool that makes its own
    requests) is in neither.
    """

    parts: Mapping[str, Any]
    missing: tuple[str, ...]


def provenance(result: Result) -> Provenance:
    """What is known of where the numbers of ``result`` come from."""
    kept, identity = result.surroundings, result.identity.get("parts") or {}
    host = kept.get("host") or {}
    images = kept.get("images") or {}
    workload = identity.get("workload") or {}
    has_dies = bool((identity.get("host") or {}).get("dies"))
    engine = identity.get("engine") or {}
    versions, measured_in = _versions(result, engine)
    found: dict[str, Any] = {
        "driver": host.get("driver"),
        "firmware": host.get("firmware"),
        "dies": kept.get("dies"),
        "weights_sha256": (identity.get("model") or {}).get("sha256"),
        "engine": versions,
        "tool": result.tool,
        "measured_in": measured_in,
        "host_load": kept.get("load"),
        "ran_beside": kept.get("beside"),
    }
    wanted = [name for name in PARTS if has_dies or name not in _OF_DIES]
    if "image" in engine:
        found |= {"image": ", ".join(images), "image_id": engine["image"]}
    else:
        wanted = [name for name in wanted if not name.startswith("image")]
    checksums = [name for name in ("questions_sha256", "dataset_sha256") if name in workload]
    checksums = checksums or [name for name in ("files_sha256",) if name in workload]
    if checksums:
        found["dataset_sha256"] = workload[checksums[0]]
    else:
        wanted.remove("dataset_sha256")
    if result.sort == Result.Sort.EVALUATION and found["ran_beside"] is None:
        wanted.remove("ran_beside")  # an accuracy does not depend on it; older ones do not tell
    if not measured_in:
        wanted.remove("measured_in")  # many tools need no environment
    missing = tuple(name for name in wanted if _is_unknown(name, found.get(name)))
    parts = {name: found[name] for name in wanted if name not in missing}
    untold = [name for name, version in engine.items() if _is_program(name) and not version]
    if untold:
        missing = (*(name for name in missing if name != "engine"), *untold)
    return Provenance(parts, missing)


def _is_program(name: str) -> bool:
    return name.startswith(_PROGRAM)


def _is_unknown(name: str, value: Any) -> bool:
    """Nothing beside it is an answer; an empty text is none."""
    return value is None if name == "ran_beside" else not value


def _versions(result: Result, engine: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """(what served, what measured): name -> version, or the fingerprint of an environment.

    Where no deployment was measured both are one, and the second is empty.
    """
    kept = result.surroundings
    served, tools = dict[str, str](), dict[str, str]()
    for one in kept.get("environments") or []:
        name = str(one["name"])
        if not name.startswith("image:"):
            into = served if _runs_in(result, name) else tools
            into[f"environment {name}"] = str(one["fingerprint"])[:16]
    for name, version in (kept.get("programs") or {}).items():
        if version:
            is_engine = result.deployment is None or f"{_PROGRAM}{name}" in engine
            (served if is_engine else tools)[name] = version
    if engine.get("image"):
        served["image"] = str(engine["image"])
    return served, tools


def _runs_in(result: Result, environment: str) -> bool:
    """Whether the server works in ``environment``, whose folder has its name and a version."""
    if result.deployment is None:
        return True
    folder = re.compile(rf"/{re.escape(environment)}(?:-\d[^/]*)?/")
    steps = result.deployment.job.plan.get("steps", ())
    return any(folder.search(word) for step in steps for word in step["argv"])
