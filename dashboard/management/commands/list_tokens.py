"""List API tokens, newest first: number, user, scope, name and times, without the tokens."""

from datetime import datetime
from typing import Any

from dashboard.management import base
from jobs.models import ApiToken


class Command(base.DashboardCommand):
    arguments = (base.Arg("user", "only tokens of this user", nargs="?", metavar="NAME"),)

    def handle(self, *args: Any, **options: Any) -> None:
        rows = ApiToken.objects.select_related("user")
        if options["user"]:
            rows = rows.filter(user=base.user_named(options["user"]))
        head = ("number", "user", "scope", "expires", "last used", "name")
        self.write_table(head, *map(_row, rows))


def _row(token: ApiToken) -> tuple[str, ...]:
    expires = "expired" if token.is_expired else _day(token.expires_at)
    used, user = _day(token.last_used_at), token.user.get_username()
    return str(token.pk), user, token.scope, expires, used, token.name


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"
