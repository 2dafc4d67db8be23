"""Messages of hosts, over HTTP as hosts send them."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dashboard.api.jobs import JobAnswer
from dashboard.intake import chunks
from jobs import logstore
from jobs.base import bounds
from jobs.base.messages import Message
from jobs.models import Job, JobStep, PointBlock
from jobs.plans import Check, Plan, Step, from_json
from jobs.queries.hosts import instance_id
from jobs.schedule import lifecycle, preflights
from tests.dashboard.lib.host_caller import CPU, LOG, ROOTS, STARTED, ended, events
from tests.factories import keep_secret, make_deployment, make_host, make_job, make_user, stored

BEGINS = {"type": "step_started", "index": 0, "name": "fetch", "log_offset": 0}


def test_nothing_is_taken_that_is_meant_for_another_dashboard(caller, job):
    caller.headers["X-Instance"] = "00000000-0000-0000-0000-000000000000"

    answer = caller.stream(job, "log", 0, LOG)

    assert (answer.status_code, answer.json()["error"]) == (412, "instance")
    assert answer.json()["instance"] == instance_id()
    assert logstore.store().size(f"job/{job.pk}") == 0


def test_a_heartbeat_keeps_what_the_host_says_of_itself(caller):
    facts = {"cpu": CPU, "roots": ROOTS}
    answer = caller.beat(facts=facts)

    assert stored(caller.host, "facts", "load") == (facts, {"load_1m": 0.5})
    assert answer["facts_wanted"] is False
    assert abs(caller.host.clock_skew_s) < 5


def test_facts_are_wanted_from_an_agent_that_is_new(caller):
    caller.beat(facts={"roots": ROOTS})

    assert caller.beat(agent_started_at=1.0)["facts_wanted"] is False
    assert caller.beat(agent_started_at=2.0)["facts_wanted"] is True


def test_a_heartbeat_names_jobs_to_start_until_claimed(caller):
    job = make_job(host=caller.host)
    lifecycle.lease_job(job.pk, values={})

    assert caller.beat()["start"] == [job.pk]

    caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"})
    assert caller.beat()["start"] == []


@pytest.mark.parametrize(
    "end_it",
    [
        lambda job: lifecycle.ask_cancel(job.pk, make_user()),
        lambda job: lifecycle.finish_job(job.pk, "lost", message=Message("job:missing")),
    ],
)
def test_a_heartbeat_says_which_jobs_to_cancel(caller, job, end_it):
    named = [{"id": job.pk, "token": str(job.claim_token), "state": "running"}]
    assert caller.beat(jobs=named)["cancel"] == []

    end_it(job)

    assert caller.beat(jobs=named)["cancel"] == [job.pk]


def test_a_job_is_missing_while_its_host_answers_without_its_token(caller, job):
    named = {"id": job.pk, "token": str(job.claim_token), "state": "running"}
    for jobs, is_missing in (([], True), ([named], False), ([{**named, "token": "x"}], True)):
        caller.beat(jobs=jobs)
        assert (stored(job, "missing_since") is not None) is is_missing


def test_a_clock_set_back_restarts_the_missing_time(caller, job):
    later = now() + timedelta(hours=1)
    Job.objects.filter(pk=job.pk).update(missing_since=later)

    caller.beat()

    assert stored(job, "missing_since") < later


def test_a_claim_is_answered_with_plan_values_and_token(caller):
    job = make_job(host=caller.host)
    lifecycle.lease_job(job.pk, values={"job": str(job.pk)})

    answer = caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"})

    assert answer.json() == {
        "instance": instance_id(),
        "protocol": 2,
        "job": job.pk,
        "token": str(job.claim_token),
        "plan": json.loads(json.dumps(job.plan)),
        "values": {"job": str(job.pk)},
        "secrets": {},
        "deployment": None,
    }
    assert caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"}).json() == answer.json()


@pytest.fixture
def secret_job(caller):
    """A leased job that needs a secret."""
    step = Step("a", ("true",), env=(("HF_TOKEN", "{secret:HF_TOKEN}"),))
    job = make_job(host=caller.host, plan=Plan(kind="prepare", steps=(step,)))
    lifecycle.lease_job(job.pk, values={})
    return job


def test_a_host_gets_only_the_secrets_its_job_names(caller, secret_job):
    keep_secret("HF_TOKEN", "hf_0123456789")
    keep_secret("API_KEY", "token-abc123", purpose="engine")
    job = secret_job

    answer = caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"})

    assert answer.json()["secrets"] == {"HF_TOKEN": "hf_0123456789"}
    job.refresh_from_db()
    assert "hf_0123456789" not in json.dumps([job.plan, job.values, job.message_args])


def test_a_claim_with_a_deleted_secret_fails_the_job(caller, secret_job):
    answer = caller.post(f"jobs/{secret_job.pk}/claim", {"claim_id": "n"})

    assert (answer.status_code, answer.json()["state"]) == (409, "failed")
    assert stored(secret_job, "state", "message_id") == ("failed", "job:secret_gone")
    assert secret_job.message_args == {"name": "HF_TOKEN"}


def test_a_restart_with_a_deleted_secret_fails(caller):
    step = Step("serve", ("true",), env=(("API_KEY", "{secret:API_KEY}"),))
    job = make_job(host=caller.host, plan=Plan(kind="deploy", steps=(step,)), state="succeeded")
    server = make_deployment(job=job, state="waiting", run=2)

    answer = caller.post(f"deployments/{server.pk}/claim", {"run": 2})

    assert answer.status_code == 409
    assert stored(server, "state", "message_id") == ("failed", "job:secret_gone")


def test_a_second_claim_is_answered_with_the_state(caller, job):
    answer = caller.post(f"jobs/{job.pk}/claim", {"claim_id": "another"})

    assert (answer.status_code, answer.json()["state"]) == (409, "starting")


def test_what_another_host_runs_or_is_to_check_is_unknown(caller):
    job = make_job(host=make_host("another"))
    asked = preflights.ask(job.host, job.plan, {})

    assert caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"}).status_code == 404
    assert caller.get(f"jobs/{job.pk}/streams").status_code == 404
    assert caller.stream(job, "log", 0, LOG).status_code == 404
    assert caller.get(f"checks/{asked.pk}").status_code == 404
    assert caller.post(f"checks/{asked.pk}", {"findings": []}).status_code == 404


def test_the_log_grows_only_where_it_ends(caller, job):
    assert caller.stream(job, "log", 0, LOG).json()["size"] == 8
    again = caller.stream(job, "log", 0, LOG)
    ahead = caller.stream(job, "log", 9, LOG)

    assert (again.status_code, again.json()["size"]) == (409, 8)
    assert (ahead.status_code, ahead.json()["size"]) == (409, 8)
    assert logstore.store().read(f"job/{job.pk}", 0, 99) == LOG
    assert job.log_bytes == 8


def remembered(caller, job):
    key, token = caller.headers["Authorization"], str(job.claim_token)
    return chunks.recall(f"job/{job.pk}", key, token)


def test_the_sender_of_a_chunk_is_remembered_until_its_job_has_news(caller, job):
    assert remembered(caller, job) is None
    caller.stream(job, "log", 0, LOG)
    kept = remembered(caller, job)
    caller.stream(job, "events", 0, events(STARTED))

    assert (kept.owner, kept.instance) == (job, instance_id())
    assert remembered(caller, job) is None


@pytest.mark.parametrize("offset, token", [(9, None), (8, "of-a-job-before")])
def test_who_is_refused_is_not_remembered(caller, job, monkeypatch, offset, token):
    monkeypatch.setattr(chunks, "_senders", {})
    token = token or job.claim_token
    caller.send(f"jobs/{job.pk}/streams/log?offset={offset}", LOG, token=token)

    assert chunks._senders == {}


def test_bytes_that_are_not_those_of_the_checksum_are_refused(caller, job):
    path = f"jobs/{job.pk}/streams/log?offset=0"

    answer = caller.send(path, LOG, token=job.claim_token, **{"X-Crc32": "1"})

    assert (answer.status_code, answer.json()["error"]) == (422, "crc32")
    assert logstore.store().size(f"job/{job.pk}") == 0


def test_a_chunk_may_unpack_to_the_announced_size_and_no_more(caller, job):
    assert caller.stream(job, "log", 0, bytes(bounds.CHUNK_BYTES + 1)).status_code == 413

    most = caller.get(f"jobs/{job.pk}/streams").json()["log_chunk"]
    assert caller.stream(job, "log", 0, bytes(most)).json()["size"] == most


def test_log_length_is_written_once_a_second_and_shown_exactly(caller, job):
    caller.stream(job, "log", 0, LOG)

    with CaptureQueriesContext(connection) as asked:
        caller.stream(job, "log", 8, LOG)

    assert [query["sql"] for query in asked if query["sql"].startswith("UPDATE")] == []
    assert JobAnswer.of(job)["log_bytes"] == 16


def test_an_older_job_of_the_same_number_can_neither_write_nor_read_the_sizes(caller, job):
    answer = caller.send(f"jobs/{job.pk}/streams/log?offset=0", LOG, token="of-a-job-before")

    assert (answer.status_code, answer.json()["error"]) == (403, "token")
    assert logstore.store().size(f"job/{job.pk}") == 0
    for token, status in ((str(job.claim_token), 200), ("of-a-job-before", 403)):
        caller.headers["X-Token"] = token
        assert caller.get(f"jobs/{job.pk}/streams").status_code == status


def test_the_sizes_of_all_streams_are_returned(caller, job):
    caller.stream(job, "log", 0, LOG)
    caller.output(job, "a/x.json", b"{}")

    sizes = caller.get(f"jobs/{job.pk}/streams").json()

    assert (sizes["log"], sizes["events"], sizes["points"]) == (8, 0, 0)
    assert sizes["outputs"] == {"a/x.json": 2}


@pytest.mark.postgresql
def test_events_move_the_job_and_its_steps(caller, job):
    sent = events(
        STARTED,
        BEGINS,
        {**BEGINS, "type": "step_ended", "exit_code": 0, "duration_s": 1.5, "log_offset": 8},
    )

    assert caller.stream(job, "events", 0, sent).json()["size"] == len(sent)

    assert (job.state, job.values) == ("running", {"job": str(job.pk), "port": "20000"})
    step = JobStep.objects.get(job=job, index=0)
    assert (step.duration_s, step.exit_code, step.log_from, step.log_to) == (1.5, 0, 0, 8)


def test_a_new_step_clears_the_progress_of_the_last(caller, job):
    Job.objects.filter(pk=job.pk).update(progress={"done": 76, "total": 76, "unit": "packages"})

    caller.stream(job, "events", 0, events(STARTED, BEGINS))

    assert job.progress is None


def test_half_an_event_waits_and_one_that_comes_twice_changes_nothing(caller, job):
    sent = events(STARTED)
    assert caller.stream(job, "events", 0, sent[:-5]).json()["size"] == 0
    assert caller.stream(job, "events", 0, sent + b'{"half').json()["size"] == len(sent)

    again = caller.stream(job, "events", 0, events({**STARTED, "values": {"port": "1"}}))

    assert (again.status_code, job.values["port"]) == (409, "20000")


@pytest.mark.postgresql
def test_points_become_blocks_once(caller, job):
    lines = [
        {"t": 1.0, "w": "engine", "v": {"running": 1}},
        {"t": 1.5, "w": "die", "v": {"busy": 2}},
        {"t": 2.0, "w": "engine", "v": {"running": 3}},
    ]
    raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    assert caller.stream(job, "points", 0, raw + b'{"t":').json()["size"] == len(raw)
    assert caller.stream(job, "points", 0, raw).status_code == 409

    blocks = {block.watch: block.rows for block in PointBlock.objects.filter(job=job)}
    assert blocks == {
        "engine": [[1.0, {"running": 1}], [2.0, {"running": 3}]],
        "die": [[1.5, {"busy": 2}]],
    }


@pytest.mark.parametrize(
    "path", ["../x.json", "/etc/x.json", "a/../../x.json", "", "a\\..\\x.json"]
)
def test_an_output_cannot_leave_its_folder_and_is_named_by_the_plan(caller, path, settings, job):
    answer = caller.output(job, path, b"{}")

    assert (answer.status_code, answer.json()["error"]) == (400, "intake:output")
    assert caller.output(job, "a%00b.json", b"{}").status_code == 400
    assert caller.output(job, "x.json", b"{}", **{"X-Name": "other"}).status_code == 400
    assert not list(settings.DATA_DIR.rglob("*.json"))


def test_an_output_arrives_in_pieces(caller, settings, job):
    whole = {"X-Total": "4", "X-Sha256": hashlib.sha256(b"abcd").hexdigest()}

    assert caller.output(job, "x.json", b"ab", **whole).json()["size"] == 2
    assert caller.output(job, "x.json", b"ab", **whole).status_code == 409
    assert caller.output(job, "x.json", b"cd", offset=2, **whole).json()["size"] == 4

    assert (settings.DATA_DIR / "outputs" / str(job.pk) / "x.json").read_bytes() == b"abcd"


def test_an_output_whose_checksum_is_wrong_has_to_come_again(caller, job):
    answer = caller.output(job, "x.json", b"ab", **{"X-Sha256": "0" * 64})

    assert (answer.status_code, answer.json()["size"]) == (409, 0)


def test_a_servers_log_and_events_are_taken(caller):
    deployment = make_deployment(host=caller.host, state="loading")
    caller.stream(deployment, "log", 0, LOG)

    sent = events(ended("failed", message_id="work:server_ended", message_args={"exit_code": 1}))
    assert caller.stream(deployment, "events", 0, sent).json()["size"] == len(sent)

    assert (deployment.state, deployment.message_args) == ("failed", {"exit_code": 1})
    assert logstore.store().read(f"deployment/{deployment.pk}", 0, 99) == LOG
    assert stored(deployment.job, "state") == "succeeded"


def test_a_job_that_cannot_be_delivered_is_lost_with_its_cause(caller, kind, job):
    report = {"id": job.pk, "token": str(job.claim_token), "state": "ended"}
    stranger = {**report, "token": "another"}

    caller.beat(jobs=[{**stranger, "broken": "an output is gone"}])
    assert stored(job, "is_open")

    caller.beat(jobs=[{**report, "broken": "an output is gone"}])
    job.refresh_from_db()
    assert (job.state, job.message_id) == ("lost", "job:broken")
    assert job.message_args == {"host": caller.host.name, "reason": "an output is gone"}


def test_a_host_gets_what_it_is_to_check_and_its_answer_is_kept(caller):
    plan = Plan(kind="prepare", steps=(Step("a", ("true",)),), checks=(Check("iommu"),))
    asked = preflights.ask(caller.host, plan.to_json(), {"dies": "0"})
    beat = caller.beat()

    answer = caller.get(f"checks/{asked.pk}")

    assert beat["checks"] == [asked.pk]
    assert from_json(answer.json()["plan"]) == plan
    assert answer.json()["values"] == {"dies": "0"}
    findings = [
        {"name": "iommu", "level": "ok", "message_id": "check:iommu_off", "message_args": {}}
    ]
    assert caller.post(f"checks/{asked.pk}", {"findings": findings}).status_code == 200
    assert stored(asked, "findings") == findings
    assert caller.beat()["checks"] == []
