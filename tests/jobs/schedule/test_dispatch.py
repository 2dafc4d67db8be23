"""Dispatch: which queued jobs start, and the hints that hosts get."""

import socket
import time
from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.base.messages import Message
from jobs.models import Deployment, Job, Preflight
from jobs.plans import Check, Plan, Step
from jobs.schedule import agent_tasks, dispatch, preflights
from jobs.schedule.capacity import capacity_of, startable_jobs
from tests.factories import make_artifact, make_deployment, make_host, make_job, make_plan, stored
from tests.jobs.lib.queued import wait_of
from tests.threads import together


@pytest.fixture
def sent(monkeypatch):
    """Messages sent to the hosts' queues."""
    messages = []
    monkeypatch.setattr(agent_tasks, "send", lambda *args: messages.append(args))
    return messages


def plan_with(argument: str, **fields):
    return make_plan(steps=(Step("only", (argument,)),), **fields)


def states(*jobs: Job) -> list[str]:
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_the_oldest_job_starts_and_its_host_is_notified(sent, django_capture_on_commit_callbacks):
    host = make_host()
    first, second = make_job(host=host), make_job(host=host)

    with django_capture_on_commit_callbacks(execute=True):
        assert dispatch.run() == 1

    assert states(first, second) == ["starting", "queued"]
    assert sent == [(host.name, "start", first.pk)]
    about = {"host": host.name, "job": first.pk, "title": first.title}
    assert wait_of(second) == Message("wait:slots", about)


@pytest.mark.postgresql
def test_a_job_waits_for_those_it_comes_after():
    first, second = make_job(), make_job()
    second.after.add(first)

    dispatch.run()
    assert states(first, second) == ["starting", "queued"]
    assert wait_of(second) == Message("wait:after", {"job": first.pk, "title": first.title})

    Job.objects.filter(pk=first.pk).update(state="succeeded", finished_at=now())
    assert dispatch.run() == 1


FULL = {"disk_free_bytes": 900_000_000, "disk_reserve_bytes": 2_000_000_000}


@pytest.mark.parametrize(
    ("fields", "reason", "args"),
    [
        ({"heartbeat_at": now() - timedelta(hours=100)}, "wait:away", {}),
        ({"heartbeat_at": None}, "wait:never_seen", {}),
        ({"draining": True}, "wait:draining", {}),
        ({"load": FULL}, "wait:disk", {"free": "900.0 MB", "reserve": "2.0 GB"}),
    ],
)
def test_a_host_that_takes_no_jobs_starts_nothing_and_says_why(fields, reason, args):
    job = make_job(host=make_host("rack-1", **fields))

    assert dispatch.run() == 0

    wait = wait_of(job)
    assert wait.id == reason
    assert {"host": "rack-1", **args}.items() <= wait.args.items()


@pytest.mark.parametrize(
    "load",
    [
        {},
        {"disk_free_bytes": 1},  # of an agent that knows no reserve
        {"disk_free_bytes": 1, "disk_reserve_bytes": 0},
        {"disk_free_bytes": 2, "disk_reserve_bytes": 2},
    ],
)
def test_a_host_that_has_its_reserve_or_keeps_none_starts_jobs(load):
    make_job(host=make_host(load=load))

    assert dispatch.run() == 1


def test_nothing_starts_while_everything_stops(settings):
    make_job()
    settings.STOPPING_FILE = settings.DATA_DIR / "stopping"
    settings.STOPPING_FILE.touch()

    assert dispatch.run() == 0


@pytest.mark.postgresql
def test_a_lease_of_dies_is_exclusive():
    host = make_host(slots=9, facts={"dies": [{"id": 0}, {"id": 1}, {"id": 2}]})
    jobs = [make_job(host=host, plan=plan_with("{dies}", dies=2)) for _ in range(2)]

    assert dispatch.run() == 1

    assert Job.objects.get(pk=jobs[0].pk).values == {"dies": "0,1"}
    assert wait_of(jobs[1]) == Message(
        "wait:dies_kept", {"host": host.name, "wanted": 2, "free": 1}
    )


def test_a_servers_dies_stay_its_own_after_its_job():
    host = make_host(slots=9, facts={"dies": [{"id": 0}, {"id": 1}]})
    starter = make_job(host=host, state="succeeded", values={"dies": "0"})
    make_deployment(job=starter)
    job = make_job(host=host, plan=plan_with("{dies}", dies=1))

    dispatch.run()

    assert Job.objects.get(pk=job.pk).values == {"dies": "1"}


def test_the_slots_of_an_input_come_from_its_record():
    host = make_host()
    artifact = make_artifact(host=host, path="/a/x.gguf")
    inputs = {"artifact": {"id": artifact.pk}}
    job = make_job(
        host=host, plan=plan_with("{artifact.path}:{artifact.label}:{job}"), inputs=inputs
    )

    dispatch.run()

    assert Job.objects.get(pk=job.pk).values == {
        "artifact.path": "/a/x.gguf",
        "artifact.label": "Q8_0 from Q4_1",
        "job": str(job.pk),
    }


def test_a_promised_input_is_what_the_job_made():
    host = make_host()
    maker = make_job(host=host, state="succeeded")
    artifact = make_artifact(host=host, job=maker)
    job = make_job(
        host=host, plan=plan_with("{artifact.path}"), inputs={"artifact": {"job": maker.pk}}
    )
    starting = make_deployment(job=job, state="waiting")

    dispatch.run()

    job.refresh_from_db()
    starting.refresh_from_db()
    assert job.values["artifact.path"] == artifact.path
    assert job.inputs == {"artifact": {"job": maker.pk, "id": artifact.pk}}
    assert starting.artifact == artifact


