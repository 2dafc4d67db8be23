"""A job of This computer with a spool beside the host's own: ``{"job", "spool"}``.

Order: ``{"spool": the folder to make it in, "log": a file that is its whole log}``. It runs, as far
as the dashboard knows, and its host's agent knows nothing of it.
"""

import os
from pathlib import Path
from typing import Any

from django.utils.timezone import now

from jobs.host.base import spool as spools
from jobs.host.base.spool import Meta
from jobs.models import Host, Job
from jobs.queries.hosts import instance_id
from tests.bench.inside import serve
from tests.factories import make_job


def claim(*, spool: str, log: str) -> dict[str, Any]:
    """Make both."""
    moment = now()
    host = Host.objects.get(type=Host.Type.THIS_COMPUTER)
    fields = {"started_at": moment, "claimed_at": moment, "seen_at": moment}
    job = make_job(host=host, state=Job.State.RUNNING, claim_id="bench", **fields)
    meta = Meta(spools.JOB, job.pk, str(instance_id()), str(job.claim_token), 1, "")
    made = spools.create(Path(spool) / str(job.pk), meta, job.plan, {}, None, {})
    made.log.unlink(missing_ok=True)
    os.link(log, made.log)
    return {"job": job.pk, "spool": str(made.path)}


if __name__ == "__main__":
    serve(claim)
