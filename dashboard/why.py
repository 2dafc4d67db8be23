"""Why a job or a server did not end well, as far as its records tell: what ``_why.html`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from dashboard.known_failures import FailureView, view_of
from dashboard.log_quotes import Part, Quote, line_of, telling_lines
from dashboard.sentences import sentence
from jobs.models import Deployment, Job, JobStep
from jobs.queries.job_page import JobPage
from jobs.queries.silence import last_arrival

_BY_SERVER = ("work:server_ended", "work:server_killed")
_LOAD = ("load_1m", "memory_free_bytes", "disk_free_bytes")


def why_job(page: JobPage) -> dict[str, Any]:
    """For a job, and the deployment whose server it started."""
    job, server = page.job, page.deployment
    known, own = view_of(job), f"job/{job.pk}"
    where = known.where if known else ("server" if job.sentence_id in _BY_SERVER else "")
    log = f"deployment/{server.pk}" if server is not None and where == "server" else own
    fine = job.is_open or job.state in (Job.State.SUCCEEDED, Job.State.CANCELLED)
    line = known.line if known and where in ("", "server") else None
    part = _part_of(page.ended_in) if log == own else None
    return {
        **_why(job, known),
        "quotes": [] if fine and line is None else _quotes(job, log, line, part),
        "quotes_at": reverse("deployment-detail", args=[server.pk])
        if server is not None and log != own
        else "",
        "failed_at": line if log == own else None,
        "last_arrival": last_arrival(own) if job.state == Job.State.LOST else None,
    }


def why_server(deployment: Deployment) -> dict[str, Any]:
    """For a deployment that failed or was lost; ``{}`` for others."""
    if deployment.state not in (Deployment.State.FAILED, Deployment.State.LOST):
        return {}
    known, log = view_of(deployment), f"deployment/{deployment.pk}"
    line = known.line if known else None
    lost = deployment.state == Deployment.State.LOST
    return {
        **_why(deployment, known),
        "quotes": _quotes(deployment, log, line, (deployment.log_from, None)),
        "failed_at": line,
        "last_arrival": last_arrival(log) if lost else None,
    }


def told(record: Job | Deployment) -> str:
    """What became of it, without the cause, which has a place of its own."""
    args = dict(record.sentence_args or {})
    args.pop("failure", None)
    return sentence(record.sentence_id, args)


def _why(record: Job | Deployment, known: FailureView | None) -> dict[str, Any]:
    return {"told": told(record), "known": known, "host_then": _host_then(record)}


def _part_of(step: JobStep | None) -> Part | None:
    return (step.log_from, step.log_to) if step and step.log_from is not None else None


def _quotes(
    record: Job | Deployment, log: str, line: int | None, part: Part | None = None
) -> list[Quote]:
    if line is not None:
        return line_of(log, line)
    # What the work itself said last tells only if it was the work that said no.
    or_last = record.state == "failed"
    # Of a server's earlier runs nothing is said; of a job all steps are of one run.
    elsewhere = isinstance(record, Job)
    return telling_lines(log, part=part, elsewhere=elsewhere, or_last=or_last)


def _host_then(record: Job | Deployment) -> Mapping[str, float] | None:
    """Load, memory and disk of the host when it ended, and how many processes its kernel had ended
    for want of memory meanwhile; None where nobody saw."""
    seen = (record.sentence_args or {}).get("host")
    if not isinstance(seen, dict) or not all(isinstance(seen.get(n), int | float) for n in _LOAD):
        return None
    return seen
