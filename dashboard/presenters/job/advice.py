"""What to do when a job did not succeed, by the sentence that it ended with."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.presenters.job.remedies import failed_as_printed, server_down
from dashboard.text.formatting import joined
from dashboard.text.known_failures import view_of
from dashboard.text.messages import sentence
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
    "job:missing": _(
        "The host lost the job: a restart, a full disk, or a cleared folder. Run it again."
    ),
    "job:host_gone": _("Find out whether the host is up. Its log arrives when it comes back."),
    "work:log_limit": _("Its log until then is here whole."),
    "host:disk_full": _("Its log until then is here whole."),
}
_BY_STATE: dict[str, str | Promise] = {
    Job.State.FAILED: _(
        "Read the last lines: they are what the command said before it ended. Mend the cause or "
        "the settings, then run it again."
    ),
    Job.State.ERRORED: _(
        "The dashboard failed here, not the job. Report it with the sentence above; running it "
        "again may end the same way."
    ),
    Job.State.CANCELLED: _("Run it again when you need it. What was finished is kept below."),
    Job.State.LOST: _("What arrived until then is kept. Run it again when the host is well."),
}

# What to say in place of that of a job whose log and files were removed since; where neither its
# sentence nor its state is here, that was not about them.
_REMOVED: dict[str, str | Promise] = {
    "job:unreadable": _(
        "The tool's version may write another format. Its files were removed: run it again for new "
        "ones."
    ),
    "job:host_gone": _("Find out whether the host is up, then run it again."),
    Job.State.FAILED: _(
        "Its log was removed: only a new run can show what the command says. Run it again, and pin "
        "that one to have its log for longer."
    ),
    Job.State.CANCELLED: _("Run it again when you need it."),
    Job.State.LOST: _("Run it again when the host is well."),
}
_ABOUT_SERVER = ("job:deployment_gone", "benchmark:no_request", "evaluate:no_question")
# Notes that say of a command to the letter that it fails.
_FAILS_AS_PRINTED = (
    *("guide:align_qkv_fails", "guide:backend_fails", "guide:dataset_name_fails"),
    *("guide:address", "guide:folder_missing"),
)
_AS_PRINTED = _(
    "It ran exactly as in the guide, and would end the same way again. “Put right and rerun” opens "
    "its form with the corrected command."
)
_SPEAKS_OF_LOG = ("work:output_missing", "work:log_limit", "host:disk_full")
_NEVER_RAN = _("Mend that, then run it again. There is no log: nothing was run.")
_SAID_NOTHING = _(
    "The log is empty: the command ended without a word. Mend the cause or the settings, then run "
    "it again."
)

_OF_SERVERS: dict[str, str | Promise] = {
    "work:server_killed": _(
        "Often it is the system that kills when memory runs out: dmesg on the host says so. Then "
        "restart it."
    ),
    "host:launcher_died": _("Find out what killed it on the host, then restart it."),
    "job:secret_gone": "",  # the sentence says what to do
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
    if deployment.state == Deployment.State.FAILED:
        trouble = _end_of_log(deployment)
    return str(_OF_SERVERS.get(deployment.sentence_id, trouble)) if trouble else ""


def _end_of_log(deployment: Deployment) -> str | Promise:
    if deployment.removed_at is not None:
        return _("Its log was removed: restart it to see what it says.")
    if (deployment.log_bytes or 0) <= deployment.log_from:
        return _("It ended without a word. Mend the cause, then restart it.")
    return _OF_SERVERS[Deployment.State.FAILED]


def advice(job: Job) -> str:
    """What to do about ``job``; "" for one that is open or succeeded."""
    if job.is_open or job.state == Job.State.SUCCEEDED:
        return ""
    if job.sentence_id.startswith(("check:", "job:secret_gone")):
        return ""  # what was missing, and what to do, the sentence says
    known = view_of(job)
    if known is not None:
        return known.next  # the sentence says what to do
    if job.sentence_id in _ABOUT_SERVER or job.state == Job.State.CANCELLED:
        down = server_down(job)
        if down is not None:
            words = gettext("%(name)s is not running. Restart it, then run this job again.")
            return words % {"name": down.name}
    if job.sentence_id == "job:deployment_gone":
        return str(_("The deployment is up again: run this job again."))
    if job.state == Job.State.CANCELLED and job.started_at is None:
        return str(_("Run it again when you need it."))
    if failed_as_printed(job):
        return joined(*_known_to_fail(job), str(_AS_PRINTED))
    return str(_what_to_do(job))


def _known_to_fail(job: Job) -> list[str]:
    """The notes of its plan that said before how it ends."""
    notes = [note for note in job.guide.get("notes", ()) if note["id"] in _FAILS_AS_PRINTED]
    return [sentence(note["id"], note["args"]) for note in notes]


def _what_to_do(job: Job) -> str | Promise:
    own, state = _BY_SENTENCE.get(job.sentence_id), Job.State(job.state)
    about_log = own is None or job.sentence_id in _SPEAKS_OF_LOG
    if job.removed_at is not None:
        gone = _REMOVED.get(job.sentence_id) or (_REMOVED.get(state) if about_log else None)
        return gone or own or _BY_STATE.get(state, "")
    if job.state == Job.State.FAILED and about_log and job.started_at is None:
        return _NEVER_RAN
    if job.state == Job.State.FAILED and about_log and not job.log_bytes:
        return _SAID_NOTHING
    return own or _BY_STATE.get(state, "")
