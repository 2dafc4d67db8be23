"""Revoke an API token: its next call is refused. Get its number from list_tokens."""

from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import access
from dashboard.management import base
from jobs.models import ApiToken


class Command(base.DashboardCommand):
    arguments = (base.Arg("token", type=int, metavar="NUMBER"),)

    def handle(self, *args: Any, **options: Any) -> None:
        row = ApiToken.objects.select_related("user").filter(pk=options["token"]).first()
        if row is None:
            raise CommandError(f"There is no token {options['token']}. See: manage.py list_tokens")
        number, whose = row.pk, row.user.get_username()
        access.revoke_token(base.user_named(""), row)
        self.stdout.write(f"Token {number} of {whose} is revoked: {row.name}")
