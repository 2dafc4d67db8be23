"""Add a host and print its host.env file. The key in it is shown only once: manage.py add_host NAME
> host.env"""

from typing import Any

from dashboard.actions import hosts
from dashboard.config.host_env import host_file, out_of_reach
from dashboard.management import base
from jobs.access import valkey_users


class Command(base.DashboardCommand):
    arguments = (base.Arg("name", "small letters, digits and hyphens"),)
    undone = "Not added."

    def handle(self, *args: Any, **options: Any) -> None:
        host, made = hosts.add(None, options["name"])
        self.stdout.write(host_file(host.name, made), ending="")
        if command := valkey_users.command_for(host):
            self.stderr.write(f"Add the host's user to your Redis: {command}")
        if missing := out_of_reach():
            self.stderr.write(
                f"Another machine cannot reach this dashboard yet: start it with "
                f"{' and '.join(missing)}, see docs/run/settings.md."
            )
