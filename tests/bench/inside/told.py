"""What has become of jobs: ``{number: {"state", "sentence", "steps_s", "created_at", …}}``.

Times are seconds since the epoch, None where it is not known yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jobs.models import Job
from tests.bench.inside import serve


def tell(*, jobs: Sequence[int]) -> dict[int, Any]:
    """Of these jobs alone."""
    found = Job.objects.filter(pk__in=jobs).prefetch_related("steps")
    return {
        job.pk: {
            "state": job.state,
            "sentence": [job.sentence_id, job.sentence_args],
            "steps_s": sum(step.duration_s or 0.0 for step in job.steps.all()),
            "created_at": _seconds(job.created_at),
            "started_at": _seconds(job.started_at),
            "finished_at": _seconds(job.finished_at),
        }
        for job in found
    }


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


if __name__ == "__main__":
    serve(tell)
