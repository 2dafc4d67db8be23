"""Why a job or a server did not end well, as far as its records tell: what ``_why.html`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from dashboard.text.known_failures import FailureView, view_of
from dashboard.text.messages import sentence, telling_line
from jobs.models import Deployment, Job, JobStep, Preflight
from jobs.queries.jobs.job_page import JobPage
from jobs.queries.jobs.log_excerpts import Part, Quote, headline, line_of, telling_lines
from jobs.queries.jobs.stalled import last_arrival
from jobs.services import preflights

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
    """For a deployment that failed or was lost; ``{}`` for others."""
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


def told(record: Job | Deployment) -> str:
    """What became of it, without the cause, which has a place of its own."""
    args = dict(record.sentence_args or {})
    args.pop("failure", None)
    args.pop("telling", None)
    return sentence(record.sentence_id, args)


def _why(record: Job | Deployment, known: FailureView | None, telling: str) -> dict[str, Any]:
    """``first_line`` says the most in one line: the cause where it is known, else what the log says
    (``telling``), else what became of it."""
    said = told(record)
    return {
        "told": said,
        "known": known,
        "telling": telling,
        "first_line": known.cause if known else telling or said,
        "host_then": _host_then(record),
    }


def _telling(record: Job | Deployment, log: str, part: Part | None) -> str:
    """The line of the log that was kept with the verdict; of older records it is looked for now."""
    kept = telling_line((record.sentence_args or {}).get("telling"))
    if kept or record.state != "failed" or not record.sentence_id.startswith("work:"):
        return kept
    found = headline(log, part, elsewhere=isinstance(record, Job))
    return found.text if found else ""


def _also_found(job: Job) -> list[dict[str, Any]]:
    """What its host missed besides what the job's sentence says, for one that never started."""
    if job.started_at is not None or not job.sentence_id.startswith("check:"):
        return []
    look, own = preflights.latest(job.pk), (job.sentence_id, job.sentence_args)
    return [item for item in _missed(look) if (item["sentence_id"], item["sentence_args"]) != own]


def missed_before(job: Job) -> dict[str, Any] | None:
    """What the host of a waiting job missed when it looked last, be it for the launch form, and
    when that was; None where it missed nothing."""
    look = preflights.last_told(job)
    missed = _missed(look)
    return {"missed": missed, "at": look.done_at} if look and missed else None


def _missed(look: Preflight | None) -> list[dict[str, Any]]:
    return [item for item in look.findings if item["level"] == "failed"] if look else []


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
