"""What to do when a job did not succeed, by the sentence that it ended with."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.known_failures import view_of
from jobs.models import Deployment, Job

_BY_SENTENCE: dict[str, str | Promise] = {
    "work:output_missing": _(
        "The command ended well but left no file where the plan expects one. The log says where it "
        "wrote instead."
    ),
    "benchmark:no_request": _(
        "See whether the deployment still answers: its page has its state and its log. Then run "
        "this again."
    ),
    "evaluate:no_question": _(
        "See whether the deployment still answers: its page has its state and its log. Then run "
        "this again."
    ),
    "job:unreadable": _(
        "The tool's version may write another format. The files are kept under Outputs: a parser "
        "that knows them can read them again."
    ),
    "job:predecessor": _("Look at the job that it waited for, run that one again, then this one."),
    "job:input_gone": _("Make the missing piece again, then open this job in the form."),
    "job:deployment_gone": _("Start the deployment again or choose another in the form."),
    "job:missing": _(
        "The host lost the job: a restart, a full disk, or a cleared folder. Run it again."
    ),
    "job:host_gone": _("Find out whether the host is up. Its log arrives when it comes back."),
}
_BY_STATE: dict[str, str | Promise] = {
    Job.State.FAILED: _(
        "Read the last lines: they are what the command said before it ended. Mend the cause or "
        "the settings, then run it again."
    ),
    Job.State.ERRORED: _(
        "This is the dashboard's fault, not the job's. Run it again; if it happens twice, report "
        "it with the sentence above."
    ),
    Job.State.CANCELLED: _("Run it again when you need it. What was finished is kept below."),
    Job.State.LOST: _("What arrived until then is kept. Run it again when the host is well."),
}

_OF_SERVERS: dict[str, str | Promise] = {
    "work:server_killed": _(
        "Often it is the system that kills when memory runs out: dmesg on the host says so. Then "
        "restart it."
    ),
    "host:launcher_died": _("Find out what killed it on the host, then restart it."),
    "deployment:job_failed": _("Its job says why. Run that one again in place of it."),
    Deployment.State.UNHEALTHY: _(
        "It did not answer three times in a row. What uses it now may fail. If it does not come "
        "back by itself, read the end of its log and restart it."
    ),
    Deployment.State.FAILED: _(
        "The end of its log is what the server said last. Mend the cause, then restart it."
    ),
    Deployment.State.LOST: _(
        "Find out whether its host is well. Should the server run there all the same, it is taken "
        "back by itself; else restart it."
    ),
}


def server_advice(deployment: Deployment) -> str:
    """What to do about a deployment that is in trouble; "" for one that is not."""
    trouble = _OF_SERVERS.get(deployment.state)
    known = view_of(deployment) if deployment.state == Deployment.State.FAILED else None
    if known is not None:
        return known.next  # the sentence says what to do
    return str(_OF_SERVERS.get(deployment.sentence_id, trouble)) if trouble else ""


def advice(job: Job) -> str:
    """What to do about ``job``; "" for one that is open or succeeded."""
    if job.is_open or job.state == Job.State.SUCCEEDED:
        return ""
    if job.sentence_id.startswith("check:"):
        return ""  # what its host missed, and the sentence says what to do
    known = view_of(job)
    if known is not None:
        return known.next  # the sentence says what to do
    if job.state == Job.State.CANCELLED and job.started_at is None:
        return str(_("Run it again when you need it."))
    return str(_BY_SENTENCE.get(job.sentence_id) or _BY_STATE.get(Job.State(job.state), ""))
