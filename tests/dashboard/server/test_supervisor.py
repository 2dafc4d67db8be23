"""``make run``: the whole stack in real processes."""

import contextlib
import json
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jobs.host.agent.supervisor import Child, Supervisor
from jobs.host.base import process
from tests.api import Api, until
from tests.stack import CHILDREN, ROOT, Stack, clean_environment, free_port, running
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

RUN = [sys.executable, "-m", "dashboard.server.supervisor"]
SLEEPER = "import time; time.sleep(600)"
STATES = "from jobs.models import Job; print(*Job.objects.order_by('pk').values_list('state'))"


ELSEWHERE = {"BIND": "192.0.2.1", "PUBLIC_URL": "http://x"}  # ends a start in any case


def refused(**environ: str) -> str:
    """Return the error of a ``make run`` that cannot start."""
    done = subprocess.run(
        RUN,
        cwd=ROOT,
        env=clean_environment() | environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def states(stack: Stack) -> list[str]:
    return [word.strip("(',)") for word in stack.shell(STATES).split()]


def sleeping(stack: Stack) -> list[int]:
    spool = str(stack.data_dir / "host" / "spool")
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and spool in _environ(entry)
    ]


def _environ(entry: Path) -> str:
    try:
        return (entry / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_a_used_port_is_reported_with_its_variable(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        error = refused(DATA_DIR=str(tmp_path), PORT=str(port))

    assert error == (
        f"Port {port} on 127.0.0.1 is in use by another program. "
        f"Choose another port: PORT={port + 1} make run"
    )


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        (
            {"REDIS_URL": "redis://10.0.0.9/0", "VALKEY_LISTEN": "127.0.0.1:6380"},
            "VALKEY_LISTEN needs the embedded Valkey, but REDIS_URL is set. ",
        ),
        ({"VALKEY_LISTEN": "192.0.2.1:6380"}, "Cannot listen on VALKEY_LISTEN=192.0.2.1:6380: "),
    ],
)
def test_a_valkey_that_cannot_listen_to_hosts_is_reported(tmp_path, environ, error):
    own = {"DATA_DIR": str(tmp_path), "PORT": str(free_port())}

    assert refused(**own, **environ).startswith(error)


def test_a_read_only_data_folder_is_reported(tmp_path):
    (tmp_path / "file").touch()

    error = refused(DATA_DIR=str(tmp_path / "file" / "data"))

    assert error.startswith(f"DATA_DIR={tmp_path}/file/data cannot be written: ")


def test_a_wrong_setting_is_reported_before_anything_is_made(tmp_path):
    error = refused(DATA_DIR=str(tmp_path / "new"), PORT="http")

    assert error == "PORT=http will not do; allowed: a whole number from 1 to 65535"
    assert not (tmp_path / "new").exists()


def test_a_child_that_cannot_run_ends_it_all(tmp_path):
    lines: list[str] = []
    bad = Child("the clock", [sys.executable, "-c", "raise SystemExit(3)"])

    code = Supervisor([bad], lines.append, hopeless_after=2).run()

    assert code == 1
    assert lines[-1].startswith("the clock (process ")
    assert lines[-1].endswith("ended with exit code 3, 2 times in a row. Stopping everything.")


def test_it_is_healthy_with_a_data_folder_of_150_characters(long_stack):
    assert len(str(long_stack.data_dir)) == 150
    assert long_stack.health() == (200, {"status": "ok"})
    assert set(long_stack.children()) == set(CHILDREN)
    assert "Log in as   admin" in long_stack.output
    assert "(from ADMIN_PASSWORD)" in long_stack.output  # which is not printed
    assert f"http://127.0.0.1:{long_stack.port}/" in long_stack.output


def test_other_accounts_may_read_no_file_of_it(long_stack):
    folder = long_stack.data_dir
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in ("run.json", "host/host.env", "secrets/secret_key", "secrets/this_computer_key"):
        assert stat.S_IMODE((folder / path).stat().st_mode) == 0o600, path
    api = Api(long_stack)
    number = api.launch("prepare", what="environment")
    until(lambda: api.job(number)["log_bytes"], "there is a log")
    api.ask(f"jobs/{number}/cancel", {})

    modes = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            modes[path.relative_to(folder)] = path.lstat().st_mode
    made = {path: mode for path, mode in modes.items() if not stat.S_ISLNK(mode)}
    assert {"db.sqlite3", "valkey.log", f"{number}.log"} <= {path.name for path in made}
    own = ("host", "staticfiles")  # what pip and Django copy keeps its rights
    shared = [path for path, mode in made.items() if mode & 0o077 and path.parts[0] not in own]
    assert shared == []


