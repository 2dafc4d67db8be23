"""``kill -9`` in the middle of a benchmark, each time of something else: nothing is lost."""

import json
import os
import signal
from functools import partial

import pytest

from jobs.host.base import process
from tests.api import until

pytestmark = [pytest.mark.processes, pytest.mark.tour]

# Long enough to be still in the middle of it when all are back, on a machine that does much else.
LOAD = {"concurrency": [1], "requests": 16, "output_tokens": 128}


@pytest.fixture
def benchmark(toured):
    """A benchmark that is sending requests just now; its number."""
    deployment = toured.ask("deployments?state=ready")["deployments"][-1]["id"]  # the tour's own
    number = toured.launch("benchmark", deployment=str(deployment), **LOAD)
    until(lambda: is_loading(toured.spool(number)), "requests are being sent")
    return number


def is_loading(spool):
    """Return true if a point of this job has the engine at work on a request."""
    try:
        lines = (spool / "points.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return False
    points = [json.loads(line)["v"] for line in lines if line.endswith("}")]
    return any(v.get("llamacpp:requests_processing") for v in points)


def launcher(spool):
    return json.loads((spool / "launcher.json").read_text())["pid"]


def is_back(stack, child, killed):
    """Another process has taken the place of a killed one, and the dashboard is well."""
    return stack.children().get(child, killed) != killed and stack.health()[0] == 200


def goes_on_and_succeeds_once(api, number, pid):
    """The benchmark's own process lives through it; one start, one result, every byte."""
    spool = api.spool(number)
    assert process.is_running(pid)
    assert "ended" not in api.events(number)
    assert api.job(number)["state"] == "running"

    job = api.ended(number)

    assert job["state"] == "succeeded", job["message"]
    assert launcher(spool) == pid
    assert api.events(number).count("started") == 1
    assert api.events(number).count("ended") == 1
    assert len(api.ask(f"results?job={number}")["results"]) == 1
    shown, kept = api.log_sha256s(number)
    assert shown == kept == job["log_sha256"]


def test_a_benchmark_outlives_every_child_of_the_supervisor(stack, toured, benchmark):
    pid = launcher(toured.spool(benchmark))

    for child in ("worker", "agent", "web", "valkey", "dashboard worker"):
        killed = stack.kill(child)
        until(partial(is_back, stack, child, killed), f"{child} is back")
    assert "ended" not in toured.events(benchmark)

    children = stack.children()
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    until(lambda: not any(map(process.is_running, children.values())), "its children are gone")
    stack.start()
    stack.wait_ready()

    goes_on_and_succeeds_once(toured, benchmark, pid)
