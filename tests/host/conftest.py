"""A host's folder, an intake to talk to, and real processes that are gone after each test."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jobs.host.agent.agent import Agent
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.base.client import Client
from jobs.host.base.config import Config
from jobs.host.checks import is_free
from jobs.host.run import commands
from jobs.plans import Plan, Step
from tests.host.intake import KEY, Intake, Record
from tests.waiting import PATIENCE_S, until

REPOSITORY = Path(__file__).parents[2]
# A server that answers with Prometheus counters.
METRICS_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'# HELP a b\\na{x="} 9"} 1\\na{x="2"} 2.5\\nb 7\\na_total 4\\n')
    def log_message(self, *args):
        pass
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def host_dir(tmp_path):
    folder = tmp_path / "host"
    for name in ("spool", "serve"):
        (folder / name).mkdir(parents=True)
    yield folder
    for spool in spools.all_spools(folder):
        pid = spools.launcher_pid(spool)
        if pid is not None:
            process.send(pid, signal.SIGKILL)
        for left in commands.marked(spool.path):
            process.send(left, signal.SIGKILL)


@pytest.fixture
def disk_of(host_dir):
    """Make the host's folder a disk of its own, of this size."""

    def mount(size):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(host_dir)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("a small disk needs root and mount(8)")
        for name in spools.FOLDERS:
            (host_dir / name).mkdir()
        return host_dir

    yield mount
    subprocess.run(["umount", "--lazy", str(host_dir)], capture_output=True)


@pytest.fixture
def intake():
    server = Intake()
    yield server
    server.close()


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Put a program on the PATH, which has no others: a shell script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name, script):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return write


@pytest.fixture
def ports():
    """First and last of ten ports in a row that nothing listens on."""
    for first in range(21000, 32000, 10):
        if all(is_free(port) for port in range(first, first + 10)):
            return first, first + 9
    raise AssertionError("no ten ports in a row are free")


@pytest.fixture
def config(request, host_dir, ports):
    has_intake = "intake" in request.fixturenames
    url = request.getfixturevalue("intake").url if has_intake else "http://127.0.0.1:1"
    return Config(
        name="here",
        dashboard_url=url,
        redis_url="redis://127.0.0.1:1/0",
        key=KEY,
        dir=host_dir,
        wheels_dir=None,
        ports=ports,
        allowed_programs=("default", "sh", "true", "false", "sleep", "cat"),
    )


@pytest.fixture
def client(intake, config):
    return Client(config)


def args_of(ended):
    """Return the arguments of the message, without the host's state."""
    return {name: value for name, value in ended["message_args"].items() if name != "host"}


@pytest.fixture
def make_spool(host_dir):
    """A job's spool as it is when it has been taken and not started."""

    def make(*steps, number=1, instance="i-1", token="t-1", deployment=None, values=None, **plan):
        path = host_dir / "spool" / str(number)
        meta = spools.Meta("job", number, instance, token, 1, "http://127.0.0.1:1")
        values = {"job_dir": str(path), **(values or {})}
        return spools.create(path, meta, plan_of(*steps, **plan), values, deployment)

    return make


@pytest.fixture
def started():
    """Processes of a test, killed after the test."""
    processes = []
    yield processes
    for popen in processes:
        popen.kill()
        popen.wait()


@pytest.fixture
def launch(started):
    """Run a launcher in the foreground of a process of its own; the process."""

    def start(spool, *options, wait=True):
        argv = [sys.executable, "-m", "jobs.host.run.launcher", str(spool.path), *options]
        popen = subprocess.Popen(argv, cwd=REPOSITORY, start_new_session=True)
        started.append(popen)
        if wait:
            assert popen.wait(PATIENCE_S) == 0
        return popen

    return start


@pytest.fixture
def up(make_spool, launch):
    """A job whose command has printed something and goes on: its spool and its launcher."""

    def start(*steps, options=(), **plan):
        spool = make_spool(*steps, **plan)
        popen = launch(spool, *options, wait=False)
        until(lambda: spool.log.stat().st_size)
        return spool, popen

    return start


def kill_launcher(spool):
    os.kill(until(lambda: spools.launcher_pid(spool)), signal.SIGKILL)
    until(lambda: not spool.is_running())


@pytest.fixture
def make_server(host_dir):
    """The spool of a server as it is before its launcher starts."""

    def make(number, *, plan=None, instance="i-1", token="t-1", run=1, values=None):
        meta = spools.Meta("deployment", number, instance, token, run, "")
        plan = plan or plan_of("true")
        return spools.create(host_dir / "serve" / str(number), meta, plan, values or {}, None)

    return make


def to_its_end(make, launch):
    """Return a function: the spool that ``make`` makes, once a launcher has run it to its end."""

    def run(*steps, **plan):
        spool = make(*steps, **plan)
        launch(spool)
        return spool

    return run


@pytest.fixture
def ran(make_spool, launch):
    return to_its_end(make_spool, launch)


@pytest.fixture
def queued(intake):
    """Make a job that the next heartbeat names; its record."""

    def queue(*steps, number=7, **plan):
        intake.jobs[number] = record_of(*steps, **plan)
        intake.start.add(number)
        return intake.jobs[number]

    return queue


@pytest.fixture
def start_agent(intake, config, started):
    """Start a real agent process; stopped after the test."""

    def start(**more):
        popen = subprocess.Popen(
            [sys.executable, "-m", "jobs.host.agent.agent"],
            cwd=REPOSITORY,
            env={**os.environ, **config.as_environment(), **more},
        )
        started.append(popen)
        return popen

    return start


@pytest.fixture
def agent_in_thread(intake, config):
    """Start an agent in this process, so that a test may change its parts."""
    started = []

    def start():
        agent = Agent(config)
        thread = threading.Thread(target=agent.run)
        started.append((agent, thread))
        thread.start()
        return agent

    yield start
    for agent, thread in started:
        agent.stop()
        thread.join()


def plan_of(*steps, **plan):
    """A plan as JSON. A step is a shell command, or a Step."""
    made = [
        step if isinstance(step, Step) else Step(f"step-{i}", ("sh", "-c", step))
        for i, step in enumerate(steps)
    ]
    return Plan(kind="test", steps=tuple(made), **plan).to_json()


def record_of(*steps, values=None, deployment=None, **plan):
    """A queued job of the intake."""
    return Record(plan_of(*steps, **plan), values or {}, deployment)


def text_of(path):
    """Text of a file; "" without one."""
    return path.read_text() if path.exists() else ""
