"""Remove a permitted source. Queued jobs that need it fail; running jobs continue."""

from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import access
from dashboard.management import base


class Command(base.DashboardCommand):
    arguments = (base.Arg("source", "see manage.py list_sources", type=int, metavar="NUMBER"),)

    def handle(self, *args: Any, **options: Any) -> None:
        row = access.remove_source(None, options["source"])
        if row is None:
            number = options["source"]
            raise CommandError(f"There is no source {number}. See: manage.py list_sources")
        self.stdout.write(f"{row.address} removed.")
