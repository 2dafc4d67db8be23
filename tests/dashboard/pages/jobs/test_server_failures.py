"""A server that failed after it was ready says why, what to do, and where it stands in its log."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs import logstore
from jobs.models import Deployment, Host
from jobs.plans import Step
from jobs.schedule.deployments import restart_deployment
from tests.dashboard.lib.host_caller import ended, events
from tests.factories import make_deployment, make_job, make_plan

READY = b"INFO: Application startup complete.\nINFO: 200 OK\n"
GONE = b"RuntimeError: VACC device /dev/vacc16 is not available\nbye\n"
HOST = {"load_1m": 7.69, "memory_free_bytes": 20_859_695_104, "disk_free_bytes": 78_712_573_952}


def serve(caller, **fields) -> Deployment:
    """A deployment of the caller's host that is ready."""
    job = make_job(kind="deploy-vllm", host=caller.host, state="succeeded")
    return make_deployment(job=job, host=caller.host, state="ready", ready_at=now(), **fields)


def end(caller, deployment, log, *, at=0, begins=0, exit_code=1, seq=0, **args) -> Deployment:
    """Its server has written ``log`` and ended by itself."""
    caller.stream(deployment, "log", at, log)
    step = {"type": "step_started", "index": 0, "name": "serve", "log_offset": begins}
    message_args = {"step": "serve", "exit_code": exit_code, "host": HOST, **args}
    last = ended(
        "failed",
        message_id="work:server_ended",
        message_args=message_args,
        exit_code=exit_code,
        log_bytes=at + len(log),
        run=deployment.run,
    )
    sent = events(step, last)
    answer = caller.stream(deployment, "events", deployment.events_bytes, sent)
    assert answer.status_code == 200, answer.content
    deployment.refresh_from_db()
    return deployment


def text_of(client, address: str) -> str:
    html = client.get(address).text
    return " ".join(re.sub(r"<[^>]+>", "", html).replace("\u202f", "").split())


def test_what_ended_an_earlier_run_did_not_end_this_one(caller):
    deployment = end(caller, serve(caller), READY + GONE)
    restart_deployment(deployment.pk, None)
    Deployment.objects.filter(pk=deployment.pk).update(state="loading")
    deployment.refresh_from_db()

    before = len(READY + GONE)
    deployment = end(caller, deployment, READY + b"it broke\n", at=before, begins=before)

    assert (deployment.state, deployment.run) == ("failed", 2)
    assert "failure" not in deployment.message_args
    assert deployment.log_from == before


def test_a_server_that_was_asked_to_stop_has_not_failed(caller):
    deployment = end(caller, serve(caller, wanted=False), READY + GONE)

    assert (deployment.state, deployment.message_args) == ("stopped", {})


@pytest.mark.parametrize(("kills", "cause"), [(1, "out-of-memory"), (0, "killed")])
def test_a_kill_is_one_for_memory_only_if_the_kernel_says_so(caller, kills, cause):
    host = {**HOST, "oom_kills": kills}

    failure = end(caller, serve(caller), READY, exit_code=137, host=host).message_args["failure"]

    assert (failure["id"], failure["line"]) == (cause, None)


def test_message_pages_and_api_of_a_failure_have_cause_host_action_and_line(caller, client, lin):
    deployment = end(caller, serve(caller), READY + GONE, host={**HOST, "oom_kills": 2})
    address = reverse("deployment-detail", args=[deployment.pk])

    text, html = text_of(client, address), client.get(address).text

    assert deployment.state == "failed"
    failure = deployment.message_args["failure"]
    assert (failure["id"], failure["where"], failure["line"]) == ("die-missing", "", 3)
    assert failure["offset"] == len(READY)
    assert "Known failure" in text
    assert "The server exited with code 1." in text
    assert "Die /dev/vacc16 does not exist." in text
    assert "choose other dies" in text
    assert "VACC device /dev/vacc16 is not available" in text
    assert "load 7.7, 20.9GB of memory and 78.7GB of disk free" in text
    assert "the kernel killed 2 processes" in text
    assert 'data-log-at="3"' in html and 'href="#L3"' in html
    for address in (reverse("overview"), reverse("deployment-list")):
        assert "Die /dev/vacc16 does not exist." in text_of(client, address)
    row = client.get(f"/api/v1/deployments/{deployment.pk}").json()
    assert row["failure"] == "die-missing"
    assert "Die /dev/vacc16 does not exist." in row["message"]


