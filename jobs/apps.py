"""The Django app that holds the records."""

from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import post_save, pre_migrate

from jobs import catalog
from jobs.base.wide_bytes import warn_if_narrow

# Steps of before 0.1.0. Each database of before has one of the first ones: done step by step, or
# begun with the step for several.
LAST_BEFORE = "0056_idempotency_keys"
_FIRST_BEFORE = {"0002_instance_swept_at", "0001_squashed_0045_verdicts"}


class JobsConfig(AppConfig):
    """Records of hosts, jobs, deployments and results."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Set the folders of what a team adds (in ``DATA_DIR``); give new users a role."""
        from jobs.access.accounts import open_account  # noqa: PLC0415 -- models are loaded now

        warn_if_narrow()
        folder = Path(settings.DATA_DIR) / "catalog"
        catalog.MODELS.configure(folder / "models")
        catalog.QUESTION_SETS.configure(folder / "questions")
        post_save.connect(open_account, settings.AUTH_USER_MODEL, dispatch_uid="account")
        pre_migrate.connect(_forget_steps, sender=self)


def _forget_steps(*, using: str, **_signal: Any) -> None:
    """Delete the records of the steps of before 0.1.0, for which ``0001_initial`` stands. Raises
    ``CommandError``: the database lacks some of them."""
    recorder = MigrationRecorder(connections[using])
    done = {name for app, name in recorder.applied_migrations() if app == "jobs"}
    if LAST_BEFORE in done:
        steps = recorder.migration_qs.filter(app="jobs", name__lte=LAST_BEFORE)
        steps.exclude(name="0001_initial").delete()  # the first step of before had this name too
    elif done & _FIRST_BEFORE:
        raise CommandError(
            f"This database is older than the last version before 0.1.0: its last step is "
            f"{max(done)}. Start that version with it once, which does the steps up to "
            f"{LAST_BEFORE}. Then start this version."
        )
