"""Registers what a job made on its host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.errors import ParseError
from jobs.models import Artifact, Environment, Job, Weights

Record = Environment | Weights | Artifact

# Type of a product -> its model, the fields that it must have, those that make it the same again.
_TYPES: dict[str, tuple[type[Record], tuple[str, ...], tuple[str, ...]]] = {
    "environment": (Environment, ("name", "fingerprint", "path"), ("name", "fingerprint")),
    "weights": (
        Weights,
        ("model_id", "precision", "bytes", "sha256", "path"),
        ("model_id", "path"),
    ),
    "artifact": (
        Artifact,
        (
            "model_id",
            "toolchain",
            "precision",
            "label",
            "source_precision",
            "bytes",
            "sha256",
            "path",
        ),
        ("path",),
    ),
}
_OPTIONAL = ("versions",)


def check_product(product: Mapping[str, Any]) -> None:
    """Raise ``ParseError`` unless ``product`` can be registered as it stands."""
    if product["type"] == "deployment":
        return  # its row was made when the job was
    if product["type"] not in _TYPES:
        raise ParseError(f"nothing is registered as {product['type']!r}")
    missing = [name for name in _TYPES[product["type"]][1] if product.get(name) in (None, "")]
    if missing:
        raise ParseError(f"the {product['type']} lacks {', '.join(missing)}")


def register(job: Job, product: Mapping[str, Any]) -> Record | None:
    """The row for a checked product. What was made again replaces what it was made over."""
    if product["type"] == "deployment":
        return None
    model, required, same = _TYPES[product["type"]]
    names = {field.name for field in model._meta.get_fields()}
    optional = {name: product[name] for name in _OPTIONAL if name in product and name in names}
    fields = {name: product[name] for name in required if name not in same}
    record, _ = model._default_manager.update_or_create(
        host_id=job.host_id,
        **{name: product[name] for name in same},
        defaults={**fields, **optional, "job_id": job.pk},
    )
    assert isinstance(record, Environment | Weights | Artifact)
    return record


def made_by(job_id: int, type: str) -> Record | None:
    """What ``job_id`` registered as ``type``; None: nothing, or not any more."""
    if type not in _TYPES:
        return None
    found = _TYPES[type][0]._default_manager.filter(job_id=job_id).first()
    return found if isinstance(found, Environment | Weights | Artifact) else None
