"""Tasks of messages from the dashboard. A message only notifies: each task is short and
repeatable."""

from __future__ import annotations

import logging

from celery.signals import worker_ready

from jobs.host.agent.app import CONFIG, app
from jobs.host.base.client import Client, Unreachable
from jobs.host.base.wakeup import wake
from jobs.host.claim import claim
from jobs.host.run import spawn

CLIENT = Client(CONFIG)
log = logging.getLogger(__name__)


@worker_ready.connect  # type: ignore[untyped-decorator]
def stand_by(**_: object) -> None:
    """Have a launcher ready for the first job."""
    spawn.STANDBY.prepare()


@app.task(name="host.start")  # type: ignore[untyped-decorator]
def start(job_id: int) -> None:
    """Claim this job and start it."""
    try:
        claim.claim_job(CONFIG, CLIENT, job_id)
    except Unreachable as error:  # the heartbeat will name it again
        log.warning("job %s: %s", job_id, error)
    spawn.STANDBY.prepare()


@app.task(name="host.stop")  # type: ignore[untyped-decorator]
def stop(job_id: int) -> None:
    """Stop a cancelled job.

    The agent asks the dashboard which ones: a message may be old, and of another dashboard that
    used the same Redis.
    """
    wake(CONFIG.dir)


@app.task(name="host.serve")  # type: ignore[untyped-decorator]
def serve(deployment_id: int) -> None:
    """Claim the next run of this deployment and start it."""
    try:
        claim.claim_deployment(CONFIG, CLIENT, deployment_id)
    except Unreachable as error:
        log.warning("server %s: %s", deployment_id, error)


@app.task(name="host.stop_serve")  # type: ignore[untyped-decorator]
def stop_serve(deployment_id: int) -> None:
    """Stop a server on request; the agent fetches which."""
    wake(CONFIG.dir)


@app.task(name="host.check")  # type: ignore[untyped-decorator]
def check(check_id: int) -> None:
    """Run a preflight check; the agent fetches which."""
    wake(CONFIG.dir)
