"""Keys of hosts, their protocol, and messages that break it."""

import json

import pytest
from django.urls import reverse

from jobs.host.base import client as host_client
from jobs.models import Host, JobStep, PointBlock
from jobs.schedule import preflights
from jobs.services import hosts
from tests.dashboard.lib.host_caller import CPU, LOG, ROOTS, STARTED, ended, events, status
from tests.factories import make_deployment, make_job, make_plan, make_user, stored
from tests.refusals import refused_at


def test_a_host_logs_in_with_the_key_shown_once_until_it_is_replaced_or_revoked():
    host, old = hosts.add("va16-01")
    assert [status(key) for key in (old.key, "", "x", " ")] == [404, 401, 401, 401]
    assert old.key not in str(Host.objects.filter(pk=host.pk).values())

    new = hosts.new_key(host.pk)

    assert (status(old.key), status(new.key)) == (401, 404)
    assert [hosts.revoke_key(host.pk) for _ in range(2)] == [True, False]
    assert status(new.key) == status("") == 401


def test_a_name_that_cannot_be_a_host_is_refused():
    for name in ("", "VA16", "a_b", "-a", "a-", "a" * 64, "a b", "a/../b"):
        with refused_at("name"):
            hosts.add(name)


HUGE = 10**400
DEEP = "[" * 1000 + "]" * 1000
RUN = {"id": 1, "token": "t", "state": "running"}
BEAT = {
    "boot_id": "b",
    "agent_started_at": 1.0,
    "now": 1_795_000_000.0,
    "load": {},
    "jobs": [],
    "serves": [],
}
STEP_ENDED = {
    **{"type": "step_ended", "index": 0, "log_offset": 9},
    **{"duration_s": 1, "exit_code": 0},
}
MADE = {"name": "made", "path": "a", "bytes": 1, "sha256": "0" * 64}
FACTS = {"cpu": CPU, "roots": ROOTS, "dies": [{"id": 0}]}


def refused(answer):
    body = answer.json()
    return answer.status_code, body.get("field") or body["error"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"boot_id": "b" * 65}, "boot_id"),
        ({"boot_id": 1}, "boot_id"),
        ({"agent_started_at": HUGE}, "agent_started_at"),
        ({"agent_started_at": -1}, "agent_started_at"),
        ({"now": None}, "now"),
        ({"now": 1e300}, "now"),
        ({"load": []}, "load"),
        ({"load": {"disk_free_bytes": "all"}}, "load.disk_free_bytes"),
        ({"load": {"disk_free_bytes": 2**61}}, "load.disk_free_bytes"),
        ({"load": {"dies": {str(n): {} for n in range(1025)}}}, "load.dies"),
        ({"load": {"dies": {"0": {"temp_c": "hot"}}}}, "load.dies.0.temp_c"),
        ({"jobs": {}}, "jobs"),
        ({"jobs": [{**RUN, "id": 2**63}]}, "jobs.0.id"),
        ({"jobs": [{**RUN, "token": None}]}, "jobs.0.token"),
        ({"jobs": [{**RUN, "state": "asleep"}]}, "jobs.0.state"),
        ({"jobs": [RUN] * 1001}, "jobs"),
        ({"serves": [{**RUN, "run": "1"}]}, "serves.0.run"),
        ({"serves": [{**RUN, "run": 1, "health": "fine"}]}, "serves.0.health"),
        ({"serves": [{**RUN, "run": 1, "port": 65536}]}, "serves.0.port"),
        ({"serves": [{**RUN, "run": 1, "port": "80/../x"}]}, "serves.0.port"),
        ({"facts": {**FACTS, "dies": [{"id": n} for n in range(100_000)]}}, "facts.dies"),
        ({"facts": {**FACTS, "dies": [{"id": "0; rm"}]}}, "facts.dies.0.id"),
        ({"facts": {**FACTS, "dies": "all"}}, "facts.dies"),
        ({"serves": [{**RUN, "run": 1, "port": " 80 "}]}, "serves.0.port"),
        ({"serves": [{**RUN, "run": 1, "port": True}]}, "serves.0.port"),
        ({"facts": {**FACTS, "address": "evil.example/path?"}}, "facts.address"),
        ({"facts": {**FACTS, "address": "fd00::1%@evil.example/"}}, "facts.address"),
        ({"facts": {**FACTS, "address": "10.0.0.7 "}}, "facts.address"),
        ({"facts": {**FACTS, "roots": None}}, "facts.roots"),
        ({"facts": {**FACTS, "roots": {"weights": ["/w"]}}}, "facts.roots.weights"),
        ({"facts": {**FACTS, "stacks": [{}]}}, "facts.stacks.0"),
        ({"facts": {**FACTS, "cpu": {**CPU, "cores": -1}}}, "facts.cpu.cores"),
        ({"facts": {**FACTS, "tools": [{}] * 65}}, "facts.tools"),
        ({"facts": {"cpu": CPU}}, "facts.roots"),
    ],
)
def test_a_bad_heartbeat_is_refused_with_its_field(change, field, caller):
    before = Host.objects.values().get(pk=caller.host.pk)

    assert refused(caller.post("heartbeat", BEAT | change)) == (400, field)

    after = Host.objects.values().get(pk=caller.host.pk)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"refusals"}


