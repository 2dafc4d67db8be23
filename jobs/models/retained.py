"""Disk usage of a record, and its removal: see ``jobs.services.upkeep.retention``."""

from __future__ import annotations

from django.db import models


class StoredRecord(models.Model):
    """A record with files of its own. ``stored_bytes`` is how much they take; None: not measured
    yet.

    Nothing is measured before the record is over.
    """

    stored_bytes = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class Retained(StoredRecord):
    """One whose files may be removed while the record stays.

    ``removed_at`` is written before the first file goes, so that no page shows half of it; until
    the last one is gone ``stored_bytes`` is None.
    """

    class Why(models.TextChoices):
        AGE = "age"
        SIZE = "size"
        PERSON = "person"

    removed_at = models.DateTimeField(null=True)
    removed_why = models.CharField(max_length=16, choices=Why, blank=True)
    removed_args = models.JSONField(default=dict)  # the limit, or who did it
    removed_bytes = models.BigIntegerField(default=0)  # as they lay on the disk

    class Meta:
        abstract = True
