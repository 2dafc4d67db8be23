"""No message of a host makes the dashboard fail, or a page afterwards."""

import json
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from jobs.schedule import preflights
from tests.dashboard.lib.host_caller import CPU, LOG, ROOTS, STARTED, Caller, ended, taken_job
from tests.factories import make_deployment, make_host, make_job, make_user
from tests.fuzz.values import fuzz, mutated, nasty, undone

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

FACTS = {
    "address": "10.0.0.7",
    "arch": "x86_64",
    "cpu": CPU,
    "disk": {"total_bytes": 10**12, "free_bytes": 10**11},
    "kernel": "6.1",
    "memory_bytes": 10**11,
    "os": "Debian 12",
    "python": {"path": "/usr/bin/python3", "version": "3.11.2"},
    "roots": ROOTS,
    "tools": [{"name": "vamc", "version": "3.4.2", "path": "/v"}],
    "wheels_dir": None,
    "dies": [{"id": 0}, {"id": 1}],
    "driver": "00.25.12.30",
    "iommu": False,
    "workspace": "/w",
    "mount": "/vastai",
    "registry": "harbor",
    "images": ["a:b"],
    "stacks": ["guide"],
}
RUN = {"id": 1, "token": "t", "state": "running"}
BEAT = {
    "boot_id": "b",
    "agent_started_at": 1.0,
    "now": 1_795_000_000.0,
    "load": {
        "load_1m": 0.5,
        "memory_free_bytes": 10**10,
        "disk_free_bytes": 10**10,
        "disk_reserve_bytes": 10**9,
        "disk_usage": {"weights": {"bytes": 5, "at": 1.0}},
        "dies": {"0": {"temp_c": 61.0, "power_w": 20.0}},
        "unread": {"gettemp": "?"},
    },
    "jobs": [RUN, {**RUN, "id": 2, "broken": "gone"}],
    "serves": [{**RUN, "run": 1, "health": "ready", "port": 8000}],
    "facts": FACTS,
}
AT = {"at": 1_795_000_000.0, "mono": 1.0, "seq": 0}
STEP = {**AT, "index": 0, "name": "fetch", "log_offset": 0}
EVENTS = [
    {**AT, **STARTED},
    {**STEP, "type": "step_started"},
    {**STEP, "type": "step_ended", "exit_code": 0, "duration_s": 1.5},
    {**AT, "type": "serve_started", "deployment": 1, "run": 1},
    {**AT, **ended("failed", message_id="work:exit", message_args={"step": "x", "exit_code": 1})},
]
OUTPUT = {"name": "made", "path": "x.json", "bytes": 2, "sha256": "0" * 64}
POINT = {"w": "engine", "t": 1.0, "v": {"running": 1.0}}
FINDING = {"name": "shm", "level": "warn", "message_id": "check:shm_small", "message_args": {}}


@pytest.fixture
def caller():
    found = Caller(make_host("va16-01", type="vacc"))
    found.client.raise_request_exception = False
    return found


@pytest.fixture
def look(client):
    """A function that opens pages on which a host's words stand; none may fail."""
    client.force_login(make_user("root", is_staff=True))
    client.raise_request_exception = False

    def open_all(*paths):
        for path in ("/", "/jobs/", "/hosts/", "/hosts/va16-01/", "/launch/deploy/", *paths):
            assert client.get(path).status_code == 200, path

    return open_all


def raw(value):
    return json.dumps(value, default=str).encode(errors="replace")


def post(caller, path, value):
    """The status of a message whose body is this value."""
    answer = caller.client.post(
        f"/api/v1/host/{path}",
        raw(value),
        content_type="application/json",
        headers=caller.headers,
    )
    return answer.status_code


@fuzz
@given(body=mutated(BEAT))
@undone
def test_heartbeats(caller, look, body):
    make_job(host=caller.host)
    status = post(caller, "heartbeat", body)
    assert status in (200, 400)
    if status == 200:  # nothing is stored of one that is refused
        look()


@fuzz
@given(items=st.lists(st.sampled_from(EVENTS).flatmap(mutated), min_size=1, max_size=3))
@undone
def test_events_of_a_job(caller, look, items):
    job = taken_job(caller)
    caller.stream(job, "log", 0, LOG)
    lines = b"".join(raw(item) + b"\n" for item in [EVENTS[0], *items])
    answer = caller.stream(job, "events", 0, lines)
    assert answer.status_code in (200, 400, 409)
    look(reverse("job-detail", args=[job.pk]), reverse("api-job", args=[job.pk]))


@fuzz
@given(items=st.lists(st.sampled_from(EVENTS).flatmap(mutated), min_size=1, max_size=3))
@undone
def test_events_of_a_server(caller, look, items):
    deployment = make_deployment(host=caller.host)
    lines = b"".join(raw(item) + b"\n" for item in items)
    answer = caller.stream(deployment, "events", 0, lines)
    assert answer.status_code in (200, 400, 409)
    look(reverse("deployment-detail", args=[deployment.pk]))


@fuzz
@given(items=st.lists(mutated(POINT), min_size=1, max_size=3))
@undone
def test_points(caller, look, items):
    job = taken_job(caller)
    lines = b"".join(raw(item) + b"\n" for item in [POINT, *items])
    assert caller.stream(job, "points", 0, lines).status_code in (200, 400)
    look(reverse("job-detail", args=[job.pk]), reverse("job-points", args=[job.pk]))


@fuzz
@given(findings=mutated([FINDING, FINDING]))
@undone
def test_findings(caller, look, findings):
    job = make_job(host=caller.host)
    asked = preflights.ask(caller.host, job.plan, {}, job=job)
    status = post(caller, f"checks/{asked.pk}", {"findings": findings})
    assert status in (200, 400)
    if status == 200:
        look(reverse("job-detail", args=[job.pk]))


@fuzz
@given(claim=mutated({"claim_id": "n", "run": 2}))
@undone
def test_claims(caller, claim):
    job, deployment = make_job(host=caller.host), make_deployment(host=caller.host)
    for path in (f"jobs/{job.pk}", f"deployments/{deployment.pk}"):
        assert post(caller, f"{path}/claim", claim) in (200, 400, 409)


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@fuzz
@given(
    path=st.one_of(st.just("x.json"), st.text(max_size=20), st.just("a" * 500)),
    offset=st.one_of(st.just("0"), HEADER, st.just("9" * 5000)),
    headers=st.dictionaries(
        st.sampled_from(["X-Name", "X-Total", "X-Sha256", "X-Crc32", "X-Raw-Bytes", "X-Token"]),
        st.one_of(HEADER, st.just("9" * 30)),
        max_size=3,
    ),
    data=st.binary(max_size=20),
    stream=st.sampled_from(["outputs", "streams/log", "streams/events", "streams/points", "x"]),
)
@undone
def test_appends(caller, path, offset, headers, data, stream):
    job = taken_job(caller)
    sent = {"X-Name": "made", "X-Total": str(len(data)), "X-Sha256": "0" * 64, **headers}
    query = urlencode({"path": path, "offset": offset})
    address = f"jobs/{job.pk}/{stream}?{query}"
    assert caller.send(address, data, token=job.claim_token, **sent).status_code < 500


@fuzz
@given(value=nasty)
def test_bodies(caller, value):
    for path in ("heartbeat", "jobs/1/claim", "deployments/1/claim", "checks/1"):
        assert 400 <= post(caller, path, value) < 500
