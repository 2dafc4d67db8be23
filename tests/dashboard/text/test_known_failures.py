"""A failed job names its known cause and the action."""

import hashlib

import pytest
from django.utils.translation import override

from dashboard.pages.shared.failures import advice
from dashboard.text.messages import message, view_of
from jobs import logstore
from jobs.base.messages import Message
from jobs.metrics.measured import Outcome
from jobs.models import Job
from jobs.plans import Output, Step
from jobs.schedule import lifecycle
from jobs.services.outcomes import outcomes
from tests.dashboard.lib.host_caller import STARTED, ended, events
from tests.factories import make_deployment, make_job, make_plan

pytestmark = pytest.mark.django_db

FULL = b"copying\nOSError: [Errno 28] No space left on device\nTraceback\n"


def end_with(caller, log, *, verdict="failed", outputs=None, plan=None, **fields) -> Job:
    """A job of ``caller``'s host that ended with this log and these output files."""
    plan = plan or make_plan(kind="fake", outputs=(Output("made", "*", required=False),))
    job = make_job(host=caller.host, plan=plan)
    lifecycle.lease_job(job.pk, values={"job": str(job.pk)})
    caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"})
    caller.stream(job, "log", 0, log)
    named = []
    for path, content in (outputs or {}).items():
        caller.output(job, path, content)
        sha256 = hashlib.sha256(content).hexdigest()
        named.append({"name": "made", "path": path, "bytes": len(content), "sha256": sha256})
    fields |= {"log_bytes": len(log), "log_sha256": hashlib.sha256(log).hexdigest()}
    verdict_fields = {"message_id": "work:exit", "message_args": {"step": "make", "exit_code": 1}}
    event = ended(verdict, **({"exit_code": 1, **verdict_fields} | fields), outputs=named)
    caller.stream(job, "events", 0, events(STARTED, event))
    job.refresh_from_db()
    return job


def test_message_and_card_have_event_cause_action_and_the_failing_line(caller, kind):
    job = end_with(caller, FULL)

    with override("en"):
        text, view = message(job.message_id, job.message_args), view_of(job)
        assert advice(job) == view.next
    assert job.state == "failed"
    assert text.startswith("Step make failed with exit code 1. Disk full on the host. Free ")
    assert job.message_args["failure"] == {
        **{"id": "disk-full", "args": {}, "where": "", "line": 2, "offset": 8},
        **{"last_line": 2, "count": 1},
    }
    assert (view.id, view.severity, view.where, view.line) == ("disk-full", "error", "", 2)
    assert view.cause == "Disk full on the host."
    assert view.advice.startswith("Free space")


def test_what_the_log_says_fills_the_words(caller, kind):
    job = end_with(
        caller, b"No module named 'x'\nModuleNotFoundError: No module named 'mmengine'\n"
    )

    with override("en"):
        assert "Python package mmengine is missing" in message(job.message_id, job.message_args)


def test_a_tool_that_exits_0_without_work_names_the_cause_too(caller, kind):
    kind.outcome = Outcome(failure=Message("benchmark:no_request", {"failed": 3}))

    job = end_with(caller, b"Cannot connect to host 127.0.0.1:1 ssl\n", verdict="succeeded")

    assert (job.state, job.message_args["failed"]) == ("failed", 3)
    assert job.message_args["failure"]["args"] == {"address": "127.0.0.1:1"}


def test_the_cause_may_stand_in_a_log_among_the_outputs(caller, kind):
    """OpenCompass's console only says that a task failed; the task's own log says why."""
    console = b"OpenCompass - ERROR - summarize - 64 - OpenICLInfer[m/x] failed with code 1\n"
    task = b"a\nRuntimeError: Calling OpenAI API failed after retrying for 2 times.\n"

    job = end_with(caller, console, outputs={"x.out": task, "x.json": task})

    failure = job.message_args["failure"]
    assert (failure["id"], failure["where"], failure["line"]) == ("opencompass-api", "x.out", 2)


