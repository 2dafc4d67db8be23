"""Launchers that stand by, and what the end of a launcher kills and spares."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.run.commands import UMASK
from jobs.host.run.spawn import Standby
from tests.host.conftest import REPOSITORY
from tests.waiting import until

pytestmark = pytest.mark.processes


@pytest.fixture
def standby():
    spare = Standby()
    yield spare
    if spare._socket is not None:
        spare._socket.close()


def test_one_process_that_stands_by_starts_all_jobs_detached(standby, make_spool):
    standby.prepare()
    first, second = (make_spool("echo hi; sleep 0.3", number=number) for number in (1, 2))

    for spool in (first, second):
        standby.start(spool, spool.lock())
        assert spool.is_running()

    pids = []
    for spool in (first, second):
        until(lambda spool=spool: (spool.path / "launcher.json").exists())
        pids.append(spools.launcher_pid(spool))
        assert os.getsid(pids[-1]) == pids[-1]
        assert pids[-1] not in process.descendants(standby._pid)
    assert len({standby._pid, *pids}) == 3
    for spool in (first, second):
        until(spool.exit)
        assert (spool.log.read_text(), spool.exit()["verdict"]) == ("hi\n", "succeeded")
        until(lambda spool=spool: not spool.is_running())


def test_a_job_survives_the_process_that_started_it(standby, make_spool):
    standby.prepare()
    spool = make_spool("sleep 0.5; echo hi")
    standby.start(spool, spool.lock())
    until(lambda: (spool.path / "launcher.json").exists())

    os.kill(standby._pid, signal.SIGKILL)

    until(spool.exit)
    assert spool.log.read_text() == "hi\n"


def test_a_job_is_started_without_a_standby_process_too(standby, make_spool):
    spool = make_spool("echo hi")

    standby.start(spool, spool.lock())

    until(spool.exit)
    assert spool.log.read_text() == "hi\n"


def test_one_that_was_killed_is_replaced(standby, make_spool):
    standby.prepare()
    os.kill(standby._pid, signal.SIGKILL)
    spool = make_spool("echo once")

    standby.start(spool, spool.lock())

    until(spool.exit)
    assert spool.log.read_text() == "once\n"


def test_one_that_hangs_is_killed_before_another_starts(standby, make_spool, monkeypatch):
    monkeypatch.setattr("jobs.host.run.spawn.ANSWER_S", 0.5)
    standby.prepare()
    os.kill(standby._pid, signal.SIGSTOP)
    hung = standby._pid
    spool = make_spool("echo once")

    standby.start(spool, spool.lock())

    until(spool.exit)
    assert spool.log.read_text() == "once\n"
    assert not process.is_running(hung)


def test_it_ends_with_the_process_that_keeps_it(tmp_path):
    keeper = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from jobs.host.run.spawn import Standby; s = Standby(); s.prepare();"
            "print(s._pid, flush=True); time.sleep(600)",
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    pid = int(keeper.stdout.readline())
    assert process.is_running(pid)

    keeper.kill()
    keeper.wait()

    until(lambda: not process.is_running(pid))


LOOKS = """
import subprocess, sys
from pathlib import Path
from jobs.host.run.commands import Commands

commands = Commands(Path(sys.argv[1]), 1)
server = subprocess.Popen(["sh", "-c", "while :; do sleep 0.02; done"])
commands.spare(server.pid)
seen = [pid for _ in range(200) for pid in commands._left()]
server.kill()
print(seen)
"""


MAKES = """
import os, sys
from pathlib import Path
from jobs.host.run.commands import Commands

os.umask(0o077)
commands = Commands(Path(sys.argv[1]), 1)
pid = commands.start(("touch", sys.argv[1] + "/made"), os.environ, Path(sys.argv[1]))
while commands.exit_code(pid) is None:
    commands.wait()
Path(sys.argv[1], "own").touch()
"""


@pytest.mark.parametrize(("given", "mode"), [("022", 0o644), ("", 0o600), ("x", 0o600)])
def test_commands_have_the_umask_of_the_start(tmp_path, given, mode):
    environ = {**os.environ, UMASK: given}
    subprocess.run([sys.executable, "-c", MAKES, tmp_path], check=True, env=environ)

    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "own")}
    assert modes == {"made": mode, "own": 0o600}


def test_what_a_spared_server_starts_meanwhile_is_spared(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LOOKS, tmp_path], capture_output=True, text=True, check=True
    )

    assert run.stdout == "[]\n"
