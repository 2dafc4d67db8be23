"""Remove a permitted source."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import sources
from dashboard.management import base


class Command(base.DashboardCommand):
    help = "Remove a permitted source. Queued jobs that need it fail; running jobs continue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        help_text = "see manage.py list_sources"
        parser.add_argument("source", type=int, metavar="NUMBER", help=help_text)

    def handle(self, *args: Any, **options: Any) -> None:
        row = sources.remove(None, options["source"])
        if row is None:
            text = f"There is no source {options['source']}. See: manage.py list_sources"
            raise CommandError(text)
        self.stdout.write(f"{row.address} removed.")
