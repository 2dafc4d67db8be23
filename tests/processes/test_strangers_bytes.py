"""Workers with limits read the files of tools: jobs close, pages answer."""

import io
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from jobs.host.base import process
from tests.api import Api
from tests.dashboard.lib.logged_in import LoggedIn
from tests.processes.lib.hostile import (
    claimed,
    hostile_host,
    peak_bytes,
    send_end,
    send_log,
    send_output,
    sent_jobs,
)
from tests.stack import running
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

MEMORY_BYTES = 100 * 2**20  # more of the web process's memory than before
# Each of its positions begins a path for the signature.
QUADRATIC = b"a" * 400_000 + b"is no safetensors file\n"
LISTS, OBJECTS = b"[]," * 300_000, b"{}," * 300_000  # 64 bytes for each three, once parsed
NESTED = [b'{"x":[', *[LISTS] * 200, b"[]]}"]
VLLM = b'{"request_throughput":1,"output_throughput":1,"mean_ttft_ms":1,"completed":1,"x":['
EVALUATION = Path(__file__).parents[1] / "data" / "evalscope-1.14-eval" / "finished"
HONEST = b'{"path": "/w/x", "bytes": 5, "sha256": "' + b"a" * 64 + b'", "precision": "Q4_1"}'


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with running(tmp_path_factory.mktemp("strangers") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def host(stack):
    return hostile_host(stack)


@pytest.fixture(scope="module")
def jobs(stack, host):
    return iter(sent_jobs(stack))


@pytest.fixture
def job(host, jobs):
    """A job, claimed just now, because this host names none in heartbeats."""
    return claimed(host, next(jobs))


def job_of(stack, job):
    return Api(stack).job(job[0])


def test_a_log_that_no_pattern_reads_fast_holds_up_no_page(stack, host, job):
    person = LoggedIn(stack)
    before = peak_bytes(stack.children()["web"])
    send_log(host, job, QUADRATIC)
    step = {"step": "print"}
    failed = {"verdict": "failed", "message_id": "work:exit", "exit_code": 1}

    end = threading.Thread(
        target=send_end, args=(host, job, QUADRATIC), kwargs={**failed, "message_args": step}
    )
    end.start()
    while end.is_alive():
        person.page("jobs/")
        assert host.beat()[0] == 200
    end.join()

    assert job_of(stack, job)["state"] == "failed"
    assert peak_bytes(stack.children()["web"]) - before < MEMORY_BYTES


def test_a_report_that_grows_when_it_is_read_ends_its_job(stack, host, job):
    person = LoggedIn(stack)
    before = peak_bytes(stack.children()["web"])
    sent = send_output(host, job, *NESTED)

    end = threading.Thread(target=send_end, args=(host, job), kwargs={"outputs": [sent]})
    end.start()
    while end.is_alive():
        person.page("jobs/")
    end.join()

    closed = job_of(stack, job)
    assert closed["state"] == "errored"
    assert "more than 2 GB of memory" in closed["message"]
    assert peak_bytes(stack.children()["web"]) - before < MEMORY_BYTES


def test_an_archive_that_grows_when_it_is_read_is_refused(stack, host, tmp_path):
    person, made = LoggedIn(stack), stack.manage("create_token", "admin", "--scope", "launch")
    token = made.stdout.decode().strip()
    before = peak_bytes(stack.children()["web"])
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("result.json", "w") as member,
    ):
        member.writelines((VLLM, *[OBJECTS] * 107, b"{}]}"))
    request = urllib.request.Request(
        f"{stack.url}/api/v1/imports?name=a.zip",
        packed.getvalue(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"},
    )
    answers = []

    def send():
        try:
            urllib.request.urlopen(request, timeout=PATIENCE_S)
        except urllib.error.HTTPError as error:
            answers.append((error.code, error.read().decode()))

    sent = threading.Thread(target=send)
    sent.start()
    while sent.is_alive():
        person.page("jobs/")
    sent.join()

    (status, text) = answers[0]
    assert status == 422
    assert "more than 2 GB of memory" in text
    assert peak_bytes(stack.children()["web"]) - before < MEMORY_BYTES


def test_a_verdict_whose_reader_was_killed_is_made_again(stack, host, job):
    sent = send_output(host, job, HONEST)
    killed = []

    def kill():
        while not killed:
            for pid in process.descendants(stack.children()["web"]):
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                except ProcessLookupError:
                    pass
            time.sleep(0.001)

    killer = threading.Thread(target=kill)
    killer.start()
    send_end(host, job, outputs=[sent])
    killer.join()

    assert killed
    assert job_of(stack, job)["state"] == "succeeded"


def test_an_argument_of_another_type_closes_its_job(stack, host, job):
    failed = {"verdict": "failed", "message_id": "work:exit", "exit_code": 1}

    statuses = send_end(host, job, **failed, message_args={"step": [1]})

    assert statuses == [200]
    assert job_of(stack, job)["state"] == "failed"


def test_an_import_whose_reader_is_killed_is_refused_or_whole(stack):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(EVALUATION.rglob("*.json*")):
            archive.write(path, path.relative_to(EVALUATION))
    api, over = Api(stack), threading.Event()
    (asked,) = api.upload("imports?name=a.zip&dry_run=true", packed.getvalue())[1]["results"]

    def kill():
        while not over.wait(random.uniform(0.01, 0.3)):
            for pid in process.descendants(stack.children()["web"]):
                process.send(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    statuses = []

    def is_stored():
        before = len(api.ask("results")["results"])
        status, answer = api.upload("imports?name=a.zip", packed.getvalue())
        statuses.append(status)
        if status == 200:
            return answer["results"][0]["result"]
        if len(statuses) == 3:
            over.set()
        # A worker may die between the record and its answer.
        assert len(api.ask("results")["results"]) in (before, 1)
        return None

    try:
        number = until(is_stored, "the import is stored")
    finally:
        over.set()
        killer.join()

    assert set(statuses) <= {200, 422}
    assert len(api.ask("results")["results"]) == 1
    stored = api.ask(f"results/{number}")["metrics"]
    assert {one["name"] for one in asked["metrics"]} <= set(stored)
    assert stored["questions"] == len(asked["questions"])
