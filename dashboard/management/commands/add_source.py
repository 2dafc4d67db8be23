"""Permit a source of code or data."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from dashboard.actions import sources
from dashboard.management import base
from jobs.access.sources import EXAMPLES, addable_types
from jobs.base.errors import LaunchError


class Command(base.DashboardCommand):
    help = (
        "Permit a source of code or data, for jobs of everyone. Git repositories and images "
        "include all below their address."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        types = addable_types()
        parser.add_argument("type", choices=types, help="what the address is")
        help_text = ", ".join(f"{name}: {EXAMPLES[name]}" for name in types)
        parser.add_argument("address", metavar="ADDRESS", help=f"such as {help_text}")
        parser.add_argument("--note", default="", help="purpose, or who maintains it")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            row = sources.add(None, options["type"], options["address"], options["note"])
        except LaunchError as error:
            raise base.refused(error, "Not added.") from error
        self.stdout.write(f"{row.address} added as source {row.pk}.")
