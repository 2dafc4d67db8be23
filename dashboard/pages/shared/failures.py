"""Cause of a failed job or server (for ``_why.html``), advice, and actions that may help."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from dashboard.security.permissions import allowed
from dashboard.text.formatting import joined
from dashboard.text.job_messages import JOB_ADVICE, REMOVED_ADVICE, SERVER_ADVICE
from dashboard.text.messages import FailureView, message, telling_line, view_of
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.launch.again import can_resume
from jobs.models import Deployment, Job, Preflight
from jobs.queries.jobs.job_page import JobPage, chain_of
from jobs.queries.jobs.log_excerpts import Part, Quote, headline, line_of, telling_lines
from jobs.queries.jobs.progress import last_arrival
from jobs.schedule import preflights

_NAMES_NO_CAUSE = ("work:exit", "work:server_ended")  # only that a command ended
_BY_SERVER = ("work:server_ended", "work:server_killed")
_LOAD = ("load_1m", "memory_free_bytes", "disk_free_bytes")
_ABOUT_SERVER = (
    *("job:deployment_gone", "benchmark:no_request", "benchmark:no_request_cause"),
    "evaluate:no_question",
)
_OF_SERVER = (*_ABOUT_SERVER, "check:endpoint_silent", "connection-refused", "all-requests-failed")
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
    never_started = job.started_at is None and job.message_id.startswith("check:")
    return {
        **_why(job, known, telling),
        "quotes": [] if fine and line is None else _quotes(job, log, line, part),
        "quotes_at": reverse("deployment-detail", args=[server.pk])
        if server is not None and log != own
        else "",
        "failed_at": line if log == own else None,
        "last_arrival": last_arrival(own) if job.state == Job.State.LOST else None,
        # Further missing requirements of a job that never started.
        "also_found": [
            item
            for item in (_missed(preflights.latest(job.pk)) if never_started else ())
            if (item["message_id"], item["message_args"]) != (job.message_id, job.message_args)
        ],
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
    """Return the cause: the known one, else the log's line, else the outcome if it names one.
    ``host_then``: load of the host at the end, if recorded."""
    outcome, load = outcome_text(record), (record.message_args or {}).get("host")
    unknown = gettext("Cause unknown") if record.message_id in _NAMES_NO_CAUSE else ""
    is_load = isinstance(load, dict) and all(isinstance(load.get(n), int | float) for n in _LOAD)
    return {
        "outcome": outcome,
        "known": known,
        "telling": telling,
        "first_line": known.cause if known else telling or unknown or outcome,
        "host_then": load if is_load else None,
    }


def _telling(record: Job | Deployment, log: str, part: Part | None) -> str:
    """Return the log line stored with the verdict; older records are searched now."""
    kept = telling_line((record.message_args or {}).get("telling"))
    if kept or record.state != "failed" or not record.message_id.startswith("work:"):
        return kept
    line = headline(log, part, elsewhere=isinstance(record, Job))
    return line.text if line else ""


def missed_before(job: Job) -> dict[str, Any] | None:
    """Return what the last preflight of a queued job missed, and its time; None: nothing."""
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
    # All steps of a job are one run; a server's earlier runs are excluded by ``part``. The last
    # output is relevant only if the command itself failed.
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
        advice = JOB_ADVICE["as printed"]
        return joined(*texts, gettext(advice))
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


# Outcomes that a retry may fix with the same settings.
_TRANSIENT = (
    *("job:not_taken", "job:missing", "job:broken", "job:log_differs", "job:host_gone"),
    *("host:launcher_never_started", "host:launcher_died", "host:rebooted", "host:serve_busy"),
    "internal:launcher",
)
# Outcomes that need work on the host or by an administrator: a retry or other settings do not help
# before.
_ON_HOST = (
    *("check:conda_missing", "check:dies_missing", "check:disk_full", "check:disk_reserve"),
    *("check:docker_down", "check:iommu_on", "check:shm_small", "check:tool_missing"),
    *("check:tool_old", "check:unknown", "check:broke", "check:container_there"),
    *("host:disk_full", "policy:program", "policy:root", "policy:variable"),
    *("job:secret_gone", "job:secret_host", "job:secret_person"),
    *("job:secret_endpoint", "job:secret_key"),
    *("work:not_found", "job:unreadable", "job:kind_unknown"),
)


class Action(NamedTuple):
    """A link, or a form to post. ``primary``: it can succeed now."""

    words: str
    address: str
    icon: str
    posts: bool = False
    primary: bool = False


def actions(job: Job, user: AbstractBaseUser | AnonymousUser) -> list[Action]:
    """Return permitted actions for an unsuccessful job; none for others. At most one is primary and
    comes first: a known fix, else a promising retry, else other settings. None is primary if the
    host needs work first. The retry of a pipeline's job retries the pipeline, cancelled jobs
    included."""
    if job.is_open or job.state == Job.State.SUCCEEDED or not allowed(user, "job.repeat", job):
        return []
    retry = reverse("job-retry", args=[job.pk])
    again = Action(gettext("Retry unchanged"), retry, "refresh", posts=True)
    edit = Action(gettext("Edit and rerun"), form_address(job), "adjustments")
    fix, pipeline, server = _fix(job, user), _pipeline(job), server_down(job)
    can_again = not _is_dead(job) and server is None
    if server is not None and not (pipeline and server.job.chain == job.chain):
        restart = _restart(server, user)
        if _cause(job) in _OF_SERVER or _is_transient(job):
            return _led(restart, edit)
        return _led(*([fix, restart, edit] if fix else [edit, restart]))
    retries = [*([pipeline] if pipeline else []), *([again] if can_again else [])]
    if pipeline and not can_again:
        return _led(pipeline, *([fix] if fix else []), edit)
    if fix is not None:
        return _led(fix, *retries, edit)
    if can_again and can_resume(job):
        label = gettext("Resume: ask only the questions without an answer")
        more = Action(label, reverse("job-resume", args=[job.pk]), "player-play", posts=True)
        return _led(more, *retries, edit)
    if retries and _is_transient(job):
        return _led(*retries, edit)
    if _is_for_host(job):
        label = gettext("Open host %(name)s") % {"name": job.host.name}
        address = reverse("host-detail", args=[job.host.name])
        return [Action(label, address, "server-2"), *retries, edit]
    if failed_as_printed(job):
        right = Action(gettext("Correct and rerun"), form_address(job, **{EXACT: "0"}), "check")
        return _led(right, edit, *retries)
    return _led(edit, *retries)


def _led(first: Action, *others: Action) -> list[Action]:
    return [first._replace(primary=True), *others]


def can_retry(job: Job) -> bool:
    return not _is_dead(job) and server_down(job) is None


def server_down(job: Job) -> Deployment | None:
    server = _used(job)
    return server if server is not None and server.state in Deployment.ENDED_STATES else None


def form_address(job: Job, **changed: str) -> str:
    """Return the address of the job's form with its values, except ``changed``."""
    query = urlencode({"host": job.host.name, "from": job.pk, **changed})
    return f"{reverse('launch-form', args=[job.kind])}?{query}"


