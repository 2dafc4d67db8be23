"""Places on a host's disk, written by jobs and read by deployments.

A place is a folder or file path, an image name, or a special name such as ``docker:vllm``. A
folder and its content are one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.models import Deployment


def places_of(path: str | None, writes: Iterable[str]) -> tuple[str, ...]:
    """Return places that a job writes outside its own folder: its product's, and those declared
    in its plan."""
    return tuple(dict.fromkeys([*([path] if path else []), *writes]))


def reads_of(product: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return places that a job's server reads; none without a server."""
    if product is None or product.get("type") != "deployment":
        return ()
    path = (product.get("details") or {}).get("path")
    return (str(path),) if path else ()


def read_by(deployment: Deployment) -> tuple[str, ...]:
    """Return places that a server reads: its folder and its artifact.

    Rows without details, as in ``jobs.schedule.capacity_reads``, use the columns read instead.
    """
    if "details" in deployment.get_deferred_fields():
        paths = [getattr(deployment, name, None) for name in ("serves_from", "made_at")]
    else:
        artifact = deployment.artifact
        paths = [deployment.details.get("path"), artifact.path if artifact else None]
    return tuple(dict.fromkeys(str(path) for path in paths if path))


def common(places: Iterable[str], others: Iterable[str]) -> str:
    """Return the first of ``places`` that overlaps ``others``; "": none."""
    others = list(others)
    return next((place for place in places if any(_meet(place, one) for one in others)), "")


def _meet(place: str, other: str) -> bool:
    """Return True if two places are equal or nested."""
    return place == other or place.startswith(f"{other}/") or other.startswith(f"{place}/")
