"""List secrets by name: purpose, endpoints, hosts and people, without the values."""

from typing import Any

from dashboard.management import base
from jobs.models import Secret


class Command(base.DashboardCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        rows = Secret.objects.prefetch_related("hosts", "people")
        self.write_table(("name", "purpose", "endpoints", "hosts", "people"), *map(_row, rows))


def _row(row: Secret) -> tuple[str, ...]:
    hosts = "all" if row.all_hosts else " ".join(host.name for host in row.hosts.all())
    people = "everyone" if row.everyone else " ".join(one.username for one in row.people.all())
    engines = "all deployments" if row.purpose == Secret.Purpose.ENGINE else "unknown"
    endpoints = " ".join(row.endpoints) or engines
    return row.name, row.purpose or "unknown", endpoints, hosts or "none", people or "no one"
