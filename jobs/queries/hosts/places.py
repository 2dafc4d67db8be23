"""Places on a host's disk: which a job writes, and which a deployment reads.

A place is the path of a folder or a file, the name of an image, or a name of its own, such as
``docker:vllm``. A folder and all that lies in it are one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.models import Deployment


def places_of(path: str | None, writes: Iterable[str]) -> tuple[str, ...]:
    """Places that a job writes outside its own folder: its product's, and those that its plan
    declares."""
    return tuple(dict.fromkeys([*([path] if path else []), *writes]))


def reads_of(product: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Places that the server of a job reads while it lives; none of a job without a server."""
    if product is None or product.get("type") != "deployment":
        return ()
    path = (product.get("details") or {}).get("path")
    return (str(path),) if path else ()


def read_by(deployment: Deployment) -> tuple[str, ...]:
    """Places that a server reads: the folder that it serves from, and its artifact.

    Of a row that was read without its details, as ``jobs.queries.hosts.capacity`` reads it, by what
    was read in their place.
    """
    if "details" in deployment.get_deferred_fields():
        told = [getattr(deployment, name, None) for name in ("serves_from", "made_at")]
    else:
        artifact = deployment.artifact
        told = [deployment.details.get("path"), artifact.path if artifact else None]
    return tuple(dict.fromkeys(str(path) for path in told if path))


def common(places: Iterable[str], others: Iterable[str]) -> str:
    """The first of ``places`` that is one with any of ``others``; "": none is."""
    others = list(others)
    return next((place for place in places if any(_meet(place, one) for one in others)), "")


def _meet(place: str, other: str) -> bool:
    """Whether two places are one, or one lies in the other."""
    return place == other or place.startswith(f"{other}/") or other.startswith(f"{place}/")
