"""Assets: files that jobs make on a host for other jobs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.timezone import now

from jobs.models.hosts import Host
from jobs.models.jobs import Job


class Asset(models.Model):
    """Something on a host's disk, registered by the job that made it.

    ``details`` is what its kind of job knows of it beyond the columns: shapes, tp, what was
    checked.
    """

    host = models.ForeignKey(Host, models.CASCADE)
    job = models.ForeignKey(Job, models.SET_NULL, null=True)
    path = models.CharField(max_length=500)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=now)

    class Meta:
        abstract = True
        ordering: ClassVar = ["-created_at", "-id"]


class Environment(Asset):
    """Environment of a tool: a virtual environment, or a docker image ("image:vllm_vacc").

    ``fingerprint`` is of its pinned requirements, or the image's id; an image's ``path`` is its
    name.
    """

    name = models.CharField(max_length=64)  # "llama.cpp", "evalscope"
    fingerprint = models.CharField(max_length=64)
    versions = models.JSONField(default=dict)

    class Meta(Asset.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["host", "name", "fingerprint"], name="environment_once_a_host"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"


class Weights(Asset):
    """A model's weights, checked. ``precision`` is that of the file: Q4_1, BF16 …"""

    model_id = models.CharField(max_length=100)  # an id of the catalogue
    precision = models.CharField(max_length=16)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta(Asset.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "model_id", "path"], name="weights_once_a_host")
        ]

    def __str__(self) -> str:
        return f"weights of {self.model_id} on {self.host}"


class Artifact(Asset):
    """Output of a compile: model x toolchain x precision, with a checksum.

    ``label`` is how pages and figures name the precision, with its source: "Q8_0 from Q4_1".
    """

    model_id = models.CharField(max_length=100)
    toolchain = models.CharField(max_length=32)
    precision = models.CharField(max_length=16)  # as asked for: fp16, int8
    label = models.CharField(max_length=64)
    source_precision = models.CharField(max_length=16)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    deleted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.model_id} {self.label}"


class Dataset(Asset):
    """Data to calibrate, measure or evaluate with, checked. ``files`` counts them."""

    name = models.CharField(max_length=64)  # "c4", "opencompass"
    files = models.PositiveIntegerField()
    bytes = models.BigIntegerField()

    class Meta(Asset.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["host", "name", "path"], name="dataset_once_a_host")
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"
