"""Make an API token."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from dashboard import terminal
from dashboard.api.auth import hashed
from dashboard.audit import record
from jobs.models import ApiToken


class Command(terminal.DashboardCommand):
    help = "Make an API token for a user and print it, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--name", default="made in a terminal", help="to know it again by")

    def handle(self, *args: Any, **options: Any) -> None:
        user = terminal.user_named(options["user"])
        token = secrets.token_urlsafe(32)
        row = ApiToken.objects.create(user=user, name=options["name"], token_sha256=hashed(token))
        record(user, "token.create", f"token {row.pk}", name=row.name, by="terminal")
        self.stdout.write(token)
