"""A hostile host: its jobs, streams and files, and the memory that they take."""

import hashlib
import io
import json
import random
import re
import signal
import threading
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.host.base import process
from tests.dashboard.lib.http_host import HttpHost
from tests.waiting import until

CHUNK = 1024 * 1024
MORE_BYTES = 100 * 2**20
EVALUATION = Path(__file__).parents[2] / "data" / "evalscope-1.14-eval" / "finished"
# Jobs past the launch form: no kind runs on a host that was never there.
JOBS = """
from jobs.schedule import dispatch
from jobs.models import Host
from jobs.plans import Output, Plan, Step
from tests.factories import make_job
steps = (Step("print", ("python3", "-c", "print(1)")),)
plan = Plan(kind="prepare", steps=steps, outputs=(Output("made", "*.json"),))
Host.objects.filter(name="hostile").update(slots=9)
host = Host.objects.get(name="hostile")
params = {"what": "weights", "model": "smollm2-135m-instruct"}
print(*(make_job(plan=plan, host=host, params=params).pk for _ in range(4)))
dispatch.run()
"""


def lines(*items):
    """Events or points as a stream."""
    clock = {"at": time.time(), "mono": 1.0}
    return b"".join(
        json.dumps({"seq": n, **clock, **item}).encode() + b"\n" for n, item in enumerate(items)
    )


@contextmanager
def bounded_memory(stack):
    """The web process may take some more memory than before, at its peak."""
    process = Path(f"/proc/{stack.children()['web']}")
    with suppress(OSError):
        (process / "clear_refs").write_text("5")  # forget the peak of earlier tests

    def peak_bytes():
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())[1])

    before = peak_bytes()
    yield
    assert peak_bytes() - before < MORE_BYTES


def hostile_host(stack, name="hostile"):
    """Return a new host of the stack, after its first heartbeat."""
    key = re.search(r"HOST_KEY=(\S+)", stack.run_command("add_host", name))[1]
    host = HttpHost(stack.url, key)
    host.beat()
    return host


def sent_jobs(stack, name="hostile"):
    return list(map(int, stack.shell(JOBS.replace("hostile", name)).split()))


def claimed(host, job):
    """Claim a job; return its number and token."""
    return job, host.send(f"jobs/{job}/claim", {"claim_id": "n"})[1]["token"]


def send_log(host, job, log):
    for at in range(0, len(log), CHUNK):
        assert host.append(*job, "log", at, log[at : at + CHUNK])[0] == 200


def send_output(host, job, *parts):
    """Send ``weights.json``, whose parts may be one object many times; return what the end says of
    it."""
    hashed, total, sent = hashlib.sha256(), sum(map(len, parts)), 0
    for part in parts:
        hashed.update(part)
    digest = hashed.hexdigest()
    headers = {"X-Name": "made", "X-Total": str(total), "X-Sha256": digest}
    for part in parts:
        for at in range(0, len(part), CHUNK):
            path = f"jobs/{job[0]}/outputs?path=weights.json&offset={sent + at}"
            assert host.chunk(path, job[1], part[at : at + CHUNK], **headers)[0] == 200
        sent += len(part)
    return {"name": "made", "path": "weights.json", "bytes": total, "sha256": digest}


def send_end(host, job, log=b"", *, outputs=(), **fields):
    """Send the end until it is taken, as a host does; return the statuses."""
    ended = {
        **{"type": "ended", "verdict": "succeeded", "message_id": "work:done", "exit_code": 0},
        **{"message_args": {}, "duration_s": 1.0, "points_bytes": 0, "run": 1},
        **{"log_bytes": len(log), "log_sha256": hashlib.sha256(log).hexdigest()},
        **{"outputs": list(outputs), **fields},
    }
    events = lines({"type": "started", "values": {}}, ended)
    statuses = []

    def is_taken():
        statuses.append(host.append(*job, "events", 0, events)[0])
        return statuses[-1] in (200, 409)

    until(is_taken, "the end is taken")
    return statuses


def import_with_killed_readers(api):
    """Import a result while readers are killed at random: each time it is refused or stored once.
    It is stored whole when the kills are over."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(EVALUATION.rglob("*.json*")):
            archive.write(path, path.relative_to(EVALUATION))
    known = len(api.ask("results")["results"])
    (asked,) = api.upload("imports?name=a.zip&dry_run=true", packed.getvalue())[1]["results"]
    over, statuses = threading.Event(), []

    def kill():
        while not over.wait(random.uniform(0.01, 0.3)):
            for pid in process.descendants(api.stack.children()["web"]):
                process.send(pid, signal.SIGKILL)

    def is_stored():
        before = len(api.ask("results")["results"])
        status, answer = api.upload("imports?name=a.zip", packed.getvalue())
        statuses.append(status)
        if status == 200:
            return answer["results"][0]["result"]
        if len(statuses) == 3:
            over.set()
        # A worker may die between the record and its answer.
        assert len(api.ask("results")["results"]) in (before, known + 1)
        return None

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        number = until(is_stored, "the import is stored")
    finally:
        over.set()
        killer.join()

    assert set(statuses) <= {200, 422}
    assert len(api.ask("results")["results"]) == known + 1
    stored = api.ask(f"results/{number}")["metrics"]
    assert {one["name"] for one in asked["metrics"]} <= set(stored)
    assert stored["questions"] == len(asked["questions"])
