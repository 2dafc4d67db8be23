"""What a host's last events make of a job, its measurements among them."""

import hashlib
import json

import pytest
from django.urls import reverse

from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.metrics.measured import Measurement, Outcome
from jobs.models import Artifact, Job, JobStep, Result
from jobs.queries.jobs.job_page import job_page
from jobs.schedule import dispatch, lifecycle
from tests.dashboard.lib.host_caller import LOG, STARTED, end, ended, events, taken_job
from tests.factories import make_deployment, make_user, make_weights


def test_a_job_ends_only_when_its_log_is_whole(caller, kind, job):
    sent = events(STARTED, ended())

    answer = caller.stream(job, "events", 0, sent)

    assert answer.status_code == 409
    assert (answer.json()["error"], answer.json()["log"]) == ("incomplete", 0)
    started = answer.json()["size"]
    assert started == sent.index(b"\n") + 1
    caller.stream(job, "log", 0, LOG)
    assert caller.stream(job, "events", started, sent[started:]).json()["size"] == len(sent)
    assert (job.state, job.duration_s, job.log_bytes) == ("succeeded", 4.5, 8)
    assert job.log_sha256 == hashlib.sha256(LOG).hexdigest()


def test_a_job_ends_only_when_its_points_and_outputs_are_there(caller, kind, job):
    output = {"name": "made", "path": "x.json", "bytes": 2, "sha256": "0" * 64}

    assert end(caller, job, ended(outputs=[output])).status_code == 409
    caller.output(job, "x.json", b"{}")
    whole = events(STARTED, ended(outputs=[output]))
    at = whole.index(b"\n") + 1
    assert caller.stream(job, "events", at, whole[at:]).status_code == 200

    assert kind.outputs == {"x.json": b"{}"}


def test_the_queue_runs_only_after_a_job_has_ended(caller, kind, monkeypatch, job):
    looks = []
    monkeypatch.setattr(dispatch, "run", lambda: looks.append(1))
    step = {"type": "step_ended", "index": 0, "duration_s": 1.0, "exit_code": 0, "log_offset": 8}
    begun = events(STARTED, {**STARTED, **step})
    caller.stream(job, "log", 0, LOG)

    assert caller.stream(job, "events", 0, begun).status_code == 200
    assert looks == []
    assert caller.stream(job, "events", len(begun), events(ended())).status_code == 200
    assert looks == [1]


def bytes_of(log):
    return {"log_bytes": len(log), "log_sha256": hashlib.sha256(log).hexdigest()}


# A score that no row can have.
UNSCORED = {"subset": "a", "question": "q", "expected": "x", "answer": "y", "score": None}
NO_WORK = Message("benchmark:no_request", {"failed": 3})


@pytest.mark.parametrize(
    ("last", "outcome", "state", "message_id", "args"),
    [
        (ended(log_sha256="0" * 64), Outcome(), "errored", "job:log_differs", None),
        (ended(), Outcome(failure=NO_WORK), "failed", NO_WORK.id, NO_WORK.args),
        (
            ended("failed", message_id="work:exit", message_args={"step": "fetch"}),
            *(Outcome(), "failed", "work:exit", {"step": "fetch"}),
        ),
        (
            *(ended(), Outcome(failure=Message("benchmark:no_request", {"why": "\x00"}))),
            *("failed", "benchmark:no_request", {"why": "\ufffd"}),
        ),
        (ended(), KeyError("ttft"), "errored", "job:unreadable", {"reason": "KeyError: 'ttft'"}),
        (
            *(ended(), Outcome(measured=Measurement("x", "b", "t", {}, answers=[UNSCORED]))),
            *("errored", "job:unreadable", None),
        ),
        (
            # The host has lost the end of its log.
            ended("lost", message_id="host:rebooted", **bytes_of(LOG[:4])),
            *(Outcome(), "lost", "host:rebooted", None),
        ),
    ],
    ids=["log differs", "no work", "exit code", "odd characters", "parser", "no row", "lost log"],
)
def test_a_job_ends_by_its_log_its_tool_and_its_launcher(
    caller, kind, last, outcome, state, message_id, args, job, settings
):
    kind.outcome = outcome
    caller.output(job, "x.json", b"{}")

    assert end(caller, job, last).status_code == 200

    assert (job.state, job.message_id) == (state, message_id)
    assert args is None or job.message_args == args
    assert (settings.DATA_DIR / "outputs" / str(job.pk) / "x.json").exists()
    assert not Result.objects.filter(job=job).exists()


