"""The Django app that holds the records."""

from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from jobs import catalog


class JobsConfig(AppConfig):
    """Records of hosts, jobs, deployments and results."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Set the folder of models that a team adds: it is in ``DATA_DIR``."""
        catalog.configure(Path(settings.DATA_DIR) / "catalog" / "models")
