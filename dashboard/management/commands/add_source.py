"""Permit a source of code or data, for jobs of everyone. Git repositories and images include all
below their address."""

from typing import Any

from dashboard.actions import access
from dashboard.management import base
from jobs.access.sources import EXAMPLES, addable_types

_EXAMPLES = ", ".join(f"{name}: {EXAMPLES[name]}" for name in addable_types())


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("type", "what the address is", choices=addable_types()),
        base.Arg("address", f"such as {_EXAMPLES}", metavar="ADDRESS"),
        base.Arg("--note", "purpose, or who maintains it"),
    )
    undone = "Not added."

    def handle(self, *args: Any, **options: Any) -> None:
        row = access.add_source(None, options["type"], options["address"], options["note"])
        self.stdout.write(f"{row.address} added as source {row.pk}.")
