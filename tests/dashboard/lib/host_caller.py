"""A host's side of the intake: its requests and events."""

import hashlib
import json
import time
import zlib
from typing import Any

import zstandard
from django.test import Client

from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind
from jobs.metrics.measured import LOG as LOG_END
from jobs.metrics.measured import Outcome
from jobs.models import Job
from jobs.plans import Output
from jobs.queries.hosts import instance_id
from jobs.schedule import lifecycle
from tests.factories import heartbeat_body, host_key, make_job, make_plan

LOG = b"one\ntwo\n"
# The folders without which nothing can be planned on a host.
ROOTS = {
    name: f"/h/{name}"
    for name in ("environments", "spool", "serve", "weights", "artifacts", "datasets")
}
CPU = {"model": "EPYC 7543", "cores": 2, "avx512": False}


def status(key: str) -> int:
    """Return the intake's status for a request about a missing job; 404: the key is known."""
    headers = {"Authorization": f"Bearer {key}", "X-Protocol": "2", "X-Instance": instance_id()}
    return Client().get("/api/v1/host/jobs/999/streams", headers=headers).status_code


class Caller:
    def __init__(self, host):
        self.host = host
        self.client = Client()
        self.headers = {
            "Authorization": f"Bearer {host_key(host.name)}",
            "X-Protocol": "2",
            "X-Instance": instance_id(),
        }

    def post(self, path: str, body: Any) -> Any:
        return self.client.post(
            f"/api/v1/host/{path}",
            json.dumps(body),
            content_type="application/json",
            headers=self.headers,
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/host/{path}", headers=self.headers)

    def beat(self, **fields: Any) -> Any:
        """Send a heartbeat; facts have the folders of every host."""
        if "facts" in fields:
            fields["facts"] = {"roots": ROOTS, **fields["facts"]}
        about = {"now": time.time(), "load": {"load_1m": 0.5}}
        return self.post("heartbeat", heartbeat_body(**{**about, **fields})).json()

    def send(self, path: str, raw: bytes, *, token: Any, **headers: str) -> Any:
        sent = {
            "X-Token": str(token),
            "X-Crc32": str(zlib.crc32(raw)),
            "X-Raw-Bytes": str(len(raw)),
            **headers,
        }
        return self.client.post(
            f"/api/v1/host/{path}",
            zstandard.compress(raw),
            content_type="application/zstd",
            headers=self.headers | sent,
        )

    def stream(self, job: Any, stream: str, offset: int, raw: bytes) -> Any:
        """Send a chunk; ``job`` is as it is afterwards."""
        kind = "jobs" if isinstance(job, Job) else "deployments"
        path = f"{kind}/{job.pk}/streams/{stream}?offset={offset}"
        answer = self.send(path, raw, token=job.claim_token)
        job.refresh_from_db()
        return answer

    def output(self, job: Job, path: str, raw: bytes, *, offset: int = 0, **headers: str) -> Any:
        sent = {
            "X-Name": "made",
            "X-Total": str(len(raw)),
            "X-Sha256": hashlib.sha256(raw).hexdigest(),
            **headers,
        }
        where = f"jobs/{job.pk}/outputs?path={path}&offset={offset}"
        return self.send(where, raw, token=job.claim_token, **sent)


def events(*items: dict[str, Any]) -> bytes:
    base = {"at": 1_795_000_000.0, "mono": 1.0}
    return b"".join(
        json.dumps({"seq": seq, **base, **item}).encode() + b"\n" for seq, item in enumerate(items)
    )


def ended(verdict: str = "succeeded", **fields: Any) -> dict[str, Any]:
    return {
        "type": "ended",
        "verdict": verdict,
        "message_id": "done",
        "message_args": {},
        "exit_code": 0,
        "duration_s": 4.5,
        "log_bytes": len(LOG),
        "log_sha256": hashlib.sha256(LOG).hexdigest(),
        "points_bytes": 0,
        "outputs": [],
        "run": 1,
        **fields,
    }


STARTED = {"type": "started", "values": {"port": "20000"}, "boot_id": "b", "run": 1}


class FakeKind(Kind, params=KINDS["prepare"].Params):
    """A kind with the outcome that the test sets."""

    name = title = good_for = "fake"
    reads = "readings.fake"
    family = "prepare"

    def __init__(self, outcome=None):
        self.outcome = outcome or Outcome()
        self.outputs = {}
        self.log = b""

    def title_of(self, params, target):
        return "fake"

    def plan(self, params, target):
        return make_plan(kind="fake")

    def read(self, ended):
        self.outputs = dict(ended.outputs)
        self.log = self.outputs.pop(LOG_END)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def taken_job(caller, **fields) -> Job:
    plan = make_plan(kind="fake", outputs=(Output("made", "*"), Output("made", "*/*")))
    job = make_job(host=caller.host, plan=plan, **fields)
    lifecycle.lease_job(job.pk, values={"job": str(job.pk)})
    caller.post(f"jobs/{job.pk}/claim", {"claim_id": "n"})
    return job


def end(caller, job, *items, offset=0):
    caller.stream(job, "log", 0, LOG)
    return caller.stream(job, "events", offset, events(STARTED, *items))
