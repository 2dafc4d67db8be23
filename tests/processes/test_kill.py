"""``kill -9`` in the middle of a benchmark, each time of something else: nothing is lost."""

import json
import os
import signal
from functools import partial

import pytest

from jobs.host.base import process
from tests.api import until
from tests.jobs.lib import scripted_engine

pytestmark = [pytest.mark.processes, pytest.mark.tour]

LOAD = {"concurrency": [1], "requests": 4, "output_tokens": 512}
CHAT = "/v1/chat/completions"
PERMIT = "from jobs.access import sources; sources.add('endpoint', '{url}', user=None)"


@pytest.fixture
def served(toured):
    """An engine whose answers take minutes, until its ``pause_s`` is 0."""
    with scripted_engine.engine() as running:
        running.pause_s = 1.0
        yield running


@pytest.fixture
def benchmark(toured, served):
    """A benchmark that is sending requests just now; its number."""
    toured.stack.shell(PERMIT.format(url=served.url))
    made = toured.ask("endpoints", {"name": "slow", "url": served.url, "device": "CPU"})
    number = toured.launch("benchmark", deployment=f"endpoint:{made['id']}", **LOAD)
    until(lambda: (CHAT, None) in served.asked, "a request is sent")
    return number


def launcher(spool):
    return json.loads((spool / "launcher.json").read_text())["pid"]


def is_back(stack, child, killed):
    """Another process has taken the place of a killed one, and the dashboard is well."""
    return stack.children().get(child, killed) != killed and stack.health()[0] == 200


def goes_on_and_succeeds_once(api, served, number, pid):
    """The benchmark's own process lives through it; one start, one result, every byte."""
    spool = api.spool(number)
    assert process.is_running(pid)
    assert "ended" not in api.events(number)
    assert api.job(number)["state"] == "running"

    served.pause_s = 0.0
    job = api.ended(number)

    assert job["state"] == "succeeded", job["message"]
    assert launcher(spool) == pid
    assert api.events(number).count("started") == 1
    assert api.events(number).count("ended") == 1
    assert len(api.ask(f"results?job={number}")["results"]) == 1
    shown, kept = api.log_sha256s(number)
    assert shown == kept == job["log_sha256"]


def test_a_benchmark_outlives_every_child_of_the_supervisor(stack, toured, served, benchmark):
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

    goes_on_and_succeeds_once(toured, served, benchmark, pid)
