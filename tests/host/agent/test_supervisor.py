"""The supervisor with real processes: its children, their bounded output, and make above it."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.host.agent import supervisor
from jobs.host.agent.worker import children
from jobs.host.base import process
from tests.host.conftest import REPOSITORY, text_of
from tests.waiting import PATIENCE_S, until

# argv: log file, then one shell command a child.
PROGRAM = """
import sys
from jobs.host.agent.supervisor import Child, Supervisor
log = open(sys.argv[1], "a", buffering=1)
children = [Child(f"child {i}", ["sh", "-c", text]) for i, text in enumerate(sys.argv[2:])]
sys.exit(Supervisor(children, lambda line: print(line, file=log)).run())
"""


@pytest.fixture
def supervise(tmp_path, started):
    def start(*commands, program=PROGRAM):
        argv = [sys.executable, "-c", program, str(tmp_path / "log"), *commands]
        started.append(subprocess.Popen(argv, cwd=tmp_path, env={**os.environ, **_PATH}))
        return started[-1]

    return start


_PATH = {"PYTHONPATH": str(Path(__file__).parents[3])}


def _numbers(path):
    return [int(line) for line in text_of(path).split()]


@pytest.mark.processes
def test_a_killed_child_is_back_under_a_new_process(supervise, tmp_path):
    supervise("echo $$ >> pids; exec sleep 60")
    first = until(lambda: _numbers(tmp_path / "pids"))[0]

    os.kill(first, signal.SIGKILL)

    second = until(lambda: _numbers(tmp_path / "pids")[1:])[0]
    assert second != first
    assert "child 0 (process" in (tmp_path / "log").read_text()
    assert "was ended by SIGKILL" in (tmp_path / "log").read_text()


@pytest.mark.processes
def test_sigterm_stops_the_children_last_first(supervise, tmp_path):
    command = "trap 'echo {0} >> order; exit 0' TERM; echo $$ >> pids; while :; do sleep 0.05; done"
    popen = supervise(command.format(1), command.format(2))
    pids = until(lambda: len(_numbers(tmp_path / "pids")) == 2 and _numbers(tmp_path / "pids"))

    popen.send_signal(signal.SIGTERM)

    assert popen.wait(PATIENCE_S) == 0
    assert _numbers(tmp_path / "order") == [2, 1]
    assert not any(process.is_running(pid) for pid in pids)


@pytest.mark.processes
def test_a_killed_supervisor_leaves_no_child(supervise, tmp_path):
    popen = supervise("echo $$ >> pids; exec sleep 60")
    pid = until(lambda: _numbers(tmp_path / "pids"))[0]

    popen.kill()

    until(lambda: not process.is_running(pid))


@pytest.mark.processes
def test_a_child_that_dies_at_once_is_restarted_ever_later(supervise, tmp_path):
    supervise("exit 3")

    text = until(lambda: _log_with(tmp_path, "3 times in a row"))

    assert text.splitlines()[0].endswith("ended with exit code 3. It is started again in 0.5 s.")
    assert text.splitlines()[2].endswith("3 times in a row. It is started again in 2 s.")


@pytest.mark.processes
def test_a_program_that_does_not_exist_is_a_message(supervise, tmp_path):
    supervise("/nowhere/tool", program=PROGRAM.replace('["sh", "-c", text]', "[text]"))

    assert "'/nowhere/tool'" in until(lambda: _log_with(tmp_path, "cannot be started"))


def _log_with(tmp_path, phrase):
    text = text_of(tmp_path / "log")
    return text if phrase in text else ""


SUPERVISED = """
import sys
from jobs.host.agent import supervisor
supervisor.MOST_BYTES = 1000
child = supervisor.Child("talker", [sys.executable, "-c", "print('x' * 600, flush=True)"])
sys.exit(supervisor.Supervisor([child], lambda text: print(text, flush=True)).run())
"""


@pytest.fixture
def bounded(monkeypatch):
    monkeypatch.setattr(supervisor, "MOST_BYTES", 100)


def test_a_file_is_moved_once_it_is_long_and_written_on(tmp_path, bounded):
    path = tmp_path / "server.log"
    with path.open("wb", buffering=0) as output:
        output.write(b"a" * 100)
        supervisor.bound_output([output.fileno()])
        assert path.read_bytes() == b"a" * 100
        output.write(b"a")
        supervisor.bound_output([output.fileno()])
        subprocess.run(["echo", "later"], stdout=output, check=True)

    assert (tmp_path / "server.log.1").read_bytes() == b"a" * 101
    assert path.read_bytes() == b"later\n"


def test_a_pipe_stays_as_it_is(bounded):
    reader, writer = os.pipe()
    os.write(writer, b"a" * 101)

    supervisor.bound_output([writer])

    assert os.read(reader, 200) == b"a" * 101
    os.close(reader)
    os.close(writer)


def test_a_file_that_cannot_be_moved_says_what_was_removed(tmp_path, bounded):
    path = tmp_path / "server.log"
    (tmp_path / "server.log.1").mkdir()
    with path.open("wb", buffering=0) as output:
        output.write(b"a" * 101)
        supervisor.bound_output([output.fileno()])
        output.write(b"later\n")

    first, later = path.read_text().splitlines()
    assert first.startswith("101 bytes of this log were removed, not moved: ")
    assert "server.log.1" in first
    assert later == "later"


@pytest.mark.processes
def test_the_output_of_a_supervisor_stays_bounded(tmp_path):
    path = tmp_path / "server.log"
    with path.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-c", SUPERVISED], stdout=output, stderr=output)
    try:
        until((tmp_path / "server.log.1").exists, "the file is moved")
    finally:
        running.terminate()
        running.wait()

    assert b"x" * 600 in (tmp_path / "server.log.1").read_bytes()


@pytest.mark.parametrize("target", ["run", "worker", "demo-host"])
def test_who_stops_make_stops_what_it_started(target, tmp_path):
    # systemd, nohup and kill know the process id of make alone.
    python = tmp_path / "python"
    trap = f"trap 'touch {tmp_path}/ended; exit' TERM"
    python.write_text(f"#!/bin/sh\n{trap}\ntouch {tmp_path}/begun\nwhile :; do sleep 0.05; done\n")
    python.chmod(0o755)
    command = ["make", target, "ENV=host.env", f"PYTHON={python}"]
    make = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    until((tmp_path / "begun").exists)

    make.terminate()

    until((tmp_path / "ended").exists)
    make.wait()


def test_only_a_host_with_redis_has_a_worker_beside_its_agent(config):
    with_redis, without = children(config), children(replace(config, redis_url=""))

    assert [child.name for child in with_redis] == ["the agent of here", "the worker of here"]
    assert [child.name for child in without] == ["the agent of here"]
