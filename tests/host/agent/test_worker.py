"""The whole of a host: supervisor, Celery worker and agent, over a real Valkey and HTTP.

Its virtual environment is made from locks/requirements-host.txt alone.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from celery import Celery

from dashboard.server import supervisor
from jobs.base.valkey import for_celery
from jobs.host.base import process
from jobs.host.base.spool import Spool
from tests.host.conftest import REPOSITORY, record_of
from tests.host.intake import KEY
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


@pytest.fixture(scope="session")
def host_python(tmp_path_factory):
    """A Python that has what the lock of a host names, and nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    wheels = os.environ.get("WHEELS_DIR")
    offline = ["--no-index", "--find-links", wheels] if wheels else []
    python = folder / "bin" / "python"
    lock = ["--require-hashes", "-r", str(REPOSITORY / "locks" / "requirements-host.txt")]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-compile"]
    subprocess.run([*pip, *offline, *lock], check=True)
    return python


@pytest.fixture
def redis_url(tmp_path):
    server = supervisor.prepare_valkey(tmp_path, "", 32_000_000)
    popen = subprocess.Popen(server.argv())
    until(server.socket.exists)
    yield server.url
    popen.kill()
    popen.wait()


@pytest.fixture
def send(redis_url):
    """Send a task to the host, as the dashboard does: by name."""
    app = Celery(broker=for_celery(redis_url), set_as_current=False)
    app.conf.task_ignore_result = True
    return lambda task, *args: app.send_task(task, args=args, queue="host.here")


@pytest.fixture
def host(host_python, tmp_path, intake, host_dir, redis_url, ports):
    """A running host; its supervisor."""
    env_file = tmp_path / "host.env"
    env_file.write_text(
        f"# The host\nHOST_NAME=here\nDASHBOARD_URL='{intake.url}'\nREDIS_URL={redis_url}\n"
        f"HOST_KEY={KEY}\nHOST_DIR={host_dir}\nHOST_PORTS={ports[0]}-{ports[1]}\n"
        "AGENT_ALLOWED_PROGRAMS='default sh'\n"
    )
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    argv = [str(host_python), "-m", "jobs.host.agent.worker", "--env", str(env_file)]
    popen = subprocess.Popen(argv, cwd=REPOSITORY, env=bare)
    until(lambda: intake.heartbeats)
    yield popen
    popen.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        popen.wait(PATIENCE_S)
    popen.kill()


def _child(supervisor, word):
    """The process of the supervisor whose command line has this word."""
    for pid in process.children().get(supervisor.pid, []):
        with contextlib.suppress(OSError):
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            if word in argv:
                return pid
    return None


def test_a_host_needs_no_django(host_python, config):
    files = (REPOSITORY / "jobs" / "host").rglob("[a-z]*.py")
    modules = sorted(".".join(p.relative_to(REPOSITORY).with_suffix("").parts) for p in files)
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "print(json.dumps(sorted(m for m in sys.modules if m.partition('.')[0] in "
        "('django', 'pydantic', 'channels', 'psycopg'))))"
    )

    done = subprocess.run(
        [str(host_python), "-c", code],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **config.as_environment()},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == []


def test_killing_worker_and_agent_loses_nothing_of_a_job(host, intake, send):
    intake.jobs[7] = record_of("for i in $(seq 1 400); do echo line $i; sleep 0.01; done")
    for _ in range(5):  # a message may come again
        send("host.start", 7)
    for word in ("jobs.host.agent.app", "jobs.host.agent.agent", "jobs.host.agent.app"):
        size = len(intake.jobs[7].log)
        until(lambda size=size: len(intake.jobs[7].log) > size)
        pid = until(lambda word=word: _child(host, word))
        os.kill(pid, 9)
        until(lambda word=word, pid=pid: _child(host, word) not in (None, pid))

    until(lambda: intake.jobs[7].ended)

    assert intake.jobs[7].log == "".join(f"line {i}\n" for i in range(1, 401)).encode()
    assert (intake.jobs[7].ended["verdict"], intake.jobs[7].claims) == ("succeeded", 1)
    # The worker that came back takes the next one.
    intake.jobs[8] = record_of("echo next")
    send("host.start", 8)
    until(lambda: intake.jobs[8].ended)


def test_a_stop_ends_a_job_at_once_and_the_end_of_the_host_leaves_them(
    host, intake, send, host_dir
):
    for number in (7, 8):
        intake.jobs[number] = record_of("echo up; sleep 600")
        send("host.start", number)
        until(lambda number=number: intake.jobs[number].log)

    intake.jobs[7].cancel = True
    send("host.stop", 7)
    until(lambda: intake.jobs[7].ended)
    assert intake.jobs[7].ended["verdict"] == "cancelled"

    host.terminate()
    assert host.wait(PATIENCE_S) == 0
    assert Spool(host_dir / "spool" / "8").is_running()
