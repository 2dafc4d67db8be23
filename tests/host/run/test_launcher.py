"""One launcher, real commands, and cleanup after any end."""

import json
import os
import signal
import socket
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from jobs.host.agent.agent import Health
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.retain import Adopter
from jobs.plans import Output, PlanFile, Step, Watch
from tests.host.conftest import METRICS_SERVER, args_of, kill_launcher, plan_of, text_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


# A child that leaves its session and its parent: a daemon.
DAEMON = "setsid sh -c 'echo $$ > daemon.pid; trap \"\" HUP; sleep 600' &"


def test_the_log_holds_the_commands_output_and_events_each_step_place(ran):
    spool = ran("printf 'a\\r\\0b'", "printf c >&2")

    assert spool.log.read_bytes() == b"a\r\0bc"
    events, last = spool.read_events(), spool.exit()
    assert [e["type"] for e in events][:3] == ["started", "step_started", "step_ended"]
    assert events[0]["values"] == {"job_dir": str(spool.path)}
    assert [e["seq"] for e in events] == list(range(len(events)))
    ended = [e for e in events if e["type"] == "step_ended"]
    places = [(e["index"], e["exit_code"], e["log_offset"]) for e in ended]
    assert places == [(0, 0, 4), (1, 0, 5)]
    assert (last["verdict"], last["message_id"]) == ("succeeded", "done")
    assert (last["log_bytes"], last["log_sha256"]) == (5, sha256(b"a\r\0bc").hexdigest())
    assert events[-1] == last


def test_files_exist_before_the_first_step_where_a_tool_looks_too(ran):
    file = PlanFile("f.py", "{text}", at="{job_dir}/work/eval/f.py")

    spool = ran("cat {job_dir}/files/f.py eval/f.py", files=(file,))

    assert spool.log.read_text() == "{text}{text}"  # braces stay


@pytest.mark.parametrize(
    ("step", "code", "message", "args"),
    [
        ("exit 3", 3, "work:exit", {"exit_code": 3}),
        ("kill -SEGV $$", -11, "work:signal", {"signal": 11}),
        ("kill -ILL $$", -4, "work:no_instruction", {}),
        (Step("step-0", ("vamcc", "x")), 127, "work:not_found", {"command": "vamcc"}),
        (Step("step-0", ("true",), cwd="/nowhere"), 127, "work:no_folder", {"folder": "/nowhere"}),
        (Step("step-0", ("sleep", "9"), timeout_s=0.3), None, "work:timeout", {"timeout_s": 0.3}),
    ],
)
def test_a_step_that_fails_ends_the_job_with_its_cause(ran, step, code, message, args):
    spool = ran(step, "echo later")

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"], ended["exit_code"]) == ("failed", message, code)
    assert args_of(ended) == {"step": "step-0", **args}
    assert spool.log.read_text() == ""


def test_with_a_failure_goes_how_the_host_was_then(ran):
    host = ran("exit 3").exit()["message_args"]["host"]

    assert set(host) == {"load_1m", "memory_free_bytes", "disk_free_bytes", "oom_kills"}
    assert host["memory_free_bytes"] > 0 and host["disk_free_bytes"] > 0
    assert ran("true", number=2).exit()["message_args"] == {}


def test_kills_for_lack_of_memory_are_counted():
    vmstat = Path("/proc/vmstat").read_text()

    assert f"oom_kill {process.oom_kills()}\n" in vmstat or "oom_kill " not in vmstat


def test_a_missing_required_output_fails_the_job(ran):
    outputs = (Output("table", "*.csv", required=False), Output("result", "out/*.json"))
    spool = ran("true", outputs=outputs)

    assert spool.exit()["message_id"] == "work:output_missing"
    assert args_of(spool.exit()) == {"output": "result", "pattern": "out/*.json"}


def test_outputs_have_size_and_checksum_are_inside_and_named_in_utf_8(capfd, ran):
    made = "printf 12 > out/b.json; : > out/a.json; ln -s /etc/hostname out/c.json"
    odd = "printf 3 > $(printf 'out/\\377.json')"
    spool = ran(f"mkdir out; {made}; {odd}", outputs=(Output("result", "out/*.json"),))

    assert spool.exit()["outputs"] == [
        {"name": "result", "path": "out/a.json", "bytes": 0, "sha256": sha256(b"").hexdigest()},
        {"name": "result", "path": "out/b.json", "bytes": 2, "sha256": sha256(b"12").hexdigest()},
    ]
    assert "\\udcff.json') is left out" in capfd.readouterr().err


