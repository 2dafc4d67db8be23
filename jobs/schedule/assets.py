"""Registration of assets that a job created on its host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.timezone import now

from jobs.base import bounds
from jobs.base.errors import ParseError
from jobs.models import Artifact, Dataset, Deployment, Environment, Job, Weights

Record = Environment | Weights | Artifact | Dataset

# Type of a product -> model, required fields, fields that identify it.
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
    "dataset": (Dataset, ("name", "path", "files", "bytes"), ("name", "path")),
}
_OPTIONAL = ("versions", "details")


def check_product(product: Mapping[str, Any]) -> None:
    """Raise ``ParseError`` unless ``product`` can be registered.

    A product with ``amends`` adds details to a registered one and needs only the identifying
    fields.
    """
    if product["type"] == "deployment":
        return  # its row is created with the job
    if product["type"] not in _TYPES:
        raise ParseError(f"unknown product type {product['type']!r}")
    _, required, same = _TYPES[product["type"]]
    wanted = same if product.get("amends") else required
    missing = [name for name in wanted if product.get(name) in (None, "")]
    if missing:
        raise ParseError(f"the {product['type']} has no {', '.join(missing)}")
    for name, value in product.items():
        if isinstance(value, str) and len(value) > bounds.PRODUCT_TEXT_CHARS:
            most = bounds.PRODUCT_TEXT_CHARS
            raise ParseError(f"{name} of the {product['type']} has more than {most} characters")
    if len(json.dumps(product, default=str)) > bounds.PRODUCT_BYTES:
        raise ParseError(
            f"the {product['type']} has more than {bounds.PRODUCT_BYTES} bytes of facts"
        )


def register(job: Job, product: Mapping[str, Any]) -> Record | None:
    """Return the row for a checked product. A recreated product replaces its earlier row.

    A deployment already has a row, which gets the new details.
    """
    if product["type"] == "deployment":
        if product.get("details"):
            Deployment.objects.filter(job=job).update(details=product["details"])
        return None
    if product.get("amends"):
        return _amend(job, product)
    model, required, same = _TYPES[product["type"]]
    names = {field.name for field in model._meta.get_fields()}
    optional = {name: product[name] for name in _OPTIONAL if name in product and name in names}
    fields = {name: product[name] for name in required if name not in same}
    record, _ = model._default_manager.update_or_create(
        host_id=job.host_id,
        **{name: product[name] for name in same},
        defaults={**fields, **optional, "job_id": job.pk, "created_at": now()},
    )
    assert isinstance(record, Record)  # noqa: S101 -- for mypy
    return record


def _amend(job: Job, product: Mapping[str, Any]) -> Record | None:
    """Add details to a record of any job; None: no record."""
    record = _same(job, product)
    if record is None:
        return None
    record.details = {**record.details, **product.get("details", {})}
    record.save(update_fields=["details"])
    return record


def made_by(job_id: int, type: str) -> Record | None:
    """Return what ``job_id`` registered as ``type``; None without a record.

    When a later job recreated or changed the product, the record names that job.
    """
    if type not in _TYPES:
        return None
    asset = _TYPES[type][0]._default_manager.filter(job_id=job_id).first()
    return asset if isinstance(asset, Record) else _made_over(job_id, type)


def _made_over(job_id: int, type: str) -> Record | None:
    job = Job.objects.filter(pk=job_id, state=Job.State.SUCCEEDED).first()
    product = (job.product if job else None) or {}
    return _same(job, product) if job and product.get("type") == type else None


def _same(job: Job, product: Mapping[str, Any]) -> Record | None:
    """Return the record on the job's host that ``product`` identifies."""
    model, _, same = _TYPES[product["type"]]
    named = {name: product.get(name) for name in same}
    asset = model._default_manager.filter(host_id=job.host_id, **named).first()
    return asset if isinstance(asset, Record) else None
