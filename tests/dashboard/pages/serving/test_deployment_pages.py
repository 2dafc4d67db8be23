import re
import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils.timezone import now

from dashboard.pages.shared import engine_rates
from jobs.models import AuditEntry, DeploymentEvent, Host
from jobs.schedule.capacity import capacity_of
from jobs.schedule.targets import deployment_ref
from tests.factories import (
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_user,
    make_weights,
)


def test_the_list_shows_what_is_up_and_on_wish_what_ended(client, lin):
    make_deployment(name="served-now")
    over = {"state": "stopped", "stopped_at": now(), "dashboard_url": "http://h:1"}
    ended = make_deployment(name="served-once", **over)

    up = client.get(reverse("deployment-list")).text
    everything = client.get(f"{reverse('deployment-list')}?all=1").text
    of_ended = client.get(reverse("deployment-detail", args=[ended.pk])).text

    assert ("served-now" in up, "served-once" in up) == (True, False)
    assert "1 deployment is ready" in up
    assert "served-once" in everything
    assert "curl" not in of_ended
    assert "Stopped: no address." in of_ended


@pytest.mark.parametrize("state", ["ready", "loading", "unhealthy"])
def test_one_whose_host_is_offline_is_not_said_to_be_ready(client, lin, state):
    host = make_host(heartbeat_at=now() - timedelta(hours=1))
    deployment = make_deployment(name="silent", host=host, state=state)

    listed = client.get(reverse("deployment-list")).text
    own = client.get(reverse("deployment-detail", args=[deployment.pk])).text

    assert "No deployment is ready" in listed
    for page in (listed, own):
        assert '<span class="st lost">' in page
        assert "host offline</span>" in page
        assert "Offline since" in page
        assert f'<span class="st {state}">' not in page


def test_a_running_job_of_an_offline_host_is_not_said_to_run(client, lin):
    host = make_host(heartbeat_at=now() - timedelta(hours=1))
    job = make_job(host=host, state="running")

    for address in ("/", reverse("job-list"), reverse("job-detail", args=[job.pk])):
        page = client.get(address).text
        assert "host offline</span>" in page
        assert '<span class="st run">' not in page


def test_a_chat_names_the_deployment_of_an_offline_host(client, lin):
    host = make_host(heartbeat_at=now() - timedelta(hours=1))
    make_deployment(name="silent", host=host)

    assert "silent, host offline" in client.get(reverse("playground")).text


def test_columns_of_rates_are_there_where_an_engine_reported(client, lin, monkeypatch):
    deployment = make_deployment(name="served")
    without = client.get(reverse("deployment-list")).text
    sample = (time.time() - 1, {"vllm:generation_tokens_total": 5.0})
    monkeypatch.setattr(
        engine_rates, "served_samples", lambda pks, since: {deployment.pk: [sample]}
    )

    reported = client.get(reverse("deployment-list")).text

    assert ("Last 30 min" in without, "Last 30 min" in reported) == (False, True)


def test_the_page_shows_history_addresses_and_a_request_to_copy(client, lin):
    deployment = make_deployment(name="served", dashboard_url="http://10.0.0.7:8000")
    DeploymentEvent.objects.create(
        deployment=deployment, run=1, state="loading", message_id="deployment:loading"
    )

    text = client.get(reverse("deployment-detail", args=[deployment.pk])).text

    assert "curl http://10.0.0.7:8000/v1/chat/completions" in text
    assert "The server has started and is loading the model." in text
    assert f"{reverse('playground')}?deployment={deployment.pk}" in text


def facts(client, deployment):
    """The facts of its page: {label: value}, as text."""
    html = client.get(reverse("deployment-detail", args=[deployment.pk])).text
    pairs = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", html, re.S)
    return {name: " ".join(re.sub(r"<[^>]+>", "", value).split()) for name, value in pairs}


def at(clock):
    """Today at this time."""
    hour, minute = map(int, clock.split(":"))
    return datetime.now(ZoneInfo("UTC")).replace(hour=hour, minute=minute)


@pytest.mark.parametrize(
    ("state", "fields", "events", "period"),
    [
        ("stopped", {"ready_at": "19:40", "stopped_at": "20:10"}, "all", "19:09 – 20:10"),
        ("failed", {"ready_at": "19:40", "stopped_at": "20:10"}, "all", "19:09 – 20:10"),
        ("unhealthy", {"ready_at": "19:09"}, "unhealthy", "19:09 – 19:30"),
        (
            *("lost", {"ready_at": "19:09", "seen_at": "19:30", "stopped_at": "19:31"}),
            *("", "19:09 – 19:30"),
        ),
    ],
)
def test_one_that_is_not_ready_says_from_when_to_when_it_was(
    client, lin, state, fields, events, period
):
    deployment = make_deployment(state=state, **{name: at(clock) for name, clock in fields.items()})
    for clock, what in (("19:09", "ready"), ("19:30", "unhealthy"), ("19:40", "ready")):
        if events in ("all", what):
            DeploymentEvent.objects.create(deployment=deployment, run=1, state=what, at=at(clock))

    shown = facts(client, deployment)

    assert shown["Ready period"] == period
    assert "Ready since" not in shown


