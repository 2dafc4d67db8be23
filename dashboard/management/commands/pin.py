"""Keep the log and files of a job: they are never removed. With --off, retention applies again."""

from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import jobs as actions
from dashboard.management import base
from dashboard.text.retention import removed_words


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("job", type=int, find=base.job_numbered),
        base.flag("--off", "stop keeping the files"),
        base.of_user("keeps the files"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        job, wanted = options["job"], not options["off"]
        if not actions.keep_files(options["user"], job, keep=wanted):
            job.refresh_from_db()
            raise CommandError(
                f"Nothing is left to pin. {removed_words(job)}"
                if wanted
                else f"Job {job.pk} is not pinned."
            )
        self.stdout.write(f"job {job.pk}: {'pinned' if wanted else 'no longer pinned'}")
