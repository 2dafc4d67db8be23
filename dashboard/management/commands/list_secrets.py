"""List secrets."""

from __future__ import annotations

from typing import Any

from dashboard.management import base
from jobs.models import Secret


class Command(base.DashboardCommand):
    help = "List secrets by name: purpose, endpoints, hosts and people, without the values."

    def handle(self, *args: Any, **options: Any) -> None:
        table: list[tuple[str, ...]] = [("name", "purpose", "endpoints", "hosts", "people")]
        table += [_row(row) for row in Secret.objects.prefetch_related("hosts", "people")]
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        for line in table:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())


def _row(row: Secret) -> tuple[str, ...]:
    hosts = "all" if row.all_hosts else " ".join(host.name for host in row.hosts.all())
    people = "everyone" if row.everyone else " ".join(one.username for one in row.people.all())
    engines = "all deployments" if row.purpose == Secret.Purpose.ENGINE else "unknown"
    endpoints = " ".join(row.endpoints) or engines
    return row.name, row.purpose or "unknown", endpoints, hosts or "none", people or "no one"
