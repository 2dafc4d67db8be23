"""Waits for jobs to end, and prints their outcomes.

Order: ``{"jobs": [numbers]}``. It says, when all have ended, ``{number: {"state", "message",
"steps_s", "started_at", "finished_at"}}``; times are seconds since the epoch. It looks seldom and
little processor time, because it runs beside the measurement.
"""

import json
import sys
import time

from jobs.models import Job

LOOK_S = 0.25


def main() -> None:
    jobs = Job.objects.filter(pk__in=json.loads(sys.stdin.readline())["jobs"])
    while jobs.filter(state__in=Job.OPEN_STATES).exists():
        time.sleep(LOOK_S)
    facts = {
        job.pk: {
            "state": job.state,
            "message": [job.message_id, job.message_args],
            "steps_s": sum(step.duration_s or 0.0 for step in job.steps.all()),
            "started_at": job.started_at.timestamp() if job.started_at else None,
            "finished_at": job.finished_at.timestamp() if job.finished_at else None,
        }
        for job in jobs.prefetch_related("steps")
    }
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
