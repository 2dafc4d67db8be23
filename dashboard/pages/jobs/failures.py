"""Cause of a failed job or server from its records, for ``_why.html``, and advice."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext

from dashboard.pages.shared.remedies import failed_as_printed, server_down
from dashboard.text.formatting import joined
from dashboard.text.job_messages import JOB_ADVICE, REMOVED_ADVICE, SERVER_ADVICE
from dashboard.text.messages import FailureView, message, telling_line, view_of
from jobs.models import Deployment, Job, Preflight
from jobs.queries.jobs.job_page import JobPage
from jobs.queries.jobs.log_excerpts import Part, Quote, headline, line_of, telling_lines
from jobs.queries.jobs.progress import last_arrival
from jobs.schedule import preflights

_BY_SERVER = ("work:server_ended", "work:server_killed")
_LOAD = ("load_1m", "memory_free_bytes", "disk_free_bytes")
_ABOUT_SERVER = (
    *("job:deployment_gone", "benchmark:no_request", "benchmark:no_request_cause"),
    "evaluate:no_question",
)
# Notes on verbatim commands that fail.
_FAILS_AS_PRINTED = (
    *("guide:align_qkv_fails", "guide:backend_fails", "guide:dataset_name_fails"),
    *("guide:address", "guide:folder_missing"),
)
_SPEAKS_OF_LOG = ("work:output_missing", "work:log_limit", "host:disk_full")


def why_job(page: JobPage) -> dict[str, Any]:
    """Return the cause for a job, and the deployment it started."""
    job, server = page.job, page.deployment
    known, own = view_of(job), f"job/{job.pk}"
    where = known.where if known else ("server" if job.message_id in _BY_SERVER else "")
    log = f"deployment/{server.pk}" if server is not None and where == "server" else own
    fine = job.is_open or job.state in (Job.State.SUCCEEDED, Job.State.CANCELLED)
    line = known.line if known and where in ("", "server") else None
    step = page.ended_in if log == own else None
    part = (step.log_from, step.log_to) if step and step.log_from is not None else None
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
    args = {**(record.message_args or {}), "failure": None, "telling": None}
    return message(record.message_id, args)


def _why(record: Job | Deployment, known: FailureView | None, telling: str) -> dict[str, Any]:
    """``first_line`` is the known cause, else the log's line (``telling``), else the outcome.
    ``host_then``: load, memory and disk of the host at the end, and out-of-memory kills during the
    run; None if not recorded."""
    outcome, load = outcome_text(record), (record.message_args or {}).get("host")
    is_load = isinstance(load, dict) and all(isinstance(load.get(n), int | float) for n in _LOAD)
    return {
        "outcome": outcome,
        "known": known,
        "telling": telling,
        "first_line": known.cause if known else telling or outcome,
        "host_then": load if is_load else None,
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
    own, missed = (job.message_id, job.message_args), _missed(preflights.latest(job.pk))
    return [item for item in missed if (item["message_id"], item["message_args"]) != own]


def missed_before(job: Job) -> dict[str, Any] | None:
    """Return missing requirements of the last preflight of a queued job, launch form included,
    and its time; None if none."""
    preflight = preflights.newest_answer(job)
    missed = _missed(preflight)
    return {"missed": missed, "at": preflight.done_at} if preflight and missed else None


def _missed(preflight: Preflight | None) -> list[dict[str, Any]]:
    return [item for item in preflight.findings if item["level"] == "failed"] if preflight else []


def _quotes(
    record: Job | Deployment, log: str, line: int | None, part: Part | None = None
) -> list[Quote]:
    if line is not None:
        return line_of(log, line)
    # A server's earlier runs are excluded; all steps of a job belong to one run. The last output
    # is relevant only if the command itself failed.
    is_job, or_last = isinstance(record, Job), record.state == "failed"
    return telling_lines(log, part=part, elsewhere=is_job, or_last=or_last)


def server_advice(deployment: Deployment) -> str:
    """Return advice for a failing deployment; "" for others."""
    state, message_id = deployment.state, deployment.message_id
    if message_id.startswith("job:secret_"):
        return ""  # the message has the advice
    trouble = state if state in SERVER_ADVICE else ""
    if state == Deployment.State.FAILED:
        if known := view_of(deployment):
            return known.next  # the message has the advice
        if deployment.removed_at is not None:
            trouble = "removed"
        elif (deployment.log_bytes or 0) <= deployment.log_from:
            trouble = "no output"
    if trouble and message_id in SERVER_ADVICE:
        trouble = message_id
    return gettext(SERVER_ADVICE[trouble]) if trouble else ""


def advice(job: Job) -> str:
    """Return advice for ``job``; "" if active or succeeded."""
    if job.is_open or job.state == Job.State.SUCCEEDED:
        return ""
    if job.message_id.startswith(("check:", "job:secret_")):
        return ""  # the message has cause and advice
    known = view_of(job)
    if known is not None:
        return known.next  # the message has the advice
    if job.message_id in _ABOUT_SERVER or job.state == Job.State.CANCELLED:
        down = server_down(job)
        if down is not None:
            text = gettext("Deployment %(name)s is not running. Restart it, then retry this job.")
            return text % {"name": down.name}
    never_ran = job.state == Job.State.CANCELLED and job.started_at is None
    if job.message_id != "job:deployment_gone" and not never_ran and failed_as_printed(job):
        notes = [note for note in job.guide.get("notes", ()) if note["id"] in _FAILS_AS_PRINTED]
        texts = [message(note["id"], note["args"]) for note in notes]
        next_step = JOB_ADVICE["as printed"]
        return joined(*texts, gettext(next_step))
    return gettext(_what_to_do(job))


def _what_to_do(job: Job) -> str:
    own, by_state = JOB_ADVICE.get(job.message_id), JOB_ADVICE[job.state]
    if job.message_id == "job:deployment_gone":
        return JOB_ADVICE[job.message_id]
    if job.state == Job.State.CANCELLED and job.started_at is None:
        return REMOVED_ADVICE[job.state]
    about_log = own is None or job.message_id in _SPEAKS_OF_LOG
    if job.removed_at is not None:
        gone = REMOVED_ADVICE.get(job.state) if about_log else None
        return REMOVED_ADVICE.get(job.message_id) or gone or own or by_state
    if job.state == Job.State.FAILED and about_log:
        if job.started_at is None:
            return JOB_ADVICE["never ran"]
        if not job.log_bytes:
            return JOB_ADVICE["no output"]
    return own or by_state