@pytest.mark.parametrize(
    "path", ["heartbeat", "jobs/{job}/claim", "deployments/1/claim", "checks/{check}"]
)
def test_a_body_that_is_no_object_is_refused(path, caller):
    job = make_job(host=caller.host)
    check = preflights.ask(caller.host, job.plan, {})
    address = f"/api/v1/host/{path.format(job=job.pk, check=check.pk)}"
    kind = {"content_type": "application/json", "headers": caller.headers}

    for body in (DEEP, "[", "NaN", '"', '{"jobs": ' + DEEP + "}", "9" * 5000, "\xff"):
        assert caller.client.post(address, body, **kind).status_code == 400, body[:9]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({**STARTED, "values": {"port": "http"}}, "values"),
        ({**STARTED, "values": {"port": "80/../x"}}, "values"),
        ({**STARTED, "values": {"port": " 8_0"}}, "values"),
        ({**STARTED, "values": {"port": 65536}}, "values"),
        ({**STARTED, "values": {"dies": ["0"]}}, "values.dies"),
        ({**STARTED, "values": "x"}, "values"),
        ({**STARTED, "at": "now"}, "at"),
        ({**STARTED, "at": 1e18}, "at"),
        ({"type": "step_started", "index": 10**9, "log_offset": 0}, "index"),
        ({"type": "step_started", "index": "0", "log_offset": 0}, "index"),
        ({"type": "step_started", "index": [1], "log_offset": 0}, "index"),
        ({"type": "step_started", "index": 0, "log_offset": -1}, "log_offset"),
        ({"type": "step_started", "index": 0}, "log_offset"),
        ({**STEP_ENDED, "exit_code": 2**31}, "exit_code"),
        ({**STEP_ENDED, "duration_s": -1}, "duration_s"),
        ({"type": "serve_started"}, "run"),
        (ended(verdict="won"), "verdict"),
        (ended(message_id=["done"]), "message_id"),
        (ended(message_id="x" * 65), "message_id"),
        (ended(message_args="all of it"), "message_args"),
        (ended(message_args=[1]), "message_args"),
        (ended(message_args={"failure": {"id": "oom"}}), "message_args"),
        (ended(message_args={"a": {"b": {"c": 1}}}), "message_args"),
        (ended(message_args={str(n): n for n in range(65)}), "message_args"),
        (ended(exit_code="0"), "exit_code"),
        (ended(log_bytes=-1), "log_bytes"),
        (ended(log_sha256="x"), "log_sha256"),
        (ended(duration_s="long"), "duration_s"),
        (ended(outputs="all"), "outputs"),
        (ended(outputs=[{**MADE, "path": "a" * 401}]), ""),
        (ended(outputs=[{**MADE, "bytes": 10**18 * 4}]), ""),
    ],
)
def test_a_bad_event_is_refused_with_its_field(event, field, caller, job):
    answer = caller.stream(job, "events", 0, events(STARTED, event))

    status, name = refused(answer)
    assert status == 400
    assert name.startswith(f"events[1].{field}")
    assert (job.state, job.events_bytes) == ("starting", 0)
    assert caller.stream(job, "log", 0, LOG).json()["size"] == len(LOG)


@pytest.mark.parametrize(
    "lines",
    [
        b'{"type": "sta\n[1]\n{"type": "later"}\n' + DEEP.encode() + b"\n",
        events({"type": "note", "text": "x" * 300_000}),
        # Of a step that the job has not, and of a server that it does not start.
        events({"type": "step_started", "index": 7, "name": "x", "log_offset": 0}),
        events({"type": "serve_started", "deployment": 1, "run": 1}),
    ],
)
def test_lines_that_are_no_event_of_the_job_change_nothing_but_their_size(lines, caller, job):
    raw = lines + events(STARTED)

    assert caller.stream(job, "events", 0, raw).json()["size"] == len(raw)
    assert job.state == "running"
    assert not JobStep.objects.exclude(started_at=None).exists()


def test_long_words_of_an_error_are_shortened_not_refused(caller, job):
    failed = ended("failed", message_id="internal:launcher", message_args={"problem": "x" * 9999})
    caller.stream(job, "log", 0, LOG)

    caller.stream(job, "events", 0, events(STARTED, failed))

    assert (job.state, len(job.message_args["problem"])) == ("failed", 4000)