def test_the_cause_may_stand_in_the_log_of_the_server(caller, kind, monkeypatch):
    job = make_job(kind="deploy", host=caller.host)
    deployment = make_deployment(job=job)
    logstore.store().append(f"deployment/{deployment.pk}", 0, b"x\nError! IOMMU is enable\n")

    failure = outcomes.known_failure(job, exit_code=1, args={"step": "serve"})

    assert (failure["id"], failure["where"], failure["line"]) == ("iommu-on", "server", 2)


def test_before_that_log_arrives_its_last_lines_name_the_failure(caller, kind):
    args = {"step": "serve", "last_lines": "x\nRuntimeError: Engine process failed to start. See"}

    failure = outcomes.known_failure(make_job(), exit_code=1, args=args)

    assert (failure["id"], failure["where"], failure["line"]) == ("engine-failed", "server", None)


def test_a_large_log_s_end_has_true_line_numbers(monkeypatch):
    monkeypatch.setattr(outcomes, "SCAN_BYTES", len(FULL) + 3)
    job = make_job()
    log = b"Error! IOMMU is enable\n" + b"fine\n" * 100 + FULL
    logstore.store().append(f"job/{job.pk}", 0, log)

    failure = outcomes.known_failure(job, exit_code=1, args={})

    assert (failure["id"], failure["line"]) == ("disk-full", 103)
    assert log[failure["offset"] :].startswith(b"OSError")


def test_a_last_line_beyond_the_scan_size_is_scanned_too(monkeypatch):
    monkeypatch.setattr(outcomes, "SCAN_BYTES", 60)
    job = make_job()
    log = b"first\n" + b"\r 50%" * 100 + b"\rOSError: [Errno 28] No space left on device"
    logstore.store().append(f"job/{job.pk}", 0, log)

    failure = outcomes.known_failure(job, exit_code=1, args={})

    assert (failure["id"], failure["line"]) == ("disk-full", 2)


def test_a_signal_alone_is_named(caller, kind):
    signal = {"message_id": "work:signal", "message_args": {"step": "make", "signal": 9}}

    job = end_with(caller, b"quiet\n", exit_code=-9, **signal)

    assert job.message_args["failure"]["id"] == "killed"
    assert job.message_args["failure"]["line"] is None


def test_the_command_of_the_step_says_which_tool_it_was(caller, kind):
    line = b"AttributeError: module 'pyarrow' has no attribute 'PyExtensionType'\n"
    ours, other = (
        make_plan(kind="fake", steps=(Step("make", ("docker", "exec", "x", program, "eval.py")),))
        for program in ("/opt/bin/opencompass", "evalscope")
    )

    known = end_with(caller, line, plan=ours).message_args["failure"]
    assert known["id"] == "opencompass-packages"
    assert "failure" not in end_with(caller, line, plan=other).message_args


@pytest.mark.parametrize("line", [b"it broke\n", b"max_out_len was truncated from 9 to 8\n"])
def test_where_no_cause_is_known_but_a_warning_the_message_stays_as_it_is(caller, kind, line):
    job = end_with(caller, line)

    assert job.message_args == {"step": "make", "exit_code": 1}
    assert view_of(job) is None
    with override("en"):
        assert advice(job).startswith("Read the last lines")


def test_a_job_that_did_not_fail_is_not_looked_at(caller, kind):
    assert "failure" not in end_with(caller, FULL, verdict="cancelled").message_args
    assert "failure" not in end_with(caller, FULL, verdict="succeeded").message_args
    assert "failure" not in end_with(caller, FULL, verdict="lost").message_args


@pytest.mark.parametrize(
    "kept", [None, "x", 3, {}, {"id": ["a"]}, {"id": "disk-full", "args": [1]}, {"id": "gone"}]
)
def test_what_a_host_or_an_older_version_kept_breaks_no_page(kept):
    args = {"step": "make", "exit_code": 1, "failure": kept}
    job = make_job(state="failed", message_id="work:exit", message_args=args)

    assert view_of(job) is None
    with override("en"):
        assert message("work:exit", args) == "Step make failed with exit code 1."


def test_words_that_are_not_filled_show_a_question_mark():
    args = {"failure": {"id": "die-missing", "args": {}}}

    with override("en"):
        assert "Die ? does not exist." in message("done", args)
