"""Steps that run elsewhere, and their cleanup after any end."""

import os
import signal
import socket

import pytest

from jobs.host.agent.agent import Health
from jobs.host.base import spool as spools
from jobs.host.retain import Adopter
from jobs.plans import PlanFile, Step
from tests.host.conftest import args_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


def _sh(name, command, **fields):
    return Step(name, ("sh", "-c", command), **fields)


def _clean(word):
    return ("sh", "-c", f"echo {word} >> {{job_dir}}/cleaned; exit 1")


def _cleaned(spool):
    path = spool.path / "cleaned"
    return path.read_text().split() if path.exists() else []


def test_a_step_runs_in_its_folder_with_its_own_programs_first(make_spool, launch, tmp_path):
    tool = tmp_path / "bin" / "cat"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho own; pwd\n")
    tool.chmod(0o755)
    step = Step("a", ("cat",), cwd=str(tmp_path), path=(str(tool.parent),))
    spool = make_spool(step, "pwd")

    launch(spool)

    assert spool.log.read_text() == f"own\n{tmp_path}\n{spool.work}\n"


def test_a_folder_that_is_not_there_is_named(make_spool, launch):
    spool = make_spool(Step("a", ("true",), cwd="/nowhere/at/all"))

    launch(spool)

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"]) == ("failed", "work:no_folder")
    assert args_of(ended) == {"step": "a", "folder": "/nowhere/at/all"}


def test_a_file_is_put_where_its_tool_looks_for_it(make_spool, launch):
    file = PlanFile("f.py", "{text}", at="{job_dir}/work/eval/f.py")
    spool = make_spool("cat eval/f.py", files=(file,))

    launch(spool)

    assert spool.log.read_text() == "{text}"


@pytest.mark.parametrize(("command", "verdict"), [("true", "succeeded"), ("exit 3", "failed")])
def test_steps_that_were_begun_are_cleaned_up_the_last_first(make_spool, launch, command, verdict):
    spool = make_spool(
        _sh("a", "true", cleanup=_clean("a")),
        _sh("b", "test ! -e {job_dir}/cleaned && " + command, cleanup=_clean("b")),
    )

    launch(spool)

    assert spool.exit()["verdict"] == verdict
    assert _cleaned(spool) == ["b", "a"]


def test_a_step_that_was_not_begun_needs_no_cleanup(make_spool, launch):
    spool = make_spool(
        _sh("a", "exit 3", cleanup=_clean("a")), _sh("b", "true", cleanup=_clean("b"))
    )

    launch(spool)

    assert _cleaned(spool) == ["a"]


def test_a_cancelled_job_is_cleaned_up(make_spool, launch):
    spool = make_spool(_sh("a", "echo up; sleep 600", cleanup=_clean("a")))
    started = launch(spool, "--grace", "0.2", wait=False)
    until(lambda: spool.log.stat().st_size)

    spool.ask_cancel()
    started.wait(PATIENCE_S)

    assert spool.exit()["verdict"] == "cancelled"
    assert _cleaned(spool) == ["a"]


def test_cleanup_of_a_killed_launcher_is_done_later(make_spool, launch, config):
    spool = make_spool(
        _sh("a", "true", cleanup=_clean("a")),
        _sh("b", "echo up; sleep 600", cleanup=_clean("b")),
        _sh("c", "true", cleanup=_clean("c")),
    )
    launch(spool, wait=False)
    until(lambda: spool.log.stat().st_size)
    os.kill(until(lambda: spools.launcher_pid(spool)), signal.SIGKILL)
    until(lambda: not spool.is_running())

    Adopter(config).adopt(spool)

    assert spool.exit()["verdict"] == "lost"
    assert _cleaned(spool) == ["b", "a"]


@pytest.fixture
def serving(make_spool, host_dir):
    """A job that starts a server in a container, which each of its starts makes again."""
    values = {"serve_dir": str(host_dir / "serve" / "5")}
    container = _sh(
        "container",
        "echo made >> {serve_dir}/marks",
        serves=True,
        cleanup=("sh", "-c", "echo gone"),
    )
    server = _sh("serve", "echo serving; exec sleep 600", serves=True, health="/v1/models")
    about = {"id": 5, "token": "t-5", "run": 1}
    job = make_spool(container, server, "true", deployment=about, values=values)
    return job, spools.Spool(host_dir / "serve" / "5")


def test_all_steps_of_a_server_run_in_its_own_launcher(serving, launch):
    job, server = serving

    launch(job)

    assert job.exit()["verdict"] == "succeeded"
    assert job.log.read_bytes() == b""
    until(lambda: b"serving" in server.log.read_bytes())
    names = [e["name"] for e in server.read_events() if e["type"] == "step_started"]
    assert names == ["container", "serve"]
    assert server.is_running()


def test_what_a_server_ran_in_is_removed_when_it_is_stopped(serving, launch):
    job, server = serving
    launch(job)
    until(lambda: b"serving" in server.log.read_bytes())

    server.ask_cancel()
    until(server.exit)

    assert server.exit()["verdict"] == "cancelled"
    assert server.log.read_bytes() == b"serving\ngone\n"


def test_a_server_that_cannot_be_prepared_ends_its_job_with_why(make_spool, launch, host_dir):
    job = make_spool(
        _sh("container", "echo no such image; exit 125", serves=True),
        _sh("serve", "sleep 600", serves=True),
        "sleep 600",
        deployment={"id": 5, "token": "t-5", "run": 1},
        values={"serve_dir": str(host_dir / "serve" / "5")},
    )

    launch(job)

    ended = job.exit()
    assert (ended["message_id"], ended["exit_code"]) == ("work:server_ended", 125)
    assert ended["message_args"]["step"] == "container"
    assert ended["message_args"]["last_lines"] == "no such image"


def test_a_server_is_asked_for_its_health_where_its_plan_says(serving, launch, ports):
    job, server = serving
    launch(job)
    asked = until(lambda: server.path.exists() and Health(server, ports[0], lambda: None))
    asked.stop()

    assert asked.path == "/v1/models"


def test_a_server_is_asked_at_its_one_listening_address(make_spool, ports):
    with socket.create_server(("127.0.0.2", ports[0])) as listener:
        spool = make_spool("true", address="127.0.0.2")
        asked = Health(spool, ports[0], lambda: None)
        listener.settimeout(30)
        connection, _ = listener.accept()
        asked.stop()

        assert connection.recv(100).startswith(b"GET /health ")
        connection.close()
