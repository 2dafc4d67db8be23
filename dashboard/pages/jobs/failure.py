"""Cause of a failed job or server from its records, for ``_why.html``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from dashboard.text.known_failures import FailureView, view_of
from dashboard.text.messages import message, telling_line
from jobs.models import Deployment, Job, JobStep, Preflight
from jobs.queries.jobs.job_page import JobPage
from jobs.queries.jobs.log_excerpts import Part, Quote, headline, line_of, telling_lines
from jobs.queries.jobs.stalled import last_arrival
from jobs.schedule import preflights

_BY_SERVER = ("work:server_ended", "work:server_killed")
_LOAD = ("load_1m", "memory_free_bytes", "disk_free_bytes")


def why_job(page: JobPage) -> dict[str, Any]:
    """Return the cause for a job, and the deployment it started."""
    job, server = page.job, page.deployment
    known, own = view_of(job), f"job/{job.pk}"
    where = known.where if known else ("server" if job.message_id in _BY_SERVER else "")
    log = f"deployment/{server.pk}" if server is not None and where == "server" else own
    fine = job.is_open or job.state in (Job.State.SUCCEEDED, Job.State.CANCELLED)
    line = known.line if known and where in ("", "server") else None
    part = _part_of(page.ended_in) if log == own else None
    telling = "" if fine or known else _telling(job, log, part)
    return {
        **_why(job, known, telling),
        "quotes": [] if fine and line is None else _quotes(job, log, line, part),
        "quotes_at": reverse("deployment-detail", args=[server.pk])
        if server is not None and log != own
        else "",
        "failed_at": line if log == own else None,
        "last_arrival": last_arrival(own) if job.state == Job.State.LOST else None,
        "also_found": _also_found(job),
    }


def why_server(deployment: Deployment) -> dict[str, Any]:
    """Return the cause for a failed or lost deployment; ``{}`` for others."""
    if deployment.state not in (Deployment.State.FAILED, Deployment.State.LOST):
        return {}
    known, log = view_of(deployment), f"deployment/{deployment.pk}"
    line = known.line if known else None
    lost = deployment.state == Deployment.State.LOST
    telling = "" if known else _telling(deployment, log, (deployment.log_from, None))
    return {
        **_why(deployment, known, telling),
        "quotes": _quotes(deployment, log, line, (deployment.log_from, None)),
        "failed_at": line,
        "last_arrival": last_arrival(log) if lost else None,
    }


def outcome_text(record: Job | Deployment) -> str:
    """Return the outcome without the cause, which is shown separately."""
    args = dict(record.message_args or {})
    args.pop("failure", None)
    args.pop("telling", None)
    return message(record.message_id, args)


def _why(record: Job | Deployment, known: FailureView | None, telling: str) -> dict[str, Any]:
    """``first_line`` is the known cause, else the log's line (``telling``), else the outcome."""
    outcome = outcome_text(record)
    return {
        "outcome": outcome,
        "known": known,
        "telling": telling,
        "first_line": known.cause if known else telling or outcome,
        "host_then": _host_then(record),
    }


def _telling(record: Job | Deployment, log: str, part: Part | None) -> str:
    """Return the log line stored with the verdict; older records are searched now."""
    kept = telling_line((record.message_args or {}).get("telling"))
    if kept or record.state != "failed" or not record.message_id.startswith("work:"):
        return kept
    line = headline(log, part, elsewhere=isinstance(record, Job))
    return line.text if line else ""


def _also_found(job: Job) -> list[dict[str, Any]]:
    """Return further missing requirements of a job that never started."""
    if job.started_at is not None or not job.message_id.startswith("check:"):
        return []
    preflight, own = preflights.latest(job.pk), (job.message_id, job.message_args)
    return [
        item for item in _missed(preflight) if (item["message_id"], item["message_args"]) != own
    ]


def missed_before(job: Job) -> dict[str, Any] | None:
    """Return missing requirements of the last preflight of a queued job, launch form included,
    and its time; None if none."""
    preflight = preflights.newest_answer(job)
    missed = _missed(preflight)
    return {"missed": missed, "at": preflight.done_at} if preflight and missed else None


def _missed(preflight: Preflight | None) -> list[dict[str, Any]]:
    return [item for item in preflight.findings if item["level"] == "failed"] if preflight else []


def _part_of(step: JobStep | None) -> Part | None:
    return (step.log_from, step.log_to) if step and step.log_from is not None else None


def _quotes(
    record: Job | Deployment, log: str, line: int | None, part: Part | None = None
) -> list[Quote]:
    if line is not None:
        return line_of(log, line)
    # The last output is relevant only if the command itself failed.
    or_last = record.state == "failed"
    # A server's earlier runs are excluded; all steps of a job belong to one run.
    elsewhere = isinstance(record, Job)
    return telling_lines(log, part=part, elsewhere=elsewhere, or_last=or_last)


def _host_then(record: Job | Deployment) -> Mapping[str, float] | None:
    """Return load, memory and disk of the host at the end, and out-of-memory kills during the
    run; None if not recorded."""
    load = (record.message_args or {}).get("host")
    if not isinstance(load, dict) or not all(isinstance(load.get(n), int | float) for n in _LOAD):
        return None
    return load
