"""Set a secret, or change its rules. The value is read from standard input, because command lines
are visible to others."""

import getpass
import sys
from typing import Any

from dashboard.actions import access
from dashboard.management import base
from jobs.models import Secret


def _several(name: str, about: str, metavar: str = "NAME") -> base.Arg:
    return base.Arg(name, about, action="append", metavar=metavar)


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("name", "such as HF_TOKEN", metavar="NAME"),
        base.Arg(
            "--purpose",
            "hub: hub token; registry: registry password; engine: engine key",
            choices=Secret.Purpose.values,
            required=True,
        ),
        _several("--endpoint", "address to which it may be sent; repeat for more", "URL"),
        _several("--host", "host that may receive it; repeat for more (default: all hosts)"),
        _several("--person", "user who may use it; repeat for more (default: everyone)"),
        base.flag("--keep-value", "change only the rules"),
    )
    undone = "Not set."

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        is_new = access.keep_secret(
            None,
            name,
            None if options["keep_value"] else _value(name),
            purpose=options["purpose"],
            endpoints=options["endpoint"] or [],
            hosts=options["host"],
            people=options["person"],
        )
        self.stdout.write(f"{name} {'saved' if is_new else 'updated'}.")


def _value(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Value of {name}: ").strip()
    return sys.stdin.read().strip()
