"""Imports: results that others measured, with the files they came from."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.timezone import now


class Import(models.Model):
    """One imported result. Its files are in ``DATA_DIR/imports/<id>/<index>``.

    ``sha256`` covers the files with the figures; with ``part``, which tells apart several results
    in the same files, it is unique. ``version`` is "" and ``measured_at`` None if no file has it.
    Imports of earlier versions have no ``measured_at`` either.

    People declare what files do not have: ``device`` in words with the number of ``devices``,
    ``precision``, ``engine`` with its version, parallel sizes, ``workload``. "" and None: unknown.
    """

    sha256 = models.CharField(max_length=64)
    part = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=300)  # path of the first file
    bytes = models.BigIntegerField()  # of all files
    tool = models.CharField(max_length=64)
    version = models.CharField(max_length=32, blank=True)
    model = models.CharField(max_length=100, blank=True)  # as named in the files
    read_what = models.CharField(max_length=200, blank=True, default="")  # workload of the files
    measured_at = models.DateTimeField(null=True)  # start
    device = models.CharField(max_length=100, blank=True)  # in words: "8 × H800"
    devices = models.PositiveIntegerField(null=True)
    precision = models.CharField(max_length=64, blank=True, default="")
    engine = models.CharField(max_length=100, blank=True, default="")
    tp = models.PositiveIntegerField(null=True)
    pp = models.PositiveIntegerField(null=True)
    ep = models.PositiveIntegerField(null=True)
    workload = models.CharField(max_length=100, blank=True, default="")
    declared_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    declared_at = models.DateTimeField(null=True)  # last change; None: nothing declared
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["sha256", "part"], name="import_once")
        ]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.name}"


class ImportedFile(models.Model):
    """An original file of an import. ``is_source``: it has figures of the result."""

    imported = models.ForeignKey(Import, models.CASCADE, related_name="files")
    index = models.PositiveIntegerField()
    path = models.CharField(max_length=300)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    is_source = models.BooleanField()

    class Meta:
        ordering: ClassVar = ["imported_id", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["imported", "index"], name="imported_file_index")
        ]

    def __str__(self) -> str:
        return f"{self.path} of import {self.imported_id}"