def test_an_event_and_a_record_can_name_what_is_not_utf_8(make_spool):
    spool, name = make_spool("true"), os.fsdecode(b"caf\xe9")

    spool.append_event("started", values={"name": name}, run=1)
    spools.write_json(spool.path / "exit.json", {"name": name})

    assert spool.read_events()[0]["values"] == {"name": "caf?"}
    assert spools.read_json(spool.path / "exit.json") == {"name": "caf?"}


def test_commands_get_no_secret_of_the_host_and_write_at_once(monkeypatch, ran):
    monkeypatch.setenv("HOST_KEY", "secret-key")
    monkeypatch.setenv("REDIS_URL", "redis://:secret@x/0")
    monkeypatch.setenv("OF_THE_HOST", "kept")
    spool = ran(Step("env", ("env",), env=(("OF_THE_STEP", "{job_dir}/x"),)))

    lines = spool.log.read_text().splitlines()
    assert {"OF_THE_HOST=kept", "PYTHONUNBUFFERED=1", f"OF_THE_STEP={spool.path}/x"} <= set(lines)
    assert not [line for line in lines if "secret-key" in line or ":secret@" in line]


def test_commands_have_no_terminal_and_nothing_to_read(ran):
    spool = ran("cat; tty; echo $(ps -o pgid= -p $$) $$")

    assert spool.log.read_text().startswith("not a tty\n")
    group, pid = spool.log.read_text().split()[-2:]
    assert group == pid


def test_cancelling_ends_grandchildren_that_left_the_session(make_spool, launch):
    spool = make_spool(f"{DAEMON} sleep 600", "echo later")
    popen = launch(spool, wait=False)
    daemon = int(until(lambda: text_of(spool.work / "daemon.pid")))

    spool.ask_cancel()

    popen.wait(PATIENCE_S)
    assert (spool.exit()["verdict"], spool.exit()["message_id"]) == ("cancelled", "cancelled")
    assert not process.is_running(daemon)
    assert spool.log.read_text() == ""


def test_a_daemon_ends_with_its_job(ran):
    spool = ran(f"{DAEMON} until [ -s daemon.pid ]; do sleep 0.01; done")

    assert spool.exit()["verdict"] == "succeeded"
    assert not process.is_running(int(text_of(spool.work / "daemon.pid")))


def test_a_command_that_ignores_sigterm_is_killed_later(up):
    command = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    spool, popen = up(command, options=("--grace", "0.3"))

    popen.send_signal(signal.SIGTERM)

    popen.wait(PATIENCE_S)
    assert spool.exit()["verdict"] == "cancelled"
    assert [e["exit_code"] for e in spool.read_events() if e["type"] == "step_ended"] == [-9]


LAST_WORDS = """
import signal, sys
def leave(*_):
    print("bye")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up")
signal.pause()
"""


def test_a_command_may_use_the_grace_to_write_its_last_words(up):
    spool, popen = up(Step("talk", (sys.executable, "-c", LAST_WORDS)))

    spool.ask_cancel()

    popen.wait(PATIENCE_S)
    assert spool.log.read_text() == "up\nbye\n"
    assert spool.exit()["verdict"] == "cancelled"
    assert spool.exit()["log_bytes"] == 7


def test_a_job_is_never_run_twice(up, launch):
    spool, first = up("echo once; sleep 3")

    assert launch(spool, wait=False).wait(PATIENCE_S) == 1  # another one runs it
    assert first.wait(PATIENCE_S) == 0
    launch(spool)  # it has ended

    assert spool.log.read_text() == "once\n"
    assert len([e for e in spool.read_events() if e["type"] == "ended"]) == 1


def test_a_slot_without_a_value_is_a_failed_job_with_a_message(ran):
    spool = ran("echo {weights.path}")

    assert spool.exit()["message_id"] == "internal:plan"
    assert "{weights.path}" in spool.exit()["message_args"]["problem"]


def test_a_watch_is_scraped_while_the_steps_run(ports, ran):
    spool = ran(
        Step("serve", (sys.executable, "{job_dir}/files/server.py", "{port}"), timeout_s=2.0),
        files=(PlanFile("server.py", METRICS_SERVER),),
        values={"port": str(ports[0])},
        watches=(Watch("engine", "http://127.0.0.1:{port}/metrics", ("a",), interval_s=0.1),),
    )

    points = [json.loads(line) for line in spool.points.read_text().splitlines()]
    assert {(p["w"], json.dumps(p["v"])) for p in points} == {("engine", '{"a": 3.5}')}
    assert spool.exit()["points_bytes"] == spool.points.stat().st_size


