"""Pin a job from a terminal."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import jobs as actions
from dashboard.management import base
from dashboard.text.retention import removed_words


class Command(base.DashboardCommand):
    help = (
        "Keep the log and files of a job: they are never removed. With --off, retention "
        "applies again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("--off", action="store_true", help="stop keeping the files")
        parser.add_argument(
            "--user", default="", help="account that keeps the files (default: first admin)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        job = base.job_numbered(options["job"])
        user, wanted = base.user_named(options["user"]), not options["off"]
        if not actions.keep_files(user, job, keep=wanted):
            job.refresh_from_db()
            raise CommandError(
                f"Nothing is left to pin. {removed_words(job)}"
                if wanted
                else f"Job {job.pk} is not pinned."
            )
        self.stdout.write(f"job {job.pk}: {'pinned' if wanted else 'no longer pinned'}")
