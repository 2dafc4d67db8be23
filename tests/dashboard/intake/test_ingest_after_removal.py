"""A host that was given up comes back after its job's log and files were removed: it can finish."""

import hashlib
from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import now

from jobs import logstore
from jobs.base.messages import Message
from jobs.host.base import spool as spools
from jobs.host.base.client import Client, JsonReply
from jobs.host.base.spool import JOB, Meta
from jobs.host.ship import Shipped, Shipper
from jobs.logstore import files
from jobs.models import Deployment, Job
from jobs.queries.hosts import instance_id
from jobs.schedule import lifecycle
from jobs.services.outputs import outputs_folder
from jobs.services.upkeep import retention
from tests.dashboard.lib.host_caller import STARTED, ended, events, taken_job
from tests.factories import make_deployment, stored

HERE, REST = b"one\n", b"two\nthree\n"
OUTPUT = {"name": "made", "path": "x.json", "bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
POINT = b'{"t": 1.0, "w": "engine", "v": {"a": 1}}\n'


@pytest.fixture
def lost_job(caller, kind):
    """A job that counts as lost, and of whose log half is here."""
    job = taken_job(caller)
    caller.stream(job, "log", 0, HERE)
    caller.stream(job, "points", 0, POINT)
    lifecycle.finish_job(job.pk, "lost", message=Message("job:missing", {"host": "x"}))
    return job


@pytest.fixture
def job(lost_job, settings):
    """A lost job that retention has removed."""
    job, settings.RETENTION_AGE_S = lost_job, 86400.0
    Job.objects.filter(pk=job.pk).update(finished_at=now() - timedelta(days=2))
    retention.apply_retention()
    assert stored(job, "removed_at") is not None
    return job


def test_it_goes_on_from_its_offset_and_what_comes_is_counted_and_not_kept(caller, job):
    removed = job.removed_bytes
    offsets = caller.get(f"jobs/{job.pk}/streams").json()
    assert (offsets["log"], offsets["points"]) == (len(HERE), len(POINT))

    assert caller.stream(job, "log", len(HERE), REST).json()["size"] == len(HERE + REST)
    assert caller.stream(job, "log", len(HERE), REST).status_code == 409  # it has come already
    caller.stream(job, "points", len(POINT), POINT)
    output = caller.output(job, "x.json", b"{}")

    assert (output.status_code, output.json()["size"]) == (200, 2)
    row = job.outputs.get()
    assert (row.path, row.bytes, row.sha256) == ("x.json", 2, OUTPUT["sha256"])
    assert caller.get(f"jobs/{job.pk}/streams").json()["outputs"] == {"x.json": 2}
    job.refresh_from_db()
    assert logstore.store().disk_bytes(f"job/{job.pk}") == 0
    assert not outputs_folder(job.pk).exists()
    assert not job.point_blocks.exists()
    assert (job.log_bytes, job.removed_bytes) == (len(HERE + REST), removed + len(REST))
    assert job.points_bytes == 2 * len(POINT)
    assert (job.stored_bytes, job.state) == (0, "lost")


def test_the_last_event_is_accepted_after_the_removal(caller, job):
    whole = HERE + REST
    last = ended(
        log_bytes=len(whole), log_sha256=hashlib.sha256(whole).hexdigest(), outputs=[OUTPUT]
    )
    sent = events(STARTED, last)

    answer = caller.stream(job, "events", 0, sent)

    assert (answer.status_code, answer.json()["size"]) == (200, len(sent))
    assert job.state == "lost"  # the first verdict stands


class InProcess(Client):
    """A host's own client, whose requests go straight to the intake."""

    def __init__(self, caller):
        self.caller = caller
        self.requests = 0

    def instance(self):
        return instance_id()

    def _request(self, method, path, body, headers):
        self.requests += 1
        answer = self.caller.client.generic(
            method,
            f"/api/v1/host/{path}",
            body or b"",
            content_type=headers.get("Content-Type", ""),
            headers={**self.caller.headers, **headers},
        )
        return JsonReply(answer.status_code, answer.json())


def test_the_hosts_own_shipper_comes_to_its_end(caller, job, tmp_path):
    meta = Meta(JOB, job.pk, instance_id(), str(job.claim_token), 1, "http://dashboard")
    spool = spools.create(tmp_path / "spool" / str(job.pk), meta, job.plan, {}, None)
    whole = HERE + REST * 100_000
    spool.log.write_bytes(whole)
    spool.points.write_bytes(POINT * 3)
    (spool.work / "x.json").write_bytes(b"{}")
    last = ended(
        log_bytes=len(whole),
        log_sha256=hashlib.sha256(whole).hexdigest(),
        points_bytes=3 * len(POINT),
        outputs=[OUTPUT],
    )
    spool.append_event("started", **{k: v for k, v in STARTED.items() if k != "type"})
    spool.append_event(**last)
    spools.write_json(spool.path / "exit.json", last)
    client = InProcess(caller)

    assert Shipper(spool, client).round() is Shipped.COMPLETE

    assert client.requests < 12
    assert stored(job, "state", "log_bytes") == ("lost", len(whole))
    assert logstore.store().disk_bytes(f"job/{job.pk}") == 0


def test_a_late_log_is_stored_and_measured_again(caller, lost_job, settings):
    job, settings.RETENTION_AGE_S = lost_job, None
    retention.apply_retention()
    before = Job.objects.get(pk=job.pk).stored_bytes

    assert caller.stream(job, "log", len(HERE), REST).json()["size"] == len(HERE + REST)
    assert caller.stream(job, "log", 3, b"?").status_code == 409
    retention.apply_retention()

    job.refresh_from_db()
    assert logstore.store().read(f"job/{job.pk}", 0, 99) == HERE + REST
    assert job.stored_bytes == logstore.store().disk_bytes(f"job/{job.pk}") + len(POINT)
    assert job.stored_bytes >= before + len(REST)
    assert job.log_bytes == len(HERE + REST)


@pytest.fixture
def server(caller, settings):
    """A server that counts as lost, whose log was removed."""
    settings.RETENTION_AGE_S = 86400.0
    server = make_deployment(host=caller.host)
    Deployment.objects.filter(pk=server.pk).update(host=caller.host)
    caller.stream(server, "log", 0, HERE)
    long_ago = now() - timedelta(days=2)
    Deployment.objects.filter(pk=server.pk).update(state="lost", stopped_at=long_ago)
    Job.objects.filter(pk=server.job_id).update(finished_at=long_ago)
    retention.apply_retention()
    assert stored(server, "removed_at") is not None
    return server


def test_a_server_that_ended_meanwhile_can_say_so(caller, server):
    assert caller.get(f"deployments/{server.pk}/streams").json()["log"] == len(HERE)
    assert caller.stream(server, "log", len(HERE), REST).status_code == 200

    last = events(STARTED, ended("failed", log_bytes=len(HERE + REST), message_id="host:rebooted"))
    assert caller.stream(server, "events", 0, last).status_code == 200

    assert (server.state, server.log_bytes) == ("failed", len(HERE + REST))
    assert logstore.store().disk_bytes(f"deployment/{server.pk}") == 0


def test_a_running_server_sends_its_log_from_the_start(caller, server):
    named = {"id": server.pk, "token": str(server.claim_token), "run": server.run}
    caller.beat(serves=[{**named, "state": "running", "health": "ready", "port": 20000}])

    assert stored(server, "state", "removed_at") == ("ready", None)
    refused = caller.stream(server, "log", len(HERE), REST)
    assert (refused.status_code, refused.json()["size"]) == (409, 0)
    assert caller.stream(server, "log", 0, HERE + REST).status_code == 200
    assert logstore.store().read(f"deployment/{server.pk}", 0, 99) == HERE + REST


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_packed_log_is_unpacked_outside_a_transaction(caller, lost_job, monkeypatch):
    job = lost_job
    assert logstore.store().pack(f"job/{job.pk}")
    unpack, held = files._unpack, []

    def looks(*args):
        held.append(connection.in_atomic_block)
        unpack(*args)

    monkeypatch.setattr(files, "_unpack", looks)

    assert caller.stream(job, "log", len(HERE), REST).json()["size"] == len(HERE + REST)

    assert held == [False]
    assert logstore.store().read(f"job/{job.pk}", 0, 99) == HERE + REST


@pytest.mark.parametrize("where", ["frame", "table"])
def test_a_damaged_packed_log_is_fetched_again_from_its_host(caller, lost_job, where):
    job, key = lost_job, f"job/{lost_job.pk}"
    assert logstore.store().pack(key)
    packed = logstore.store().path(key).with_suffix(".log.zst")
    if where == "table":
        damaged = b"not at all"
    else:
        raw = packed.read_bytes()
        damaged = raw[:15] + bytes([raw[15] ^ 1]) + raw[16:]
    packed.write_bytes(damaged)

    offset = caller.get(f"jobs/{job.pk}/streams").json()["log"]
    assert offset == (0 if where == "table" else len(HERE))
    refused = caller.stream(job, "log", len(HERE), REST)
    assert (refused.status_code, refused.json()["size"]) == (409, 0)
    assert caller.stream(job, "log", 0, HERE + REST).json()["size"] == len(HERE + REST)

    assert logstore.store().read(key, 0, 99) == HERE + REST
    aside = logstore.store().path(key).parent.parent / "aside" / f"job-{job.pk}" / packed.name
    assert aside.read_bytes() == damaged