def test_who_cancelled_is_named(caller, kind, job):
    lifecycle.ask_cancel(job.pk, make_user("ada"))

    end(caller, job, ended("cancelled", message_id="cancelled"))

    assert (job.state, job.message_args) == ("cancelled", {"user": "ada"})


def test_a_success_registers_what_it_promised(caller, kind):
    promise = {
        "type": "artifact",
        "model_id": "m",
        "toolchain": "llama.cpp",
        "precision": "int8",
        "label": "Q8_0 from Q4_1",
        "source_precision": "Q4_1",
    }
    made = {"path": "/a/x.gguf", "bytes": 5, "sha256": "c" * 64}
    kind.outcome = Outcome(message=Message("compile:made"), product=made)
    job = taken_job(caller, product=promise)

    end(caller, job, ended())

    artifact = Artifact.objects.get(job=job)
    made = (artifact.host, artifact.label, artifact.path)
    assert made == (caller.host, "Q8_0 from Q4_1", "/a/x.gguf")
    assert kind.log == LOG


def test_a_job_page_shows_the_made_product_not_the_planned(caller, kind):
    promise = {"type": "weights", "model_id": "m", "precision": "bf16", "bytes": 15_231_233_024}
    made = {"path": "/w/m", "bytes": 179_820, "sha256": "c" * 64}
    kind.outcome = Outcome(message=Message("weights:read"), product=made)
    job = taken_job(caller, product=promise)

    end(caller, job, ended())

    assert dict(job_page(job.pk).made) == {**promise, **made}
    assert job.product == promise  # what "Retry" promises again


def test_a_promise_that_is_not_kept_whole_makes_the_job_errored(caller, kind):
    job = taken_job(caller, product={"type": "weights", "model_id": "m"})

    end(caller, job, ended())

    assert (job.state, job.message_id) == ("errored", "job:unreadable")


@pytest.mark.postgresql
def test_a_measurement_becomes_a_result_with_points_and_answers(caller, kind):
    deployment = make_deployment()
    answer = {
        "subset": "s",
        "question": "1+1?",
        "expected": "2",
        "answer": "2",
        "score": 1.0,
        "detail": {},
    }
    kind.outcome = Outcome(
        measured=Measurement(
            "evaluation",
            "basics",
            "evalscope",
            {"accuracy": 1.0},
            points=[(2, {"output_tokens_per_s": 5.0})],
            answers=[answer],
            remarks=[Message("evaluate:few_questions", {"questions": 1})],
        )
    )
    caller.host.type = "simulated"
    caller.host.save()
    job = taken_job(caller, inputs={"deployment": {"id": deployment.pk}}, created_by=make_user())

    end(caller, job, ended())

    result = Result.objects.get(job=job)
    assert (result.deployment, result.model_id) == (deployment, deployment.model_id)
    assert (result.simulated, result.created_by) == (True, job.created_by)
    assert result.remarks == [{"id": "evaluate:few_questions", "args": {"questions": 1}}]
    assert [(p.concurrency, p.metrics) for p in result.points.all()] == [
        (2, {"output_tokens_per_s": 5.0})
    ]
    assert list(result.answers.values_list("index", "question", "score")) == [(0, "1+1?", 1.0)]


@pytest.mark.parametrize(("details", "label"), [({"label": "fp8 tp32"}, "fp8 tp32"), ({}, "")])
def test_a_result_of_uncompiled_weights_names_their_precision(caller, kind, details, label):
    deployment = make_deployment(details=details, artifact=None, model_id="deepseek-r1")
    kind.outcome = Outcome(measured=Measurement("benchmark", "b", "t", {}))
    job = taken_job(caller, inputs={"deployment": {"id": deployment.pk}})

    end(caller, job, ended())

    result = Result.objects.get(job=job)
    assert (result.model_id, result.label) == ("deepseek-r1", label)


def test_a_result_without_a_deployment_names_its_weights(caller, kind):
    weights = make_weights(host=caller.host, model_id="deepseek-r1", precision="fp8")
    kind.outcome = Outcome(measured=Measurement("benchmark", "b", "t", {}))
    kind.Params = KINDS["benchmark-latency"].Params
    params = {"weights": str(weights.pk), "tp": 32}
    job = taken_job(caller, inputs={"weights": {"id": weights.pk}}, params=params)

    end(caller, job, ended())

    result = Result.objects.get(job=job)
    assert (result.deployment, result.model_id) == (None, "deepseek-r1")
    assert result.label == "fp8 tp32"


