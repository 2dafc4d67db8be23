"""The supervisor with real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.host.base import process
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

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
    def start(*commands):
        argv = [sys.executable, "-c", PROGRAM, str(tmp_path / "log"), *commands]
        started.append(subprocess.Popen(argv, cwd=tmp_path, env={**os.environ, **_PATH}))
        return started[-1]

    return start


_PATH = {"PYTHONPATH": str(Path(__file__).parents[3])}


def _numbers(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_a_killed_child_is_back_under_a_new_process(supervise, tmp_path):
    supervise("echo $$ >> pids; exec sleep 60")
    first = until(lambda: _numbers(tmp_path / "pids"))[0]

    os.kill(first, signal.SIGKILL)

    second = until(lambda: _numbers(tmp_path / "pids")[1:])[0]
    assert second != first
    assert "child 0 (process" in (tmp_path / "log").read_text()
    assert "was ended by SIGKILL" in (tmp_path / "log").read_text()


def test_sigterm_stops_the_children_last_first(supervise, tmp_path):
    command = "trap 'echo {0} >> order; exit 0' TERM; echo $$ >> pids; while :; do sleep 0.05; done"
    popen = supervise(command.format(1), command.format(2))
    pids = until(lambda: len(_numbers(tmp_path / "pids")) == 2 and _numbers(tmp_path / "pids"))

    popen.send_signal(signal.SIGTERM)

    assert popen.wait(PATIENCE_S) == 0
    assert _numbers(tmp_path / "order") == [2, 1]
    assert not any(process.is_running(pid) for pid in pids)


def test_a_killed_supervisor_leaves_no_child(supervise, tmp_path):
    popen = supervise("echo $$ >> pids; exec sleep 60")
    pid = until(lambda: _numbers(tmp_path / "pids"))[0]

    popen.kill()

    until(lambda: not process.is_running(pid))


def test_a_child_that_dies_at_once_is_restarted_ever_later(supervise, tmp_path):
    supervise("exit 3")

    text = until(lambda: _log_with(tmp_path, "3 times in a row"))

    assert text.splitlines()[0].endswith("ended with exit code 3. It is started again in 0.5 s.")
    assert text.splitlines()[2].endswith("3 times in a row. It is started again in 2 s.")


def test_a_program_that_does_not_exist_is_a_message(supervise, tmp_path):
    code = PROGRAM.replace('["sh", "-c", text]', "[text]")
    argv = [sys.executable, "-c", code, str(tmp_path / "log"), "/nowhere/tool"]
    popen = subprocess.Popen(argv, cwd=tmp_path, env={**os.environ, **_PATH})
    try:
        text = until(lambda: _log_with(tmp_path, "cannot be started"))
    finally:
        popen.kill()
        popen.wait()

    assert "'/nowhere/tool'" in text


def _log_with(tmp_path, phrase):
    path = tmp_path / "log"
    text = path.read_text() if path.exists() else ""
    return text if phrase in text else ""
