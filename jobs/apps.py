"""The Django app that holds the records."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Records of hosts, jobs, deployments and results."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"
