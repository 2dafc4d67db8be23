"""The Django app that holds the records."""

from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_save, pre_migrate

from jobs import catalog


class JobsConfig(AppConfig):
    """Records of hosts, jobs, deployments and results."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Set the folders of what a team adds (in ``DATA_DIR``); give new users a role."""
        from jobs.access.accounts import open_account  # noqa: PLC0415 -- models are loaded now
        from jobs.models import earlier  # noqa: PLC0415 -- models are loaded now

        folder = Path(settings.DATA_DIR) / "catalog"
        catalog.MODELS.configure(folder / "models")
        catalog.QUESTION_SETS.configure(folder / "questions")
        post_save.connect(open_account, settings.AUTH_USER_MODEL, dispatch_uid="account")
        pre_migrate.connect(earlier.forget_steps, sender=self)