@pytest.mark.parametrize(
    ("state", "fields", "label", "value"),
    [
        ("ready", {"ready_at": at("19:09")}, "Ready since", "19:09"),
        ("loading", {}, "Ready", "not yet"),
        ("failed", {"stopped_at": at("19:09")}, "Ready", "never"),
    ],
)
def test_the_ready_period_is_shown(client, lin, state, fields, label, value):
    deployment = make_deployment(state=state, **fields)

    assert facts(client, deployment)[label] == value


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("failed", "Fix the cause, then restart the deployment."),
        ("unhealthy", "read the end of the log and restart"),
        ("lost", "Check that the host is online."),
    ],
)
def test_one_that_is_in_trouble_says_what_to_do(client, lin, state, advice):
    address = reverse("deployment-detail", args=[make_deployment(state=state).pk])

    assert advice in client.get(address).text


def test_a_failed_server_is_listed_for_a_day(client, lin):
    broke = make_deployment(name="broke", state="failed", stopped_at=now(), created_by=lin)
    long_ago = now() - timedelta(days=2)
    make_deployment(name="long-ago", state="failed", stopped_at=long_ago)
    job = make_job(state="failed")
    make_deployment(name="never-started", state="failed", stopped_at=now(), job=job)

    overview = client.get(reverse("overview")).text
    listed = client.get(reverse("deployment-list")).text

    for html in (overview, listed):
        shown = [name in html for name in ("broke", "long-ago", "never-started")]
        assert shown == [True, False, False]
    assert "2 failed today" in overview  # the job of the third is the other
    assert reverse("deployment-restart", args=[broke.pk]) in overview


def test_its_owner_stops_it_and_the_stop_is_kept(client, lin):
    deployment = make_deployment(created_by=lin)

    client.post(reverse("deployment-stop", args=[deployment.pk]))

    deployment.refresh_from_db()
    assert (deployment.state, deployment.wanted) == ("stopping", False)
    assert AuditEntry.objects.get().action == "deployment.stop"


def test_its_owner_restarts_it_once_its_port_is_free(client, lin):
    maker = make_job(state="succeeded", params={"port": 20000})
    stopped = make_deployment(created_by=lin, job=maker, state="stopped", wanted=False)
    other = make_deployment(host=maker.host, name="the other")
    address = reverse("deployment-restart", args=[stopped.pk])

    refusal = "Not restarted: port 20000 is in use by deployment the other. End that first"
    assert refusal in client.post(address, follow=True).text
    stopped.refresh_from_db()
    assert stopped.run == 1

    other.delete()
    client.post(address)
    stopped.refresh_from_db()
    assert (stopped.state, stopped.run) == ("waiting", 2)


def test_a_models_page_shows_what_each_host_has_of_it(client, lin):
    host = make_host("workshop")
    artifact = make_artifact(host=host, label="Q8_0 from Q4_1")
    model = "smollm2-135m-instruct"

    text = client.get(reverse("model-detail", args=[model])).text

    assert "workshop" in text
    assert f"artifact={artifact.pk}" in text
    assert "Q8_0 from Q4_1" in client.get(reverse("model-list")).text
    assert client.get(reverse("model-detail", args=["nothing"])).status_code == 404


def test_weight_files_lead_to_compile_and_folders_to_vllm(client, lin):
    host = make_host("workshop")
    file = make_weights(host=host)
    folder = make_weights(host=host, details={"format": "safetensors"})

    page = client.get(reverse("model-detail", args=[file.model_id])).text

    links = re.findall(r'href="/launch/([a-z-]+)/\?host=workshop&amp;weights=(\d+)"', page)
    assert set(links) == {("compile", str(file.pk)), ("deploy-vllm", str(folder.pk))}


@pytest.mark.parametrize("action", ["deployment-stop", "deployment-restart"])
def test_a_stop_page_lists_the_jobs_that_would_fail(client, action):
    client.force_login(make_user(is_staff=True))
    server = make_deployment()
    uses = make_job(host=server.host, inputs={"deployment": {"id": server.pk}}, title="uses it")
    over = make_job(state="failed", inputs={"deployment": {"id": server.pk}}, title="is over")

    text = client.get(reverse(action, args=[server.pk])).text

    assert f"#{uses.pk} " in text and "uses it" in text
    assert "is over" not in text and over.state == "failed"
    assert "data-confirm-page" in text
    server.refresh_from_db()
    assert (server.state, server.run) == ("ready", 1)


# Deployments with addresses of earlier versions are shown as they are, and called by nobody.


BAD = ["http://127.0.0.1:abc", "http://10.0.0.7:80/path", "http://[::1", "http://h:99999", "<b>:1"]


@pytest.fixture(params=BAD)
def old(request):
    made = make_deployment(name="old", host_url=request.param, dashboard_url=request.param)
    Host.objects.update(type="vacc")
    made.host.refresh_from_db()
    return made


def test_pages_with_it_open_and_its_own_has_no_command(admin_client, old):
    for name in ("overview", "deployment-list", "playground", "host-list", "model-list"):
        assert admin_client.get(reverse(name)).status_code == 200, name
    for kind in ("benchmark", "deploy", "evaluate"):
        form = admin_client.get(reverse("launch-form", args=[kind]), {"host": old.host.name})
        assert form.status_code == 200, kind
    page = admin_client.get(reverse("deployment-detail", args=[old.pk]))
    assert (page.status_code, "curl" in page.text) == (200, False)


def test_it_has_no_port_and_gives_plans_no_address(old):
    data = deployment_ref(old).data

    assert (data["url"], data["host"], data["port"]) == ("", "", "")
    assert [server.port for server in capacity_of(old.host).servers] == [0]
