"""Identity of this dashboard."""

from __future__ import annotations

from jobs.models import Instance

_PK = 1  # one row; a fixed key, so that two processes that start together agree


def instance_id() -> str:
    """Return this dashboard's identity, created at the first call."""
    return str(Instance.objects.get_or_create(pk=_PK)[0].instance_id)