def with_deleted_input():
    artifact = make_artifact(host=make_host(), deleted_at=now())
    return make_job(host=artifact.host, inputs={"artifact": {"id": artifact.pk}})


def with_ended_deployment():
    deployment = make_deployment(state="failed")
    return make_job(host=deployment.host, inputs={"deployment": {"id": deployment.pk}})


def with_unknown_secret():
    step = Step("a", ("true",), env=(("HF_TOKEN", "{secret:HF_TOKEN}"),))
    return make_job(plan=Plan(kind="prepare", steps=(step,)))


@pytest.mark.parametrize(
    ("made", "state", "reason"),
    [
        (with_deleted_input, "cancelled", "job:input_gone"),
        (with_ended_deployment, "cancelled", "job:deployment_gone"),
        (lambda: make_job(plan=plan_with("{artifact.path}")), "errored", "job:plan"),
        (with_unknown_secret, "failed", "job:secret_gone"),
    ],
)
def test_a_job_that_can_never_start_is_closed_with_its_reason(made, state, reason):
    job = made()

    dispatch.run()

    assert stored(job, "state", "message_id") == (state, reason)
    assert reason != "job:secret_gone" or job.message_args == {"name": "HF_TOKEN"}


def test_a_benchmark_waits_until_its_deployment_is_ready():
    deployment = make_deployment(state="loading")
    job = make_job(host=deployment.host, inputs={"deployment": {"id": deployment.pk}})

    assert dispatch.run() == 0

    assert wait_of(job) == Message("wait:deployment", {"name": deployment.name, "state": "loading"})


def test_a_job_that_cannot_start_holds_no_other_up():
    away = make_job(host=make_host(heartbeat_at=None))
    job = make_job()

    assert dispatch.run() == 1

    assert states(away, job) == ["queued", "starting"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_who_look_at_once_start_each_job_once(sent):
    host = make_host(slots=3)
    jobs = [make_job(host=host) for _ in range(3)]

    started = together(dispatch.run, dispatch.run, dispatch.run)

    assert sum(started) == 3
    assert sorted(sent) == [(host.name, "start", job.pk) for job in jobs]


@pytest.mark.parametrize("count", [1, 5])
def test_a_full_host_is_asked_once_however_many_jobs_wait(count, django_assert_num_queries):
    host = make_host()
    make_job(host=host, state="running")
    for _ in range(count):
        make_job(host=host)

    with django_assert_num_queries(3):
        assert dispatch.run() == 0


def test_a_sent_job_keeps_running_without_its_input():
    host = make_host(slots=2)
    deployment = make_deployment(host=host)
    job = make_job(host=host, inputs={"deployment": {"id": deployment.pk}})
    room, (seen_before,) = capacity_of(host), startable_jobs(host)
    Job.objects.filter(pk=job.pk).update(state="running")
    Deployment.objects.filter(pk=deployment.pk).update(state="failed")

    assert not dispatch._start(host.pk, seen_before, room)

    assert states(job) == ["running"]


@pytest.fixture
def checked():
    """A job whose host is to look first."""
    plan = Plan(kind="prepare", steps=(Step("a", ("true",)),), checks=(Check("iommu"),))
    return make_job(host=make_host(), plan=plan)


def _findings(level):
    return [{"name": "iommu", "level": level, "message_id": "check:iommu_on", "message_args": {}}]


def test_a_job_starts_only_once_its_host_has_looked(checked):
    assert dispatch.run() == 0
    asked = Preflight.objects.get(job=checked)
    assert dispatch.why_waiting(checked).id == "wait:preflight"

    preflights.answer(asked, _findings("ok"))

    assert dispatch.run() == 1
    assert Preflight.objects.count() == 1


def test_a_host_is_asked_once_until_its_first_answer_is_old(checked):
    dispatch.run()
    dispatch.run()
    asked = Preflight.objects.get(job=checked)
    assert preflights.answer(asked, _findings("ok")) is True
    assert preflights.answer(asked, _findings("failed")) is False
    asked.refresh_from_db()
    assert asked.findings[0]["level"] == "ok"
    Preflight.objects.update(done_at=now() - timedelta(minutes=3))

    assert dispatch.run() == 0

    assert Preflight.objects.filter(job=checked).count() == 2


def test_a_host_that_does_not_answer_is_asked_again(checked):
    dispatch.run()
    Preflight.objects.update(asked_at=now() - timedelta(seconds=31))

    dispatch.run()

    assert Preflight.objects.filter(job=checked, done_at=None).count() == 2


# Hints to hosts.


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(agent_tasks, "_paused_until", 0.0)


def test_an_unreachable_broker_raises_nothing_and_gets_a_rest(settings, caplog, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"

    for _ in range(3):
        agent_tasks.send("this-computer", "start", 1)

    assert caplog.text.count("not sent") == 1


def test_a_silent_broker_blocks_no_caller(settings, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen(8)
    settings.REDIS_URL = f"unix://{tmp_path}/s"
    began = time.monotonic()

    agent_tasks.send("this-computer", "start", 1)

    # Far below the 30 s of a proxy, far above the half second that it takes.
    assert time.monotonic() - began < 10
    listener.close()


def test_without_a_broker_nothing_is_sent(settings, caplog):
    settings.REDIS_URL = ""

    agent_tasks.send("this-computer", "start", 1)

    assert caplog.text == ""
