"""Set a secret, or change its rules."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from dashboard.actions import secrets
from dashboard.management import base
from jobs.base.errors import LaunchError
from jobs.models import Secret


class Command(base.DashboardCommand):
    help = (
        "Set a secret, or change its rules. The value is read from standard input, because command "
        "lines are visible to others."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="such as HF_TOKEN")
        help_text = "hub: hub token; registry: registry password; engine: engine key"
        purposes = Secret.Purpose.values
        parser.add_argument("--purpose", choices=purposes, required=True, help=help_text)
        help_text = "address to which it may be sent; repeat for more"
        parser.add_argument(
            "--endpoint", action="append", default=[], metavar="URL", help=help_text
        )
        help_text = "host that may receive it; repeat for more (default: all hosts)"
        parser.add_argument("--host", action="append", metavar="NAME", help=help_text)
        help_text = "user who may use it; repeat for more (default: everyone)"
        parser.add_argument("--person", action="append", metavar="NAME", help=help_text)
        parser.add_argument("--keep-value", action="store_true", help="change only the rules")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        rules = secrets.Rules(
            purpose=options["purpose"],
            endpoints=options["endpoint"],
            hosts=options["host"],
            people=options["person"],
        )
        value = None if options["keep_value"] else _value(name)
        try:
            is_new = secrets.keep(None, name, value, rules)
        except LaunchError as error:
            raise base.refused(error, "Not set.") from error
        self.stdout.write(f"{name} {'saved' if is_new else 'updated'}.")


def _value(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name}: ").strip()
    return sys.stdin.read().strip()