def test_a_spool_path_of_more_than_two_hundred_characters_works(tmp_path, launch):
    path = tmp_path / ("d" * 120) / ("e" * 100) / "spool" / "1"
    meta = spools.Meta("job", 1, "i-1", "t-1", 1, "")
    spool = spools.create(path, meta, plan_of("pwd"), {"job_dir": str(path)}, None)

    launch(spool)

    assert spool.log.read_text() == f"{path}/work\n"
    assert spool.exit()["verdict"] == "succeeded"


def _sh(name, command, **fields):
    return Step(name, ("sh", "-c", command), **fields)


def _clean(word):
    return ("sh", "-c", f"echo {word} >> {{job_dir}}/cleaned; exit 1")


def _cleaned(spool):
    return text_of(spool.path / "cleaned").split()


def test_a_step_runs_in_its_folder_with_its_own_programs_first(tmp_path, ran):
    tool = tmp_path / "bin" / "cat"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho own; pwd\n")
    tool.chmod(0o755)
    step = Step("a", ("cat",), cwd=str(tmp_path), path=(str(tool.parent),))
    spool = ran(step, "pwd")

    assert spool.log.read_text() == f"own\n{tmp_path}\n{spool.work}\n"


@pytest.mark.parametrize(
    ("command", "verdict", "cleaned"),
    [("true", "succeeded", ["c", "b", "a"]), ("exit 3", "failed", ["b", "a"])],
)
def test_steps_that_were_begun_are_cleaned_up_the_last_first(command, verdict, cleaned, ran):
    spool = ran(
        _sh("a", "true", cleanup=_clean("a")),
        _sh("b", "test ! -e {job_dir}/cleaned && " + command, cleanup=_clean("b")),
        _sh("c", "true", cleanup=_clean("c")),
    )

    assert spool.exit()["verdict"] == verdict
    assert _cleaned(spool) == cleaned


def test_a_cancelled_job_is_cleaned_up(up):
    step = _sh("a", "echo up; sleep 600", cleanup=_clean("a"))
    spool, started = up(step, options=("--grace", "0.2"))

    spool.ask_cancel()
    started.wait(PATIENCE_S)

    assert spool.exit()["verdict"] == "cancelled"
    assert _cleaned(spool) == ["a"]


def test_cleanup_of_a_killed_launcher_is_done_later(up, config):
    spool, _launcher = up(
        _sh("a", "true", cleanup=_clean("a")),
        _sh("b", "echo up; sleep 600", cleanup=_clean("b")),
        _sh("c", "true", cleanup=_clean("c")),
    )
    kill_launcher(spool)

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


def test_all_steps_of_a_server_run_in_its_own_launcher_and_are_cleaned_up(serving, launch):
    job, server = serving
    launch(job)
    assert job.exit()["verdict"] == "succeeded"
    assert job.log.read_bytes() == b""
    until(lambda: b"serving" in server.log.read_bytes())
    names = [e["name"] for e in server.read_events() if e["type"] == "step_started"]
    assert names == ["container", "serve"]
    assert server.is_running()

    server.ask_cancel()
    until(server.exit)

    assert server.exit()["verdict"] == "cancelled"
    assert server.log.read_bytes() == b"serving\ngone\n"


@pytest.mark.parametrize(
    ("prepare", "serve", "step", "code", "of_server"),
    [
        ("echo no image; exit 125", "sleep 600", "container", 125, "work:exit"),
        ("true", "echo no model; exit 4", "serve", 4, "work:server_ended"),
    ],
)
def test_a_server_that_ends_ends_its_job_with_why(
    host_dir, ran, prepare, serve, step, code, of_server
):
    job = ran(
        _sh("container", prepare, serves=True),
        _sh("serve", serve, serves=True),
        "sleep 600",
        deployment={"id": 5, "token": "t-5", "run": 1},
        values={"serve_dir": str(host_dir / "serve" / "5")},
    )

    ended, lines = job.exit(), "no image" if step == "container" else "no model"
    assert (ended["message_id"], ended["exit_code"]) == ("work:server_ended", code)
    assert args_of(ended) == {"step": step, "exit_code": code, "last_lines": lines}
    assert spools.Spool(host_dir / "serve" / "5").exit()["message_id"] == of_server


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
