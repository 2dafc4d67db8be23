"""Databases of before 0.1.0: ``0001_initial`` stands for the steps that they have done."""

from collections.abc import Collection
from typing import Any

from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

APP = "jobs"
INITIAL = "0001_initial"  # also the first step of before, of another content
LAST = "0056_idempotency_keys"
# Each database of before has one: done step by step, or begun with the step for several.
FIRST = {"0002_instance_swept_at", "0001_squashed_0045_verdicts"}


def forget_steps(*, using: str, **_signal: Any) -> None:
    """Delete the records of the steps of before 0.1.0. Receiver of ``pre_migrate``. Raises
    ``CommandError``: the database lacks some of them."""
    recorder = MigrationRecorder(connections[using])
    done = {name for app, name in recorder.applied_migrations() if app == APP}
    if LAST in done:
        recorder.migration_qs.filter(app=APP, name__lte=LAST).exclude(name=INITIAL).delete()
    elif done & FIRST:
        raise CommandError(
            f"This database is older than the last version before 0.1.0: its last step is "
            f"{max(done)}. Start that version with it once, which does the steps up to {LAST}. "
            "Then start this version."
        )


def without_steps(names: Collection[str]) -> list[str]:
    """Return applied migrations, ``app.name``, without steps that this version takes over."""
    if f"{APP}.{LAST}" not in names:
        return list(names)
    return [name for name in names if not name.startswith(f"{APP}.")]
