"""Prepare DATA_DIR for a start; `make run` calls this. Safe to repeat."""

import hashlib
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError

from dashboard.config.host_env import write_own_host
from dashboard.management import base
from dashboard.server import bundles
from jobs.access import secrets
from jobs.backup import MARK
from jobs.models import Host
from jobs.queries.hosts import instance_id
from jobs.services.outcomes import answer_rows, identity

HOST_NAME = "this-computer"


class Command(base.PlainCommand):
    arguments = (base.Arg("--dashboard-url", "as This computer sees it", required=True),)

    def handle(self, *args: Any, **options: Any) -> None:
        if (settings.DATA_DIR / MARK).exists():
            raise CommandError(
                f"A restore into DATA_DIR={settings.DATA_DIR} did not end. Empty the folder, "
                "then restore again: manage.py restore SOURCE"
            )
        call_command("migrate", verbosity=0, interactive=False)
        if not settings.DEBUG:
            collect_static_files()
        instance_id()
        answer_rows.keep_missing()
        identity.keep_missing()  # reads the rows
        if problem := secrets.problem():
            self.stderr.write(f"{problem} Jobs that need a secret fail until then.")
        self._first_administrator()
        folder = settings.DATA_DIR / "host"
        folder.mkdir(exist_ok=True)
        lines = {
            "DASHBOARD_URL": options["dashboard_url"],
            "HOST_DIR": str(folder),
            "WHEELS_DIR": str(settings.ENV.wheels_dir or ""),
        }
        write_own_host(
            HOST_NAME,
            Host.Type.THIS_COMPUTER,
            secret="this_computer_key",  # noqa: S106 -- a file name
            folder=folder,
            lines=lines,
        )

    def _first_administrator(self) -> None:
        if User.objects.exists():
            return
        given = settings.ENV.admin_password
        password = given or token_urlsafe(12)
        try:
            validate_password(password, User(username="admin"))
        except ValidationError as error:
            raise CommandError(f"ADMIN_PASSWORD: {' '.join(error.messages)}") from error
        User.objects.create_user("admin", password=password, is_staff=True)
        shown = "(from ADMIN_PASSWORD)" if given else f"{password}   (shown only once)"
        self.stdout.write(f"\n  Log in as   admin\n  Password    {shown}\n")


def collect_static_files() -> None:
    """Collect, bundle, hash and compress, unless the sources are what they were."""
    stamp, wanted = settings.DATA_DIR / "staticfiles.sha256", _sources_sha256()
    if not stamp.exists() or stamp.read_text() != wanted:
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(wanted)


def _sources_sha256() -> str:
    """Hash over name, size and time of every static source, and over what makes the bundles."""
    digest = hashlib.sha256(Path(bundles.__file__).read_bytes())
    for folder in settings.STATICFILES_DIRS:
        for path in sorted(Path(folder).rglob("*")):
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
