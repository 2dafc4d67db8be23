"""Changes of permitted sources, for page, API and commands."""

from typing import Any

from dashboard.actions.action import Done, action
from jobs.access import sources
from jobs.models import Source


@action("source.manage")
def add(user: Any, source_type: str, address: str, note: str = "") -> Done[Source]:
    """Add a source to the list.
    Raises ``LaunchError``: a wrong or missing part; ``field`` names it."""
    row = sources.add(source_type, address, note=note, user=user)
    return Done(row, f"source {row.pk}", **_detail(row, "add"))


@action("source.manage", dispatches=True)
def remove(user: Any, source_id: int) -> Done[Source | None]:
    """Remove a source from the list and return it; None: unknown. Queued jobs that need it fail."""
    row = sources.remove(source_id)
    return Done(row, f"source {source_id}", **_detail(row, "delete")) if row else Done(None)


def _detail(row: Source, did: str) -> dict[str, Any]:
    return {"did": did, "source_type": row.type, "address": row.address, "note": row.note}
