"""Encrypt all secrets with a new key and remove earlier keys from the key file. The dashboard may
run meanwhile. A backup made before needs the key file of its time."""

from typing import Any

from django.core.management.base import CommandError

from dashboard.management import base
from dashboard.security import audit_log
from jobs.access import secret_keys, secrets


class Command(base.DashboardCommand):
    arguments = (
        base.flag(
            "--first-key",
            "use the first key of the file, which stays as it is: for a read-only file into "
            "which you wrote a new first line",
        ),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = secrets.rotate(with_new_key=not options["first_key"])
        except secret_keys.KeyUnusable as error:
            raise CommandError(f"Nothing changed. {error}") from error
        audit_log.record(None, "secret.manage", "key of secrets", did="rotate", secrets=count)
        self.stdout.write(
            f"{count} secrets encrypted with the first key of {secret_keys.key_file()}."
        )
