"""Create an API token for a user and print it once."""

import re
from argparse import ArgumentTypeError
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils.timezone import make_aware, now

from dashboard.actions import access
from dashboard.management import base
from dashboard.security.permissions import allowed
from jobs.models import ApiToken

_MOST_DAYS = 36500


def expiry(text: str) -> datetime | None:
    """``90d`` from now, the end of a day such as ``2027-01-31``, or ``never``."""
    if text == "never":
        return None
    try:
        if days := re.fullmatch(r"(\d{1,6})d", text):
            if not 0 < int(days[1]) <= _MOST_DAYS:
                raise ValueError(text)
            return now() + timedelta(days=int(days[1]))
        expires = make_aware(datetime.combine(date.fromisoformat(text), time.max))
    except (ValueError, OverflowError):
        wanted = "as 90d, as a day such as 2027-01-31, or as never"
        raise ArgumentTypeError(f"write {text} {wanted}") from None
    if expires <= now():
        raise ArgumentTypeError(f"{text} is over")
    return expires


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("user", "user that the token acts as", metavar="NAME", find=base.user_named),
        base.Arg("--name", "name in lists", default="made in a terminal"),
        base.Arg(
            "--scope",
            "read (default); launch: also the actions of a member; admin: all of its user",
            choices=ApiToken.Scope.values,
            default=ApiToken.Scope.READ,
        ),
        base.Arg(
            "--expires",
            "90d (default), a day such as 2027-01-31, or never",
            type=expiry,
            default="90d",
            metavar="WHEN",
        ),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        user, scope = options["user"], options["scope"]
        if scope != ApiToken.Scope.READ and not allowed(user, "job.launch"):
            raise CommandError(f"{user} is a viewer, whose tokens have the scope read only.")
        name, until = options["name"], options["expires"]
        self.stdout.write(access.create_token(user, name, scope=scope, expires_at=until))
