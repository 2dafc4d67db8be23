"""Print the stored log of a job."""

import sys
from typing import Any

from django.core.management.base import CommandError

from dashboard.management import base
from dashboard.text.retention import removed_words
from jobs.base.errors import DamagedLog, LogRemoved
from jobs.logstore import plain_stream, store
from jobs.models import Job


class Command(base.DashboardCommand):
    arguments = (
        base.arg("job", type=int, find=base.job_numbered),
        base.flag("--follow", "follow until the job has ended; exit code 1 unless it succeeded"),
        base.flag("--raw", "every byte; otherwise without colours and collapsed updates"),
        base.IF_DOWN,
    )

    def handle(self, *args: Any, **options: Any) -> None:
        job: Job = options["job"]
        if job.removed_at is not None:
            raise CommandError(removed_words(job))
        try:
            if options["follow"]:
                watch = base.Watch(sys.stderr, options["if_down"])
                chunks = base.follow(job.pk, None, watch)
            else:
                key = f"job/{job.pk}"
                chunks = store().chunks(key, 0, store().size(key))
            for data in chunks if options["raw"] else plain_stream(chunks):
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        except (DamagedLog, LogRemoved) as error:
            raise CommandError(str(error)) from None
        if options["follow"]:
            job.refresh_from_db()
            if job.state != Job.State.SUCCEEDED:
                sys.exit(1)
