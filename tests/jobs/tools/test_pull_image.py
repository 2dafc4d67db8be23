"""pull_image.py: the password goes to docker alone, and stays nowhere."""

import contextlib
import os
import signal
import stat
import subprocess
import sys

import pytest

from tests.jobs.lib.scripts import SCRIPTS
from tests.waiting import PATIENCE_S, until

PASSWORD = "pa55-Marker-0123"
# A docker that says what it was given, and keeps the password as docker does.
DOCKER = """#!/bin/sh
echo "$@" >> calls
ps -o args= -p $PPID >> parent
env | grep PASSWORD >> calls
case "$1" in
login) cat > "$DOCKER_CONFIG/config.json"; stat -c %a "$DOCKER_CONFIG" > mode; exit ${LOGIN:-0};;
pull) touch pulling; test -s "$DOCKER_CONFIG/config.json" || exit 9; sleep ${TAKES:-0}; exit 4;;
esac
"""


@pytest.fixture
def pull(tmp_path):
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def start(*args, **more):
        environ = {
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "REGISTRY_ADDRESS": "https://registry.lan:5000",
            "REGISTRY_PASSWORD": PASSWORD,
            **more,
        }
        command = [sys.executable, str(SCRIPTS / "pull_image.py"), *args]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return start


IMAGE = ("registry.lan:5000/a:1", "--user", "me")


def having(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if PASSWORD.encode() in path.read_bytes()]


def test_it_logs_in_over_standard_input_and_pulls(pull, tmp_path):
    done = pull(*IMAGE)

    out, _ = done.communicate(timeout=PATIENCE_S)

    assert done.returncode == 4
    assert (tmp_path / "calls").read_text().splitlines() == [
        "login --username me --password-stdin registry.lan:5000",
        "pull registry.lan:5000/a:1",
    ]
    assert (tmp_path / "mode").read_text() == "700\n"
    assert having(tmp_path) == [] and PASSWORD.encode() not in out
    assert not (tmp_path / ".registry").exists()


def test_without_a_login_there_is_no_pull(pull, tmp_path):
    done = pull(*IMAGE, LOGIN="7")

    out, _ = done.communicate(timeout=PATIENCE_S)

    assert done.returncode == 7
    assert b"Login at registry.lan:5000 failed with exit code 7." in out
    assert not (tmp_path / "pulling").exists()
    assert not (tmp_path / ".registry").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_pull_leaves_no_password(pull, tmp_path, number):
    started = pull(*IMAGE, TAKES="600")
    until((tmp_path / "pulling").exists, "docker pulls")
    assert having(tmp_path) == ["config.json"]

    started.send_signal(number)
    started.wait(PATIENCE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)  # the docker of a killed script
    if number == signal.SIGKILL:
        assert pull("--clean").wait(PATIENCE_S) == 0

    assert having(tmp_path) == []