def failed_as_printed(job: Job) -> bool:
    """Return True if a verbatim command failed by itself, not because of its host."""
    is_printed = job.params.get(EXACT) is True and bool(job.guide.get("notes"))
    ran = job.state == Job.State.FAILED and job.started_at is not None
    return is_printed and ran and not _is_for_host(job) and not _is_transient(job)


def ends_the_same(job: Job) -> bool:
    known = view_of(job) if job.state == Job.State.FAILED else None
    if known and known.severity == "error" and not known.on_host and known.id not in _OF_SERVER:
        return True
    return failed_as_printed(job)


def _is_for_host(job: Job) -> bool:
    known = view_of(job)
    return known.on_host if known else job.message_id in _ON_HOST


def _is_transient(job: Job) -> bool:
    if job.message_id == "job:deployment_gone":
        return True
    if job.state in (Job.State.CANCELLED, Job.State.LOST):
        return job.message_id != "job:given_up" and not _is_dead(job)
    known = view_of(job)
    return known.severity == "transient" if known else job.message_id in _TRANSIENT


def _is_dead(job: Job) -> bool:
    return job.message_id in ("job:predecessor", "job:input_gone")


def _fix(job: Job, user: AbstractBaseUser | AnonymousUser) -> Action | None:
    args: Mapping[str, Any] = job.message_args or {}
    if job.message_id == "job:predecessor" and isinstance(args.get("job"), int):
        label = gettext("Open job #%(job)s (cause)") % {"job": args["job"]}
        return Action(label, reverse("job-detail", args=[args["job"]]), "alert-triangle")
    if job.message_id.startswith("job:secret_") and allowed(user, "secret.manage"):
        address = f"{reverse('secret-list')}?{urlencode({'name': args.get('name', '')})}"
        return Action(gettext("Open secrets"), address, "lock")
    if job.message_id == "job:source" and allowed(user, "source.manage"):
        known = {name: args.get(name, "") for name in ("type", "address")}
        address = f"{reverse('source-list')}?{urlencode(known)}"
        return Action(gettext("Open sources"), address, "git-branch")
    cause = _cause(job)
    if cause == "job:deployment_gone" and server_down(job) is None:
        return None  # it is up again
    if cause in _OF_SERVER:
        server = _used(job)
        return None if server is None else _open(server)
    mender = next((kind for kind in KINDS.values() if cause in kind.mends), None)
    if mender and mender.name != job.kind:
        label = gettext("Open form “%(kind)s”") % {"kind": gettext(mender.title)}
        own = {**job.params, "model": job.params.get("model") or job.model_id}
        query = {"host": job.host.name}
        for name in ("model", "stack", "weights"):
            if name in mender.Params.model_fields and own.get(name):
                query[name] = str(own[name])
        address = reverse("launch-form", args=[mender.name])
        return Action(label, f"{address}?{urlencode(query)}", "player-play")
    return None


