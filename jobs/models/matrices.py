"""Matrices: one benchmark over several lengths and concurrencies, a job for each run of a cell."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now

from jobs.models.hosts import Host
from jobs.models.jobs import Job


class Matrix(models.Model):
    """Benchmark jobs that fill one table: see ``jobs.launch.matrices``.

    ``spec`` is a ``jobs.launch.matrices.spec.MatrixSpec``. Its state is that of its cells.
    """

    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=32)  # a key of jobs.kinds.KINDS
    host = models.ForeignKey(Host, models.PROTECT, related_name="matrices")
    model_id = models.CharField(max_length=100, blank=True)
    spec = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="matrices"
    )
    created_at = models.DateTimeField(default=now)
    # Set: lost cells are not run again automatically.
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"matrix {self.pk} ({self.title})"


class MatrixCell(models.Model):
    """One run of one cell. A skipped cell has a reason and no run.

    ``repeat`` counts from 1; ``WARM_UP`` is an additional run before all others, which does not
    count.

    ``job`` is the last attempt; earlier ones are in the chain of ``Job.repeats``.
    """

    WARM_UP: ClassVar = 0

    matrix = models.ForeignKey(Matrix, models.CASCADE, related_name="cells")
    row = models.PositiveSmallIntegerField()
    column = models.PositiveSmallIntegerField()
    repeat = models.PositiveSmallIntegerField(default=1)
    place = models.PositiveSmallIntegerField()  # order of the start
    input_tokens = models.PositiveIntegerField(null=True)  # null: the prompts have their own
    output_tokens = models.PositiveIntegerField()
    concurrency = models.PositiveIntegerField()
    job = models.OneToOneField(Job, models.SET_NULL, null=True, related_name="cell")
    skip_id = models.CharField(max_length=64, blank=True)  # a message; "": not skipped
    skip_args = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["matrix_id", "place", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["matrix", "row", "column", "repeat"], name="matrix_cell_once"
            )
        ]

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column} of matrix {self.matrix_id}"
