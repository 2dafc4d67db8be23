from datetime import timedelta
from hashlib import sha256

import pytest
from django.utils.timezone import now

from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.logstore import store
from jobs.models import Deployment, Job
from jobs.queries.hosts import free_dies
from jobs.schedule import agent_tasks, deployments, lifecycle
from jobs.services.intake import heartbeats
from jobs.services.outcomes import outcomes
from tests.factories import heartbeat_body, make_deployment, make_host, make_job, make_user, stored


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """Messages sent to the hosts' queues."""
    messages = []
    monkeypatch.setattr(agent_tasks, "send", lambda host, *args: messages.append(args))
    return messages


def serve(deployment: Deployment, **fields):
    return {
        "id": deployment.pk,
        "token": str(deployment.claim_token),
        "run": deployment.run,
        "state": "running",
        "health": "ready",
        "port": 20001,
        **fields,
    }


def beat(deployment: Deployment, *serves):
    orders = heartbeats.heartbeat(deployment.host, heartbeat_body(serves=list(serves)))
    deployment.refresh_from_db()
    return orders


def ended(deployment: Deployment, verdict: str = "failed", **fields):
    event = {
        "verdict": verdict,
        "run": deployment.run,
        "message_id": "work:server_ended",
        "message_args": {"exit_code": 9},
        **fields,
    }
    deployments.note_ended(Deployment.objects.select_related("job").get(pk=deployment.pk), event)
    deployment.refresh_from_db()


def history(deployment: Deployment) -> list[str]:
    return [event.state for event in deployment.events.order_by("pk")]


@pytest.mark.postgresql
def test_the_health_in_the_host_s_report_is_the_state():
    deployment = make_deployment(state="waiting", host_url="")

    for health in ("loading", "ready", "ready", "unhealthy", "ready"):
        beat(deployment, serve(deployment, health=health))

    assert history(deployment) == ["loading", "ready", "unhealthy", "ready"]
    assert deployment.host_url == "http://127.0.0.1:20001"
    assert deployment.message_args == {"url": "http://127.0.0.1:20001"}