@pytest.mark.parametrize(
    ("mode", "name"), [(0o755, ""), (0o750, ""), (0o701, ""), (0o710, "db.sqlite3")]
)
def test_a_data_folder_that_others_may_read_is_refused_with_the_command(tmp_path, mode, name):
    folder = tmp_path / "with a space"
    folder.mkdir()
    if name:
        (folder / name).touch(mode=0o644)
        (folder / name).chmod(0o644)
    folder.chmod(mode)

    error = refused(DATA_DIR=str(folder), **ELSEWHERE)

    assert f"can be read by other accounts (mode {mode:04o})" in error
    assert [path.name for path in folder.iterdir()] == ([name] if name else [])
    subprocess.run(["sh", "-c", error.rpartition("again: ")[2]], check=True)
    reported = refused(DATA_DIR=str(folder), **ELSEWHERE)
    assert reported.startswith("Cannot listen on BIND=192.0.2.1, PORT=8000: ")


def test_a_group_may_enter_a_data_folder_of_closed_files(tmp_path):
    (tmp_path / "db.sqlite3").touch(mode=0o600)
    tmp_path.chmod(0o710)

    assert refused(DATA_DIR=str(tmp_path), **ELSEWHERE).startswith("Cannot listen on BIND")


def test_a_second_terminal_finds_database_redis_and_address(long_stack):
    code = "from django.conf import settings as s; from jobs.models import Host\n"
    code += "print(s.REDIS_URL, s.PUBLIC_URL, *Host.objects.filter(name='this-computer'))"

    values = long_stack.shell(code).split()

    redis = urlsplit(values[0])
    assert (redis.scheme, Path(redis.path).name) == ("unix", "valkey.sock")
    assert redis.password
    assert values[1:] == [long_stack.url, "this-computer"]


def test_two_dashboards_do_not_share_a_data_folder(long_stack):
    error = refused(DATA_DIR=str(long_stack.data_dir), PORT=str(free_port()))

    assert error.endswith(f": {long_stack.url}/")


def test_static_files_are_compressed_and_kept_for_ever(long_stack):
    with urllib.request.urlopen(f"{long_stack.url}/login/") as answer:
        page = answer.read().decode()
    address = page.split('<link rel="stylesheet" href="')[1].split('"')[0]
    request = urllib.request.Request(
        long_stack.url + address, headers={"Accept-Encoding": "gzip", "Range": ""}
    )

    with urllib.request.urlopen(request) as answer:
        headers = answer.headers

    assert headers["Content-Encoding"] == "gzip"
    assert "immutable" in headers["Cache-Control"]


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_that_is_killed_comes_back(long_stack, child):
    killed = long_stack.kill(child)

    until(lambda: long_stack.children().get(child, killed) != killed, f"{child} is back")
    until(lambda: long_stack.health()[0] == 200, "healthy")


def test_a_request_during_a_web_restart_is_answered(long_stack):
    long_stack.kill("web")

    with urllib.request.urlopen(f"{long_stack.url}/healthz", timeout=PATIENCE_S) as answer:
        assert answer.status == 200


def test_keep_jobs_leaves_them_to_the_next_start_and_ctrl_c_ends_everything(tmp_path):
    with running(tmp_path / "stack", "--keep-jobs") as stack:
        until(lambda: "cpu" in _facts(stack), "the host has reported")
        stack.run_python(SLEEPER, count=2)
        before = until(lambda: sleeping(stack), "the job runs")
        stack.stop(signal.SIGTERM)
        try:
            assert set(sleeping(stack)) & set(before)
        finally:
            stack.arguments = ()
            stack.start()
            stack.wait_ready()
        assert set(sleeping(stack)) & set(before)
        assert states(stack) == ["running", "queued"]
        assert stack.output.count("Log in as") == 1
        folder = json.loads((stack.data_dir / "run.json").read_text())["valkey_folder"]
        children = stack.children().values()

        assert stack.stop() == 0

        assert sleeping(stack) == []
        assert not any(process.is_running(pid) for pid in children)
        assert not Path(folder).exists()
        assert states(stack) == ["cancelled", "queued"]


def _facts(stack: Stack) -> str:
    code = "from jobs.models import Host; print(Host.objects.get().facts)"
    return stack.shell(code)
