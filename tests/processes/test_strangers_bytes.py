"""Workers with limits read the files of tools: jobs close, pages answer."""

import io
import json
import os
import signal
import threading
import time
import zipfile

import pytest

from jobs.host.base import process
from tests.dashboard.lib.logged_in import LoggedIn
from tests.hostile_server import hostile
from tests.processes.lib.hostile import (
    bounded_memory,
    claimed,
    hostile_host,
    import_with_killed_readers,
    send_end,
    send_log,
    send_output,
    sent_jobs,
)

pytestmark = pytest.mark.processes

FAILED = {"verdict": "failed", "message_id": "work:exit", "exit_code": 1}
# Each of its positions begins a path for the signature.
QUADRATIC = b"a" * 400_000 + b"is no safetensors file\n"
LISTS, OBJECTS = b"[]," * 300_000, b"{}," * 300_000  # 64 bytes for each three, once parsed
NESTED = [b'{"x":[', *[LISTS] * 200, b"[]]}"]
VLLM = b'{"request_throughput":1,"output_throughput":1,"mean_ttft_ms":1,"completed":1,"x":['
EVENT = b'data: {"id":"%s","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n' % (b"x" * 200)
HONEST = b'{"path": "/w/x", "bytes": 5, "sha256": "' + b"a" * 64 + b'", "precision": "Q4_1"}'


@pytest.fixture(scope="module")
def stack(shared):
    return shared.stack


@pytest.fixture(scope="module")
def host(stack):
    return hostile_host(stack, "stranger")


@pytest.fixture(scope="module")
def jobs(stack, host):
    return iter(sent_jobs(stack, "stranger"))


@pytest.fixture
def job(host, jobs):
    """A job, claimed just now, because this host names none in heartbeats."""
    return claimed(host, next(jobs))


def end_beside(stack, work, *arguments, **fields):
    """Do a work while pages answer and the web process's memory stays."""
    person, end = LoggedIn(stack), threading.Thread(target=work, args=arguments, kwargs=fields)
    with bounded_memory(stack):
        end.start()
        while end.is_alive():
            person.page("jobs/")
        end.join()


def test_a_log_that_no_pattern_reads_fast_holds_up_no_page(shared, host, job):
    send_log(host, job, QUADRATIC)

    end_beside(shared.stack, send_end, host, job, QUADRATIC, **FAILED, message_args={"step": "s"})

    assert host.beat()[0] == 200
    assert shared.job(job[0])["state"] == "failed"


def test_a_report_that_grows_when_it_is_read_ends_its_job(shared, host, job):
    sent = send_output(host, job, *NESTED)

    end_beside(shared.stack, send_end, host, job, outputs=[sent])

    closed = shared.job(job[0])
    assert closed["state"] == "errored"
    assert "more than 2 GB of memory" in closed["message"]


@pytest.mark.parametrize(
    ("body", "state", "length"),
    [
        (b'{"x":[' + b"[],\n" * (12 * 2**20) + b"[]]}", "failed", 0),
        (EVENT * 32_768 + b'data: {"choices":[{"finish_reason":"stop"}]}\n', "done", 32_768),
    ],
    ids=["48 MiB of lists", "32,768 tokens"],
)
def test_an_answer_of_megabytes_holds_up_no_page(stack, body, state, length):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    person = LoggedIn(stack)
    with hostile(lambda send, _stopped: send(head + body)) as engine:
        order = {"engine": engine.url, "requests": [{"tokens": 1}]}
        (turn,) = stack.call("orders.turns", **order)["turns"]
        end_beside(stack, person.page, f"relay/turns/{turn}/start", b"")

    told = (
        "from jobs.models import Turn; t = Turn.objects.get(pk={}); print(t.state, len(t.answer))"
    )
    assert stack.shell(told.format(turn)).split() == [state, str(length)]


def test_an_archive_that_grows_when_it_is_read_is_refused(shared):
    packed, answers = io.BytesIO(), []
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("result.json", "w") as member,
    ):
        member.writelines((VLLM, *[OBJECTS] * 107, b"{}]}"))

    def send():
        answers.append(shared.upload("imports?name=a.zip", packed.getvalue()))

    end_beside(shared.stack, send)

    ((status, answer),) = answers
    assert status == 422
    assert "more than 2 GB of memory" in json.dumps(answer)


def test_a_verdict_whose_reader_was_killed_is_made_again(shared, stack, host, job):
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
    assert shared.job(job[0])["state"] == "succeeded"


def test_an_argument_of_another_type_closes_its_job(shared, host, job):
    statuses = send_end(host, job, **FAILED, message_args={"step": [1]})

    assert statuses == [200]
    assert shared.job(job[0])["state"] == "failed"


def test_an_import_whose_reader_is_killed_is_refused_or_whole(shared):
    import_with_killed_readers(shared)
