"""Provenance of a result: what it was measured with, and which parts nobody wrote down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.models import Result

# Parts in the order in which they are shown. Of a host without dies the first are not asked for.
_OF_DIES = ("driver", "firmware", "dies")
PARTS = (
    *_OF_DIES,
    *("image", "image_id", "weights_sha256", "dataset_sha256", "engine", "tool"),
    *("host_load", "ran_beside"),
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """``parts`` by name of :data:`PARTS`, plain data; ``missing`` are those that are not known.

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
    found: dict[str, Any] = {
        "driver": host.get("driver"),
        "firmware": host.get("firmware"),
        "dies": kept.get("dies"),
        "weights_sha256": (identity.get("model") or {}).get("sha256"),
        "engine": _versions(engine, kept.get("environments") or [], kept.get("programs") or {}),
        "tool": result.tool,
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
    missing = tuple(name for name in wanted if _is_unknown(name, found.get(name)))
    return Provenance({name: found[name] for name in wanted if name not in missing}, missing)


def _is_unknown(name: str, value: Any) -> bool:
    """Nothing beside it is an answer; an empty text is none."""
    return value is None if name == "ran_beside" else not value


def _versions(
    engine: Mapping[str, Any], environments: Any, programs: Mapping[str, str]
) -> dict[str, str]:
    """Name -> version, or the fingerprint, of what served and of what measured."""
    found = {
        f"environment {one['name']}": str(one["fingerprint"])[:16]
        for one in environments
        if not str(one["name"]).startswith("image:")
    }
    found |= {name: version for name, version in programs.items() if version}
    image = engine.get("image")
    return found | ({"image": str(image)} if image else {})
