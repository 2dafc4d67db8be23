"""Print the stored log of a job."""

import sys
from typing import Any

from django.core.management.base import CommandError

from dashboard.management import base
from dashboard.text.retention import removed_words
from jobs.logstore import store
from jobs.logstore.terminal import plain_stream
from jobs.models import Job


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("job", type=int, find=base.job_numbered),
        base.flag("--follow", "follow until the job has ended; exit code 1 unless it succeeded"),
        base.flag("--raw", "every byte; otherwise without colours and collapsed updates"),
        base.IF_DOWN,
    )

    def handle(self, *args: Any, **options: Any) -> None:
        job: Job = options["job"]
        if job.removed_at is not None:
            raise CommandError(removed_words(job))
        if options["follow"]:
            chunks = base.follow(job.pk, None, base.DashboardWatch(sys.stderr, options["if_down"]))
        else:
            key = f"job/{job.pk}"
            chunks = store().chunks(key, 0, store().size(key))
        base.write(chunks if options["raw"] else plain_stream(chunks), sys.stdout)
        if options["follow"]:
            job.refresh_from_db()
            if job.state != Job.State.SUCCEEDED:
                sys.exit(1)
