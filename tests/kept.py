"""Ended jobs and servers, with their files on the disk."""

import hashlib
from datetime import timedelta
from typing import Any

from django.utils.timezone import now

from jobs import logstore
from jobs.models import Deployment, Job, OutputFile, PointBlock
from jobs.services.outputs import outputs_folder
from tests.factories import make_deployment, make_job

DAY = timedelta(days=1)
LOG = b"one\ntwo\n"


def ended(
    age: timedelta = 100 * DAY, *, log: bytes = LOG, files: int = 0, points: int = 0, **fields: Any
) -> Job:
    """A job that ended ``age`` ago and left a log, ``files`` outputs of 10 bytes, and points."""
    fields = {"state": Job.State.SUCCEEDED, "finished_at": now() - age, **fields}
    job = make_job(log_bytes=len(log), log_sha256=hashlib.sha256(log).hexdigest(), **fields)
    logstore.store().append(f"job/{job.pk}", 0, log)
    for number in range(files):
        path = outputs_folder(job.pk) / "deep" / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")
        OutputFile.objects.create(
            job=job,
            name="made",
            path=f"deep/{number}.json",
            bytes=10,
            received_bytes=10,
            sha256="f" * 64,
        )
    for number in range(points):
        PointBlock.objects.create(job=job, offset=number, watch="engine", rows=[[1.0, {"a": 1}]])
    Job.objects.filter(pk=job.pk).update(points_bytes=points * 20)
    return job


def over(age: timedelta = 100 * DAY, **fields: Any) -> Deployment:
    """A server that is over, with a log."""
    server = make_deployment(
        job=ended(age),
        state=Deployment.State.STOPPED,
        stopped_at=now() - age,
        log_bytes=len(LOG),
        **fields,
    )
    logstore.store().append(f"deployment/{server.pk}", 0, LOG)
    return server
