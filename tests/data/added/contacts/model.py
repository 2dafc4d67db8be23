"""People to ask about a host or a model."""

from typing import ClassVar

from django.db import models
from django.db.models import Q, UniqueConstraint

from jobs.models.results import TeamRow


class Contact(TeamRow):
    """A person to ask."""

    note = models.CharField(max_length=200)

    class Meta(TeamRow.Meta):
        constraints: ClassVar = [
            UniqueConstraint(fields=["name"], condition=Q(removed_at=None), name="one_contact")
        ]
