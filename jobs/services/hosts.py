"""What people change about a host."""

from __future__ import annotations

from jobs.hints import publish
from jobs.models import Host


def set_draining(name: str, *, draining: bool) -> bool:
    """Stop or resume sending new jobs to a host; what runs there goes on. False: no change."""
    changed = Host.objects.filter(name=name, draining=not draining).update(draining=draining)
    if changed:
        publish("host", name=name)
    return changed == 1