def _cause(job: Job) -> str:
    known = view_of(job)
    return known.id if known else job.message_id


def _used(job: Job) -> Deployment | None:
    ref = job.inputs.get("deployment") or {}
    wanted = Q(pk=ref["id"]) if ref.get("id") else Q(job=ref.get("job") or 0)
    return Deployment.objects.filter(wanted).select_related("job").first() if ref else None


def _open(server: Deployment) -> Action:
    label = gettext("Open deployment %(name)s") % {"name": server.name}
    return Action(label, reverse("deployment-detail", args=[server.pk]), "server-2")


def _restart(server: Deployment, user: AbstractBaseUser | AnonymousUser) -> Action:
    if server.job.state != Job.State.SUCCEEDED or not allowed(user, "deployment.restart", server):
        return _open(server)
    label = gettext("Restart %(name)s") % {"name": server.name}
    return Action(label, reverse("deployment-restart", args=[server.pk]), "refresh", posts=True)


def _pipeline(job: Job) -> Action | None:
    """Return the retry of the job's pipeline; None if already retried, or without a pipeline."""
    chain = chain_of(job.chain) if job.chain else None
    if chain is None or len(chain.jobs) < 2 or chain.ending or chain.failed is None:
        return None
    if job.pk not in {one.pk for one in chain.broken}:
        return None
    label = gettext("Retry the pipeline from here")
    if chain.failed.pk != job.pk:
        label = gettext("Retry the pipeline from #%(job)s") % {"job": chain.failed.pk}
    return Action(label, reverse("pipeline-retry", args=[chain.id]), "refresh", posts=True)
