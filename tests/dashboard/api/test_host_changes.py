"""Changes of endpoints and hosts over the API."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from dashboard.intake.ingest import PROTOCOL
from jobs.models import AuditEntry, Endpoint, Host
from jobs.schedule.launch_rights import launcher_names
from tests.dashboard.lib.host_caller import status
from tests.factories import host_key, make_endpoint, make_host, make_job, make_user, stored


def test_a_changed_endpoint_keeps_the_fields_that_are_not_sent(lin):
    row = make_endpoint(created_by=lin.user, url="http://127.0.0.1:9", max_context=4096)

    answer = lin.send("patch", f"endpoints/{row.pk}", {"device": "8 × H20", "max_context": None})

    assert answer.status_code == 200
    assert (answer.json()["device"], answer.json()["max_context"]) == ("8 × H20", None)
    assert stored(row, "device", "devices", "model") == ("8 × H20", 8, "m")
    assert row.max_context is None
    assert AuditEntry.objects.get().detail["did"] == "change"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"url": "nowhere"}, 422, "url"),
        ({"name": ""}, 422, "name"),
        ({"model_id": "none"}, 422, "model_id"),
        ({"devices": 0}, 422, "devices"),
        ({"name": None}, 400, "name"),
        ({"surname": "H800"}, 400, "surname"),
    ],
)
def test_a_wrong_field_of_an_endpoint_is_named(lin, body, status, field):
    row = make_endpoint("ours", created_by=lin.user)

    answer = lin.send("patch", f"endpoints/{row.pk}", body)

    assert (answer.status_code, list(answer.json()["fields"])) == (status, [field])
    assert Endpoint.objects.get().name == "ours"


def test_an_endpoint_is_archived_and_restored(lin):
    row = make_endpoint(created_by=lin.user)

    archived = [lin.post(f"endpoints/{row.pk}/archive") for _ in range(2)]
    restored = lin.post(f"endpoints/{row.pk}/restore")

    assert [one.json()["archived"] for one in (*archived, restored)] == [True, True, False]
    entries = AuditEntry.objects.order_by("pk")
    assert [entry.detail["did"] for entry in entries] == ["archive", "restore"]


@pytest.fixture
def host():
    return make_host("va16-01", type=Host.Type.VACC)


def keys_of(answer):
    """The key of the file in an answer."""
    (line,) = [line for line in answer.json()["file"].split("\n") if line.startswith("HOST_KEY=")]
    return line.removeprefix("HOST_KEY=")


def test_an_added_host_is_let_in_by_the_key_that_is_shown_once(admin, settings):
    settings.PUBLIC_URL = "http://10.0.0.5:8000"

    added = admin.post("hosts", {"name": "va16-01", "slots": 3})

    key, row = keys_of(added), Host.objects.get()
    assert (added.status_code, added.json()["name"]) == (201, "va16-01")
    assert "no-store" in added.headers["Cache-Control"]
    assert (row.slots, row.type) == (3, Host.Type.VACC)
    assert status(key) == 404  # let in: there is no such job
    assert "PUBLIC_URL" not in added.json()["missing_settings"]
    assert key not in admin.get("hosts/va16-01").text + admin.get("audit").text
    assert AuditEntry.objects.get().action == "host.add"


def test_a_replaced_or_revoked_key_is_refused(admin, host):
    first = keys_of(admin.post("hosts/va16-01/key"))
    second = keys_of(admin.post("hosts/va16-01/key"))

    assert [status(key) for key in (host_key("va16-01"), first, second)] == [401, 401, 404]
    assert admin.send("delete", "hosts/va16-01/key").json()["name"] == "va16-01"
    assert status(second) == 401
    assert stored(host, "key_sha256") == ""


def test_a_host_of_the_dashboard_has_no_key_of_people(admin):
    host = make_host("here")

    answers = [admin.post("hosts/here/key"), admin.send("delete", "hosts/here/key")]

    assert [one.status_code for one in answers] == [404, 404]
    assert stored(host, "key_sha256") == host.key_sha256 != ""


def test_a_revoked_key_names_the_command_for_another_redis(admin, host):
    Host.objects.update(valkey_sha256="a" * 64)

    shown = admin.send("delete", "hosts/va16-01/key").json()["redis_command"]

    assert shown.startswith("ACL DELUSER ") and "va16-01" in shown


def test_slots_and_new_jobs_of_a_host_are_set(admin, host):
    slots = admin.send("patch", "hosts/va16-01", {"slots": 2})
    drained = admin.post("hosts/va16-01/drain", {"draining": True})

    assert (slots.json()["slots"], drained.json()["draining"]) == (2, True)
    assert stored(host, "slots", "draining") == (2, True)
    assert admin.post("hosts/va16-01/drain", {"draining": False}).json()["draining"] is False


def test_missing_dies_and_refused_messages_are_no_longer_listed(admin, host):
    refusal = {"at": now().isoformat(), "about": "job 1", "problem": "too long"}
    Host.objects.update(dies_seen=["0", "1"], refusals=[refusal])

    assert admin.post("hosts/va16-01/forget", {"what": "dies"}).status_code == 200
    assert stored(host, "dies_seen", "refusals") == ([], [refusal])
    assert admin.post("hosts/va16-01/forget", {"what": "refusals"}).status_code == 200
    assert stored(host, "refusals") == []


def test_only_an_offline_host_is_marked_as_lost_with_its_jobs(admin, host):
    job = make_job(host=host, state="running")

    online = admin.post("hosts/va16-01/mark-lost")
    assert (online.status_code, online.json()["error"]) == (409, "online")
    assert stored(job, "state") == "running"

    Host.objects.update(heartbeat_at=now() - timedelta(days=1))
    lost = admin.post("hosts/va16-01/mark-lost")
    assert lost.json() == {"name": "va16-01", "lost": 1}
    assert stored(job, "state") == "lost"


def test_a_host_is_open_to_the_named_people_or_to_everyone(admin, host):
    make_user("lin")
    address = "hosts/va16-01/launchers"

    assert admin.send("put", address, {"people": ["lin"]}).json()["launchers"] == ["lin"]
    unknown = admin.send("put", address, {"people": ["nobody"]})
    assert (unknown.status_code, list(unknown.json()["fields"])) == (422, ["people"])
    assert launcher_names(Host.objects.get()) == ["lin"]
    assert admin.send("put", address, {"people": None}).json()["launchers"] is None
    assert stored(host, "is_restricted") is False


def test_a_host_has_arrived_once_it_reports_after_that_time(lin, host):
    Host.objects.update(protocol=PROTOCOL)

    arrived = lin.get("hosts/va16-01/arrival", since=0).json()
    later = lin.get("hosts/va16-01/arrival", since=int(now().timestamp()) + 60).json()

    truths = {"protocol_matches": True, "clock_is_right": True}
    assert arrived == {"name": "va16-01", "has_heartbeat": True, "has_arrived": True, **truths}
    assert later == {"name": "va16-01", "has_heartbeat": False, "has_arrived": False, **truths}


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("post", "hosts", {"name": "Va16"}, 422, "name"),
        ("post", "hosts", {"name": "va16-01"}, 422, "name"),
        ("post", "hosts", {"name": "va16-02", "slots": 65}, 400, "slots"),
        ("patch", "hosts/va16-01", {"slots": 0}, 400, "slots"),
        ("patch", "hosts/va16-01", {"slots": True}, 400, "slots"),
        ("post", "hosts/va16-01/drain", {"draining": "1"}, 400, "draining"),
        ("post", "hosts/va16-01/forget", {"what": "jobs"}, 400, "what"),
        ("put", "hosts/va16-01/launchers", {}, 400, "people"),
    ],
)
def test_a_wrong_field_of_a_host_is_named(admin, host, method, path, body, code, field):
    answer = admin.send(method, path, body)

    assert (answer.status_code, list(answer.json()["fields"])) == (code, [field])
    assert Host.objects.get().slots == host.slots
