"""List permitted sources of code and data: added ones with their number, then included."""

from typing import Any

from django.utils import translation

from dashboard.management import base
from jobs.access.sources import included
from jobs.models import Source


class Command(base.DashboardCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            names = [
                ("-", one.type, one.address, "included", str(one.origin)) for one in included()
            ]
        rows = map(_row, Source.objects.select_related("created_by"))
        self.write_table(("number", "type", "address", "added by", "note"), *rows, *names)


def _row(row: Source) -> tuple[str, ...]:
    person = row.created_by.get_username() if row.created_by else "manage.py"
    return str(row.pk), row.type, row.address, person, row.note
