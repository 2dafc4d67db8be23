"""List permitted sources."""

from __future__ import annotations

from typing import Any

from django.utils import translation

from dashboard.management import base
from jobs.access.sources import included
from jobs.models import Source


class Command(base.DashboardCommand):
    help = "List permitted sources of code and data: added ones with their number, then included."

    def handle(self, *args: Any, **options: Any) -> None:
        table: list[tuple[str, ...]] = [("number", "type", "address", "added by", "note")]
        table += [_row(row) for row in Source.objects.select_related("created_by")]
        with translation.override("en"):
            table += [
                ("-", one.type, one.address, "included", str(one.origin)) for one in included()
            ]
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        for line in table:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())


def _row(row: Source) -> tuple[str, ...]:
    person = row.created_by.get_username() if row.created_by else "manage.py"
    return str(row.pk), row.type, row.address, person, row.note