def test_without_a_known_cause_its_last_lines_are_quoted(caller, client, lin):
    deployment = end(caller, serve(caller), READY + b"one\ntwo\nit broke\n")

    text = text_of(client, reverse("deployment-detail", args=[deployment.pk]))

    assert "it broke" in text
    assert "Fix the cause, then restart the deployment." in text


def test_the_job_whose_server_ended_quotes_the_servers_log(caller, client, lin):
    job = make_job(
        kind="deploy-vllm",
        host=caller.host,
        state="failed",
        message_id="work:server_ended",
        message_args={"step": "serve", "exit_code": 1, "last_lines": "x"},
    )
    deployment = make_deployment(job=job, host=caller.host, state="failed")
    logstore.store().append(f"deployment/{deployment.pk}", 0, b"fine\nit broke\n")

    html = client.get(reverse("job-detail", args=[job.pk])).text

    assert f"{reverse('deployment-detail', args=[deployment.pk])}#L2" in html
    assert "it broke" in html


def test_one_that_loads_says_how_much_it_has(client, lin):
    progress = {"done": 41, "total": 163, "unit": "shards", "since": 1.0}
    deployment = make_deployment(
        state="loading", message_id="deployment:loading", progress=progress, ready_at=None
    )

    page = text_of(client, reverse("deployment-detail", args=[deployment.pk]))
    for text in (page, text_of(client, reverse("deployment-list"))):
        assert "is loading the model. 41 of 163 shards." in text
    assert "41 of 163 shards." in text_of(client, reverse("overview"))


@pytest.mark.parametrize(("minutes", "text"), [(12, "12 min"), (1443, "1 d 0 h")])
def test_a_stalled_job_says_since_when_everywhere(client, lin, minutes, text):
    since = (now() - timedelta(minutes=minutes)).timestamp()
    job = make_job(
        kind="prepare-weights",
        state="running",
        started_at=now() - timedelta(days=2),
        progress={"done": 5.0, "total": 9.0, "unit": "MB", "since": since},
    )
    job.steps.filter(index=0).update(started_at=now() - timedelta(days=2))
    message = f"Stalled: no output for {text}. The job resumes"

    for name in ("overview", "job-list"):
        assert message in text_of(client, reverse(name))
    assert message in text_of(client, reverse("job-detail", args=[job.pk]))
    assert message in client.get(f"/api/v1/jobs/{job.pk}").json()["message"]


def test_nothing_counts_on_while_the_host_of_a_job_is_offline(client, lin):
    began = now() - timedelta(hours=1)
    job = make_job(kind="prepare-weights", state="running", started_at=began)
    job.steps.filter(index=0).update(started_at=began)
    addresses = [
        *(reverse("overview"), reverse("job-list"), reverse("job-detail", args=[job.pk])),
        *(reverse("host-list"), reverse("host-detail", args=[job.host.name])),
    ]
    pages = [client.get(address).text for address in addresses]
    assert ["data-runs-since" in page for page in pages] == [True] * 5
    assert ["Stalled" in page for page in pages] == [True] * 3 + [False] * 2

    Host.objects.update(heartbeat_at=now() - timedelta(minutes=50))
    pages = [client.get(address).text for address in addresses]
    assert ["data-runs-since" in page or "Stalled" in page for page in pages] == [False] * 5


def test_the_serving_step_failed_without_our_signal(client, lin):
    steps = tuple(Step(name, ("x",)) for name in ("serve", "wait"))
    host = {"load_1m": 1.0, "memory_free_bytes": 1, "disk_free_bytes": 1, "oom_kills": 1}
    job = make_job(
        kind="deploy",
        plan=make_plan(kind="deploy", steps=steps),
        state="failed",
        started_at=now(),
        message_id="work:server_ended",
        message_args={"step": "serve", "exit_code": 137, "last_lines": "", "host": host},
    )
    job.steps.filter(name="serve").update(started_at=now(), exit_code=0)
    job.steps.filter(name="wait").update(started_at=now(), exit_code=-15)

    html = client.get(reverse("job-detail", args=[job.pk])).text

    track = html.partition('<ol class="track"')[2].partition("</ol>")[0]
    serve, wait = track.split("<li")[1:]
    assert 'class="failed"' in serve and "exit code 137" in serve
    assert 'class="cancelled"' in wait and "signal" not in wait
    assert re.search(r"<dt>Exit code</dt><dd[^>]*>137<", html)
