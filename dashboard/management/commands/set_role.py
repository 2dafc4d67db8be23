"""Set the role of a person. changepassword sets a password."""

from typing import Any

from dashboard.actions import access
from dashboard.management import base
from jobs.models import Account


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("user", metavar="NAME", find=base.user_named),
        base.Arg(
            "role",
            "viewer reads and chats; member also launches jobs; admin may do everything",
            choices=Account.Role.values,
        ),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        user, role = options["user"], Account.Role(options["role"])
        changed = access.set_role(None, user, role)
        self.stdout.write(f"{user}: {role}" if changed else f"{user} is {role} already.")