def test_counts_stay_whole_numbers_and_measures_floats(caller, kind, client, job):
    metrics = {"questions": 142.0, "duration_s": 30.0, "input_tokens_mean": 44.0, "correct": 7.5}
    kind.outcome = Outcome(
        measured=Measurement("benchmark", "b", "t", metrics, points=[(4, {"requests": 12.0})])
    )

    end(caller, job, ended())

    client.force_login(make_user("lin"))
    exported = client.get(
        reverse("result-file", args=[Result.objects.get(job=job).pk, "json"])
    ).json()
    assert exported["metrics"] == metrics
    whole = {name for name, value in exported["metrics"].items() if isinstance(value, int)}
    assert whole == {"questions"}
    assert str(exported["points"][0]["metrics"]) == "{'requests': 12}"


def test_a_late_event_of_a_closed_job_changes_nothing(caller, kind, job):
    lifecycle.finish_job(job.pk, "lost", message=Message("job:missing"))

    assert end(caller, job, ended()).status_code == 200

    assert (job.state, job.log_bytes) == ("lost", 8)


@pytest.mark.postgresql
def test_what_no_database_takes_does_not_keep_a_job_open(caller, kind, job):
    torn = "half a pair \ud83d and a zero \x00"
    kind.outcome = Outcome(
        measured=Measurement(
            "evaluation",
            "basics",
            "evalscope",
            {"accuracy": 1.0, "latency_p50_s": float("nan")},
            answers=[
                {"subset": "a", "question": torn, "expected": "x", "answer": torn, "score": 1.0}
            ],
        )
    )

    assert end(caller, job, ended(message_args={"last_lines": torn})).status_code == 200

    result = Result.objects.get(job=job)
    assert result.metrics["accuracy"] == 1.0
    assert "latency_p50_s" not in result.metrics
    assert result.answers.get().answer == "half a pair \ufffd and a zero \ufffd"
    assert (job.state, job.ended["message_args"]["last_lines"][-1]) == ("succeeded", "\ufffd")


AT = 1_795_000_000.0
STEP = {"type": "step_started", "index": 0, "name": "measure", "log_offset": 0, "at": AT}
DONE = {
    **{"type": "step_ended", "index": 0, "name": "measure", "exit_code": 0},
    **{"duration_s": 10.0, "log_offset": len(LOG), "at": AT + 10},
}


def scraped(at, **values):
    metrics = {f"vllm:{name}": value for name, value in values.items()}
    return json.dumps({"t": at, "w": "engine", "v": metrics}).encode() + b"\n"


def test_a_result_has_requested_and_measured_values_and_flags(caller, kind, monkeypatch):
    metrics = {
        **{"output_tokens_per_s": 40.0, "requests": 20.0},
        **{"input_tokens_mean": 1019.0, "output_tokens_mean": 272.0},
    }
    kind.outcome = Outcome(measured=Measurement("benchmark", "b", "t", metrics, [(4, metrics)]))
    real = KINDS["benchmark-online"]
    kind.Params, kind.lengths = real.Params, real.lengths
    monkeypatch.setitem(KINDS, "benchmark-online", kind)
    job = taken_job(caller, params={"deployment": "1", "seed": 0})
    Job.objects.filter(pk=job.pk).update(
        kind="benchmark-online",
        params={"deployment": "1", "seed": 0, "input_tokens": 1024, "output_tokens": 1024},
    )
    JobStep.objects.filter(job=job, index=0).update(name="measure")
    points = scraped(AT, prefix_cache_queries_total=0, prefix_cache_hits_total=0)
    points += scraped(AT + 9, prefix_cache_queries_total=1000, prefix_cache_hits_total=250)

    caller.stream(job, "points", 0, points)
    caller.stream(job, "log", 0, LOG)
    caller.stream(job, "events", 0, events(STARTED, STEP, DONE, ended(points_bytes=len(points))))

    result = Result.objects.get(job=job)
    assert result.asked == {"input_tokens": 1024, "output_tokens": 1024}
    assert result.metrics["engine_prefix_hits"] == 0.25
    assert result.points.get().metrics["engine_prefix_hits"] == 0.25
    assert [remark["id"] for remark in result.remarks] == [
        *("benchmark:hits_seed", "lengths:output_ended")
    ]
