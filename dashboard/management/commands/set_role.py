"""Change a person's role."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import people
from dashboard.management import base
from jobs.access.accounts import LastAdministrator
from jobs.models import Account


class Command(base.DashboardCommand):
    help = "Set the role of a person. changepassword sets a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="NAME")
        help_text = "viewer reads and chats; member also launches jobs; admin may do everything"
        parser.add_argument("role", choices=Account.Role.values, help=help_text)

    def handle(self, *args: Any, **options: Any) -> None:
        user, role = base.user_named(options["user"]), Account.Role(options["role"])
        try:
            changed = people.set_role(None, user, role)
        except LastAdministrator as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{user}: {role}" if changed else f"{user} is {role} already.")
