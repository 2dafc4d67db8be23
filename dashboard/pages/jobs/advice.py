"""Advice for failed jobs, by outcome message."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.pages.shared.remedies import failed_as_printed, server_down
from dashboard.text.formatting import joined
from dashboard.text.known_failures import view_of
from dashboard.text.messages import message
from jobs.models import Deployment, Job

_BY_MESSAGE: dict[str, str | Promise] = {
    "work:output_missing": _(
        "The command exited with 0, but wrote no file where the plan expects one. The "
        "log shows where it wrote."
    ),
    "benchmark:no_request": _("Check the state and log of the deployment, then retry."),
    "benchmark:no_request_cause": _("Check the state and log of the deployment, then retry."),
    "evaluate:no_question": _("Check the state and log of the deployment, then retry."),
    "job:unreadable": _(
        "This tool version may use another format. Files are kept under Outputs; an "
        "updated parser can read them."
    ),
    "job:predecessor": _("Retry the job this one depends on, then this one."),
    "job:input_gone": _("Recreate the missing input, then use “Edit and rerun”."),
    "job:missing": _(
        "The host was restarted, its disk filled up, or the folder was cleared. Retry."
    ),
    "job:host_gone": _("Check that the host is online. The log arrives when the host is back."),
    "work:log_limit": _("The log up to that point is complete."),
    "host:disk_full": _("The log up to that point is complete."),
}
_BY_STATE: dict[str, str | Promise] = {
    Job.State.FAILED: _(
        "Read the last lines of the log. Fix the cause or the settings, then retry."
    ),
    Job.State.ERRORED: _(
        "The dashboard failed, not the job. Report the message above; a retry may fail again."
    ),
    Job.State.CANCELLED: _("Retry when needed. Finished files are kept below."),
    Job.State.LOST: _("Received data is kept. Retry when the host is back."),
}

# Advice for jobs whose log and files were removed; other advice does not mention them.
_REMOVED: dict[str, str | Promise] = {
    "job:unreadable": _(
        "This tool version may use another format. Its files were removed; retry to get new ones."
    ),
    "job:host_gone": _("Check that the host is online, then retry."),
    Job.State.FAILED: _(
        "The log was removed. Retry to get a new log, and use “Keep files” on that job "
        "to retain it."
    ),
    Job.State.CANCELLED: _("Retry when needed."),
    Job.State.LOST: _("Retry when the host is back."),
}
_ABOUT_SERVER = (
    "job:deployment_gone",
    "benchmark:no_request",
    "benchmark:no_request_cause",
    "evaluate:no_question",
)
# Notes on verbatim commands that fail.
_FAILS_AS_PRINTED = (
    *("guide:align_qkv_fails", "guide:backend_fails", "guide:dataset_name_fails"),
    *("guide:address", "guide:folder_missing"),
)
_AS_PRINTED = _(
    "The guide's verbatim command would fail again. “Correct and rerun” opens the "
    "form with the corrected command."
)
_SPEAKS_OF_LOG = ("work:output_missing", "work:log_limit", "host:disk_full")
_NEVER_RAN = _("Fix the cause, then retry. There is no log, because no command ran.")
_NO_OUTPUT = _(
    "The log is empty: the command wrote no output. Fix the cause or the settings, then retry."
)

_OF_SERVERS: dict[str, str | Promise] = {
    "work:server_killed": _(
        "Often the system killed the server because memory ran out. Check dmesg on the "
        "host, then restart the deployment."
    ),
    "host:launcher_died": _(
        "Find out on the host what killed the process, then restart the deployment."
    ),
    "deployment:job_failed": _("See the job for the cause, and retry that job instead."),
    Deployment.State.UNHEALTHY: _(
        "Three health checks in a row failed, so jobs using this deployment may fail. "
        "If the state persists, read the end of the log and restart the deployment."
    ),
    Deployment.State.FAILED: _(
        "Read the end of the server's log. Fix the cause, then restart the deployment."
    ),
    Deployment.State.LOST: _(
        "Check that the host is online. A server still running there is reattached "
        "automatically; otherwise restart the deployment."
    ),
}


def server_advice(deployment: Deployment) -> str:
    """Return advice for a failing deployment; "" for others."""
    if deployment.message_id.startswith("job:secret_"):
        return ""  # the message has the advice
    trouble = _OF_SERVERS.get(deployment.state)
    known = view_of(deployment) if deployment.state == Deployment.State.FAILED else None
    if known is not None:
        return known.next  # the message has the advice
    if deployment.state == Deployment.State.FAILED:
        trouble = _end_of_log(deployment)
    return str(_OF_SERVERS.get(deployment.message_id, trouble)) if trouble else ""


def _end_of_log(deployment: Deployment) -> str | Promise:
    if deployment.removed_at is not None:
        return _("The log was removed. Restart the deployment to get a new one.")
    if (deployment.log_bytes or 0) <= deployment.log_from:
        return _("The server exited without output. Fix the cause, then restart the deployment.")
    return _OF_SERVERS[Deployment.State.FAILED]


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
    if job.message_id == "job:deployment_gone":
        return str(_("The deployment is running again. Retry this job."))
    if job.state == Job.State.CANCELLED and job.started_at is None:
        return str(_("Retry when needed."))
    if failed_as_printed(job):
        return joined(*_known_to_fail(job), str(_AS_PRINTED))
    return str(_what_to_do(job))


def _known_to_fail(job: Job) -> list[str]:
    """Return the plan's notes that predicted the failure."""
    notes = [note for note in job.guide.get("notes", ()) if note["id"] in _FAILS_AS_PRINTED]
    return [message(note["id"], note["args"]) for note in notes]


def _what_to_do(job: Job) -> str | Promise:
    own, state = _BY_MESSAGE.get(job.message_id), Job.State(job.state)
    about_log = own is None or job.message_id in _SPEAKS_OF_LOG
    if job.removed_at is not None:
        gone = _REMOVED.get(job.message_id) or (_REMOVED.get(state) if about_log else None)
        return gone or own or _BY_STATE.get(state, "")
    if job.state == Job.State.FAILED and about_log and job.started_at is None:
        return _NEVER_RAN
    if job.state == Job.State.FAILED and about_log and not job.log_bytes:
        return _NO_OUTPUT
    return own or _BY_STATE.get(state, "")
