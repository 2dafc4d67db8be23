"""Rows of the team that are removed and restored: of those in use, each name exists once."""

from __future__ import annotations

from typing import TypeVar

from django.db import IntegrityError, transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import PromptSet, ServiceLevel

Row = TypeVar("Row", PromptSet, ServiceLevel)


def remove(row: PromptSet | ServiceLevel) -> bool:
    """Remove a row, which :func:`restore` undoes. False: it was removed already."""
    rows = type(row)._default_manager.filter(pk=row.pk, removed_at=None)
    return rows.update(removed_at=now()) == 1


def restore(row: Row) -> Row:
    """Restore a removed row.

    Raises:
        LaunchError: another row has its name now.
    """
    row.removed_at = None
    return saved(row)


def saved(row: Row) -> Row:
    """Save a row.

    Raises:
        LaunchError: another row has its name; at "name".
    """
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        message = _("Another service level has this name. Choose another.")
        if isinstance(row, PromptSet):
            message = _("Another prompt set has this name. Choose another.")
        raise LaunchError(message, "name") from None
    return row