@pytest.mark.parametrize(
    ("kind", "facts", "plan", "near", "called"),
    [
        ("vacc", "10.0.0.7", "", "127.0.0.1", "10.0.0.7"),
        ("vacc", "fd00::7", "", "127.0.0.1", "[fd00::7]"),
        # The single listen address of a plan is used by all, and is no way to loopback.
        ("vacc", "10.0.0.7", "192.168.1.7", "192.168.1.7", "192.168.1.7"),
        ("vacc", "10.0.0.7", "127.0.0.2", "127.0.0.2", None),
        # The dashboard's own machine.
        ("this-computer", "10.0.0.7", "", "127.0.0.1", "127.0.0.1"),
        ("simulated", "10.0.0.7", "", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_server_is_called_by_an_address_of_its_host(kind, facts, plan, near, called):
    host = make_host(type=kind, facts={"address": facts})
    job = make_job(host=host, state="succeeded")
    job.plan = {**job.plan, "address": plan} if plan else job.plan
    job.save()
    deployment = make_deployment(host=host, job=job, state="loading", dashboard_url="")

    beat(deployment, serve(deployment))

    assert deployment.host_url == f"http://{near}:20001"
    assert deployment.dashboard_url == (f"http://{called}:20001" if called else "")


@pytest.mark.parametrize(
    "address", [None, "127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1", "x/y"]
)
def test_another_host_gives_the_dashboard_no_such_address(address):
    host = make_host(type="vacc", facts={"address": address})
    deployment = make_deployment(host=host, state="loading", dashboard_url="")

    beat(deployment, serve(deployment))

    assert (deployment.state, deployment.dashboard_url) == ("ready", "")
    assert deployment.host_url == "http://127.0.0.1:20001"


@pytest.mark.parametrize(
    ("port", "url"),
    [("20002", "http://127.0.0.1:20002"), ("80/../x", "")],  # the latter of an old row
)
def test_a_success_of_the_deploy_job_makes_it_ready_at_once(port, url):
    job = make_job(state="running", values={"port": port})
    deployment = make_deployment(job=job, state="loading", host_url="", dashboard_url="")

    lifecycle.finish_job(job.pk, "succeeded", message=Message("done"))

    assert stored(deployment, "state", "host_url", "dashboard_url") == ("ready", url, url)


@pytest.mark.parametrize("wrong", [{"token": "x"}, {"run": 7}])
def test_a_server_with_another_token_or_run_changes_nothing(wrong):
    deployment = make_deployment(state="loading")

    beat(deployment, serve(deployment, **wrong))

    assert deployment.state == "loading"
    assert deployment.missing_since is not None


def test_a_clock_set_back_restarts_the_missing_time():
    later = now() + timedelta(hours=1)
    deployment = make_deployment(missing_since=later)

    beat(deployment)

    assert deployment.missing_since < later


@pytest.mark.parametrize(
    ("event", "state", "name"),
    [
        ({}, "failed", "work:server_ended"),
        ({"exit_code": -9}, "failed", "work:server_killed"),
        ({"verdict": "cancelled"}, "stopped", "deployment:stopped_on_host"),
    ],
)
def test_a_server_that_ends_unasked_says_how(event, state, name):
    deployment = make_deployment()

    ended(deployment, **event)

    assert (deployment.state, deployment.message_id) == (state, name)
    assert deployment.message_args.get("signal") == (9 if "exit_code" in event else None)
    assert stored(deployment.job, "state") == "succeeded"


def test_a_server_that_was_to_stop_is_stopped(sent, django_capture_on_commit_callbacks):
    deployment, user = make_deployment(), make_user("ada")

    with django_capture_on_commit_callbacks(execute=True):
        assert deployments.stop_deployment(deployment.pk, user)
    orders = beat(deployment, serve(deployment))
    ended(deployment, "cancelled")

    assert sent == [("stop_serve", deployment.pk)]
    assert orders.stop_serve == [deployment.pk]
    assert history(deployment) == ["stopping", "stopped"]
    assert deployment.events.order_by("pk").first().message_args == {"user": "ada"}
    assert not deployments.stop_deployment(deployment.pk, user)


def test_a_stopped_server_says_who_stopped_it(sent):
    deployment, waiting = make_deployment(), make_deployment(state="waiting")

    for one in (deployment, waiting):
        deployments.stop_deployment(one.pk, make_user(f"ada-{one.pk}"))
    ended(deployment, "cancelled")

    for one in (deployment, waiting):
        one.refresh_from_db()
        assert message(one.message_id, one.message_args) == f"Stopped by ada-{one.pk}."


@pytest.mark.postgresql
@pytest.mark.parametrize("way", ["uses", "starts"])
def test_a_job_whose_server_a_person_stopped_says_who_did(sent, way):
    line = b"Error response from daemon: No such container: vllm-13\n"
    deployment = make_deployment()
    job = deployment.job
    if way == "uses":
        job = make_job(host=deployment.host, inputs={"deployment": {"id": deployment.pk}})
    Job.objects.filter(pk=job.pk).update(state="running", started_at=now(), finished_at=None)
    job.refresh_from_db()
    store().append(f"job/{job.pk}", 0, line)
    exited = {"step": "measure", "exit_code": 1}
    end = {"verdict": "failed", "message_id": "work:exit", "message_args": exited}
    end |= {"exit_code": 1, "log_sha256": sha256(line).hexdigest()}
    before = outcomes.evaluate(job, end, end["log_sha256"])

    deployments.stop_deployment(deployment.pk, make_user("lin"))
    after = outcomes.evaluate(job, end, end["log_sha256"])

    assert before.message.args["failure"]["id"] == "container-gone"
    assert message(after.message.id, after.message.args) == (
        f"Deployment {deployment.name} was stopped by lin during the job."
    )


def test_a_server_whose_job_failed_has_failed():
    job = make_job(state="running")
    deployment = make_deployment(job=job, state="loading")
    lifecycle.finish_job(job.pk, "failed", message=Message("x"))

    ended(deployment, "cancelled")

    assert (deployment.state, deployment.message_id) == ("failed", "deployment:job_failed")


def test_a_restart_is_the_next_run(sent, django_capture_on_commit_callbacks):
    deployment = make_deployment(state="stopped", wanted=False, ready_at=now())

    with django_capture_on_commit_callbacks(execute=True):
        assert deployments.restart_deployment(deployment.pk, make_user()) == 2
        # One that waits is not started twice.
        assert deployments.restart_deployment(deployment.pk, make_user()) == 2
    deployment.refresh_from_db()

    assert (deployment.state, deployment.wanted, deployment.ready_at) == ("waiting", True, None)
    assert sent == [("serve", deployment.pk)]
    assert beat(deployment).serve == [deployment.pk]
    claimed = deployments.claim_run(deployment.pk, host=deployment.host, run=2)
    assert claimed.pk == deployment.pk
    assert deployments.claim_run(deployment.pk, host=deployment.host, run=2).run == 2
    deployment.refresh_from_db()
    assert beat(deployment, serve(deployment, health="loading")).serve == []
    assert deployment.state == "loading"


def test_a_restart_lost_after_its_claim_is_repeated(sent):
    deployment = make_deployment(state="waiting", run=2)
    deployments.claim_run(deployment.pk, host=deployment.host, run=2)
    before = serve(deployment, run=1, state="ended")

    assert beat(deployment, before).serve == [deployment.pk]
    # What is there, even ended, has only to be shipped.
    assert beat(deployment, serve(deployment, state="ended")).serve == []


def test_a_restart_of_a_server_that_runs_stops_it_first(sent, django_capture_on_commit_callbacks):
    deployment = make_deployment()
    before = serve(deployment)

    with django_capture_on_commit_callbacks(execute=True):
        deployments.restart_deployment(deployment.pk, make_user())
    orders = beat(deployment, before)

    assert sent == [("stop_serve", deployment.pk)]
    assert (orders.stop_serve, orders.serve) == ([deployment.pk], [])
    ended(deployment, "cancelled", run=1)
    assert deployment.state == "waiting"
    assert beat(deployment, {**before, "state": "ended"}).serve == [deployment.pk]


def test_an_unwanted_run_is_refused():
    deployment = make_deployment(state="stopped", wanted=False, run=2)

    with pytest.raises(deployments.RunRefused) as refused:
        deployments.claim_run(deployment.pk, host=deployment.host, run=2)
    deployments.restart_deployment(deployment.pk, make_user())
    with pytest.raises(deployments.RunRefused):
        deployments.claim_run(deployment.pk, host=deployment.host, run=2)

    assert refused.value.run == 2


def test_a_deployment_whose_job_failed_cannot_be_restarted():
    deployment = make_deployment(job=make_job(state="failed"), state="failed")

    with pytest.raises(deployments.NotRestartable):
        deployments.restart_deployment(deployment.pk, make_user())


@pytest.fixture
def va16():
    return make_host("va16", type="vacc", slots=8, facts={"dies": [{"id": n} for n in range(8)]})


def on_dies(host, names: str, **fields) -> Deployment:
    job = make_job(host=host, state="succeeded", values={"dies": names})
    return make_deployment(job=job, **fields)


def restart_refused(deployment: Deployment) -> str:
    with pytest.raises(LaunchError) as refused:
        deployments.restart_deployment(deployment.pk, make_user())
    assert stored(deployment, "state", "run") == ("stopped", 1)
    return str(refused.value)


@pytest.mark.parametrize("state", ["ready", "loading", "unhealthy", "stopping"])
def test_a_restart_never_takes_the_dies_of_another_server(va16, state):
    r1 = on_dies(va16, "0,1,2,3,4,5,6,7", state=state, name="DeepSeek-R1")
    stopped = on_dies(va16, "4,5", state="stopped", wanted=False)

    message = restart_refused(stopped)

    assert message.startswith(
        f"Not restarted: dies 4, 5 are in use by deployment #{r1.pk} (DeepSeek-R1)."
    )


def test_a_restart_never_takes_dies_of_another_restart(va16):
    first, second = (on_dies(va16, "4,5", state="stopped", wanted=False) for _ in range(2))

    deployments.restart_deployment(first.pk, make_user())

    assert f"deployment #{first.pk}" in restart_refused(second)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"values": {"dies": "5,6"}}, "dies 5 are in use by job #{job} (Compile)"),
        ({"exclusive": True}, "job #{job}"),
    ],
)
def test_a_restart_is_refused_during_a_job_that_it_would_disturb(va16, fields, reason):
    job = make_job(host=va16, state="running", title="Compile", **fields)
    stopped = on_dies(va16, "4,5", state="stopped", wanted=False)

    assert reason.format(job=job.pk) in restart_refused(stopped)


def test_a_restart_takes_dies_that_are_free_or_its_own(va16):
    on_dies(va16, "0,1", name="beside")
    stopped = on_dies(va16, "4,5", state="stopped", wanted=False)
    runs = on_dies(va16, "6,7")

    assert deployments.restart_deployment(stopped.pk, make_user()) == 2
    assert deployments.restart_deployment(runs.pk, make_user()) == 2
    assert free_dies(va16) == ["2", "3"]


def test_a_lost_server_that_comes_back_is_ready_again():
    deployment = make_deployment()
    assert deployments.lose(deployment, Message("deployment:missing"))

    beat(deployment, serve(deployment))

    assert history(deployment) == ["lost", "ready"]
    assert deployment.stopped_at is None
