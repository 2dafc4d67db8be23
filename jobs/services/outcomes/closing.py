"""Tasks of confined workers: ends of jobs and servers, read, judged and stored."""

from __future__ import annotations

from functools import partial
from typing import Any

from jobs.models import Deployment, Job
from jobs.protocol import Ended
from jobs.services.intake import intake
from jobs.services.outcomes import outcomes
from jobs.services.outcomes.known_failures import servers_cause


def close(job_id: int, offset: int, data: bytes, log_sha256: str) -> int:
    """Apply the events in ``data``, of which one ends the job; return the size of its events."""
    job = Job.objects.select_related("host").get(pk=job_id)
    events = intake.events_of(data)
    ended = next(event for _line, event in events if isinstance(event, Ended))
    # Parsing may take seconds; no lock is held meanwhile.
    verdict = outcomes.evaluate(job, ended.model_dump(), log_sha256)
    return intake.apply_to_job(job, offset, events, partial(outcomes.apply, verdict=verdict))


def cause_of_server(
    deployment_id: int, log_from: int, exit_code: int | None, args: dict[str, Any]
) -> dict[str, Any]:
    """Return the cause for a server that exited unexpectedly."""
    deployment = Deployment.objects.select_related("job", "host").get(pk=deployment_id)
    return servers_cause(deployment, log_from=log_from, exit_code=exit_code, args=args)
