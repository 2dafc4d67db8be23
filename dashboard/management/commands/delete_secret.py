"""Delete a secret. Running jobs keep the values they have; queued jobs that need it fail."""

from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import access
from dashboard.management import base
from jobs.access.secrets import names


class Command(base.DashboardCommand):
    arguments = (base.Arg("name", metavar="NAME"),)

    def handle(self, *args: Any, **options: Any) -> None:
        if not access.delete_secret(None, options["name"]):
            known = ", ".join(names()) or "none"
            raise CommandError(f"No secret is named {options['name']!r}. Secrets: {known}")
        self.stdout.write(f"{options['name']} deleted.")