@pytest.mark.parametrize(
    ("point", "field"),
    [
        ({"w": "engine", "t": "now", "v": {}}, "t"),
        ({"w": "engine", "t": 1e300, "v": {}}, "t"),
        ({"w": "", "t": 1, "v": {}}, "w"),
        ({"w": "engine" * 20, "t": 1, "v": {}}, "w"),
        ({"w": "engine", "t": 1, "v": {"a": "1"}}, "v.a"),
        ({"w": "engine", "t": 1, "v": {"a": 1e300}}, "v.a"),
        ({"w": "engine", "t": 1, "v": {str(n): n for n in range(257)}}, "v"),
        ([], ""),
    ],
)
def test_a_bad_point_is_refused_with_its_field(point, field, caller, job):
    good = json.dumps({"w": "engine", "t": 1, "v": {"a": 1.0}})

    answer = caller.stream(job, "points", 0, f"{good}\n{json.dumps(point)}\n".encode())

    status, name = refused(answer)
    assert status == 400
    assert name.startswith("points[1]")
    assert name.endswith(field)
    assert not PointBlock.objects.exists()
    assert caller.stream(job, "log", 0, LOG).json()["size"] == len(LOG)


FINDING = {"name": "shm", "level": "ok", "message_id": "check:shm", "message_args": {}}


@pytest.mark.parametrize(
    ("findings", "field"),
    [
        (None, "findings"),
        (1, "findings"),
        (["shm"], "findings.0"),
        ([{**FINDING, "level": "fine"}], "findings.0.level"),
        ([{**FINDING, "message_args": "all"}], "findings.0.message_args"),
        ([{**FINDING, "message_id": 7}], "findings.0.message_id"),
        ([{**FINDING, "name": "x" * 65}], "findings.0.name"),
        ([{"level": "ok", "message_id": "check:shm"}], "findings.0.name"),
    ],
)
def test_bad_findings_are_refused_with_their_field(findings, field, caller):
    asked = preflights.ask(caller.host, make_job(host=caller.host).plan, {})

    assert refused(caller.post(f"checks/{asked.pk}", {"findings": findings})) == (400, field)

    assert stored(asked, "done_at") is None


def test_a_claim_of_a_bad_run_is_refused(caller):
    path = f"deployments/{make_deployment(host=caller.host).pk}/claim"

    for run in (None, "2", 2**63, -1, [2], 1.5):
        assert refused(caller.post(path, {"run": run})) == (400, "run"), run


def test_a_refusal_is_on_the_hosts_page_once_until_an_administrator_clears_it(caller, admin_client):
    make_job(host=caller.host)
    for _ in range(3):
        caller.post("heartbeat", BEAT | {"now": "soon"})

    assert admin_client.get("/").status_code == 200
    page = admin_client.get(f"/hosts/{caller.host.name}/")
    assert "Messages of this host were refused." in page.text
    assert "now: " in page.text
    assert [one["about"] for one in stored(caller.host, "refusals")] == ["heartbeat"]

    admin_client.post(f"/hosts/{caller.host.name}/refusals/forget/")
    assert stored(caller.host, "refusals") == []


def test_facts_are_taken_without_what_is_unknown_and_too_many_images(caller):
    images = [f"image:{n}" for n in range(2001)]

    caller.beat(facts={**FACTS, "quantum": {"bits": 3}, "images": images})

    assert stored(caller.host, "facts") == {**FACTS, "images": images[:2000]}


@pytest.mark.parametrize("path", ["x" * 256, "é" * 200, "a/" + "x" * 256, "made/x", "folder"])
def test_a_path_that_no_file_can_have_is_refused(path, caller, job):
    caller.output(job, "made", b"1")
    caller.output(job, "folder/y", b"1")

    answer = caller.output(job, path, b"2")

    assert (answer.status_code, answer.json()["error"]) == (400, "intake:output")
    assert set(job.outputs.values_list("path", flat=True)) == {"made", "folder/y"}


def test_host_and_dashboard_speak_one_protocol():
    assert host_client.PROTOCOL == Host.PROTOCOL


def test_an_outdated_host_is_refused_and_logged_once(caller, caplog):
    caller.headers["X-Protocol"] = "1"

    answers = [caller.post("heartbeat", {}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [426] * 3
    assert answers[0].json()["upgrade_to"] == 2
    assert caplog.text.count("this-computer speaks host protocol 1: update it to 2") == 1


def test_a_protocol_of_no_earlier_host_is_refused_and_not_noted(caller):
    for protocol in ("0", "3", "x", "9" * 400, ""):
        caller.headers["X-Protocol"] = protocol
        assert caller.post("heartbeat", {}).status_code == 426, protocol
    assert not stored(caller.host, "is_outdated")


def test_its_queue_waits_until_it_is_updated(caller, kind, client):
    queued = make_job(host=caller.host, plan=make_plan(kind="fake"))
    client.force_login(make_user("ada"))
    caller.headers["X-Protocol"] = "1"

    caller.post("heartbeat", {})

    page = client.get(reverse("host-detail", args=[caller.host.name])).text
    assert "This host runs an earlier version." in page
    queued.refresh_from_db()
    assert queued.state == "queued"

    caller.headers["X-Protocol"] = "2"
    caller.beat()
    assert stored(queued, "state") == "starting"
