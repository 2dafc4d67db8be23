"""One launcher, real commands."""

import json
import os
import signal
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.plans import Output, PlanFile, Step, Watch
from tests.host.conftest import args_of
from tests.host.metrics_server import METRICS_SERVER
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

# A child that leaves its session and its parent: a daemon.
DAEMON = "setsid sh -c 'echo $$ > daemon.pid; trap \"\" HUP; sleep 600' &"


def test_every_step_is_recorded_with_its_place_in_the_log(make_spool, launch):
    spool = make_spool("printf one", "printf two >&2", "cat {job_dir}/files/a.txt")

    launch(spool, wait=False).wait(PATIENCE_S)

    events = spool.read_events()
    assert [e["type"] for e in events][:3] == ["started", "step_started", "step_ended"]
    assert events[0]["values"] == {"job_dir": str(spool.path)}
    assert [e["seq"] for e in events] == list(range(len(events)))
    ended = [e for e in events if e["type"] == "step_ended"]
    assert [(e["index"], e["exit_code"], e["log_offset"]) for e in ended[:2]] == [
        (0, 0, 3),
        (1, 0, 6),
    ]


def test_the_log_holds_the_commands_output_and_nothing_else(make_spool, launch):
    spool = make_spool("printf 'a\\r\\0b'", "printf c >&2")

    launch(spool)

    assert spool.log.read_bytes() == b"a\r\0bc"
    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"]) == ("succeeded", "done")
    assert (ended["log_bytes"], ended["log_sha256"]) == (5, sha256(b"a\r\0bc").hexdigest())
    assert spool.read_events()[-1] == ended


def test_files_exist_before_the_first_step_braces_unchanged(make_spool, launch):
    spool = make_spool("cat {job_dir}/files/a.txt", files=(PlanFile("a.txt", "{job}\n"),))

    launch(spool)

    assert spool.log.read_text() == "{job}\n"


def test_an_exit_code_fails_the_job_and_later_steps_do_not_run(make_spool, launch):
    spool = make_spool("exit 3", "echo later")

    launch(spool)

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"], ended["exit_code"]) == ("failed", "work:exit", 3)
    assert args_of(ended) == {"step": "step-0", "exit_code": 3}
    assert spool.log.read_text() == ""


def test_a_signal_is_reported_as_one(make_spool, launch):
    spool = make_spool("kill -SEGV $$")

    launch(spool)

    assert spool.exit()["message_id"] == "work:signal"
    assert args_of(spool.exit()) == {"step": "step-0", "signal": 11}


def test_a_missing_instruction_of_the_processor_is_named(make_spool, launch):
    spool = make_spool("kill -ILL $$")

    launch(spool)

    assert (spool.exit()["message_id"], spool.exit()["exit_code"]) == ("work:no_instruction", -4)
    assert args_of(spool.exit()) == {"step": "step-0"}


def test_with_a_failure_goes_how_the_host_was_then(make_spool, launch):
    failed, fine = make_spool("exit 3"), make_spool("true", number=2)
    launch(failed)
    launch(fine)

    host = failed.exit()["message_args"]["host"]

    assert set(host) == {"load_1m", "memory_free_bytes", "disk_free_bytes", "oom_kills"}
    assert host["memory_free_bytes"] > 0 and host["disk_free_bytes"] > 0
    assert fine.exit()["message_args"] == {}


def test_kills_for_lack_of_memory_are_counted():
    vmstat = Path("/proc/vmstat").read_text()

    assert f"oom_kill {process.oom_kills()}\n" in vmstat or "oom_kill " not in vmstat


def test_a_program_that_is_not_there_is_named(make_spool, launch):
    spool = make_spool(Step("go", ("vamc-of-nowhere", "compile")))

    launch(spool)

    assert spool.exit()["message_id"] == "work:not_found"
    assert args_of(spool.exit()) == {"step": "go", "command": "vamc-of-nowhere"}


def test_a_step_that_takes_too_long_is_ended(make_spool, launch):
    spool = make_spool(Step("slow", ("sleep", "600"), timeout_s=0.3))

    launch(spool)

    assert spool.exit()["message_id"] == "work:timeout"
    assert args_of(spool.exit()) == {"step": "slow", "timeout_s": 0.3}


def test_a_missing_required_output_fails_the_job(make_spool, launch):
    outputs = (Output("table", "*.csv", required=False), Output("result", "out/*.json"))
    spool = make_spool("true", outputs=outputs)

    launch(spool)

    assert spool.exit()["message_id"] == "work:output_missing"
    assert args_of(spool.exit()) == {"output": "result", "pattern": "out/*.json"}


def test_outputs_have_size_and_checksum_and_are_inside(make_spool, launch):
    spool = make_spool(
        "mkdir out; printf 12 > out/b.json; : > out/a.json; ln -s /etc/hostname out/c.json",
        outputs=(Output("result", "out/*.json"),),
    )

    launch(spool)

    assert spool.exit()["outputs"] == [
        {"name": "result", "path": "out/a.json", "bytes": 0, "sha256": sha256(b"").hexdigest()},
        {"name": "result", "path": "out/b.json", "bytes": 2, "sha256": sha256(b"12").hexdigest()},
    ]


def test_an_output_with_a_name_outside_utf_8_is_left_out(make_spool, launch, capfd):
    spool = make_spool(
        "printf 12 > a.json; printf 3 > $(printf '\\377.json')",
        outputs=(Output("result", "*.json"),),
    )

    launch(spool)

    assert (spool.exit()["verdict"], len(spool.exit()["outputs"])) == ("succeeded", 1)
    assert "\\udcff.json') is left out" in capfd.readouterr().err


def test_an_event_and_a_record_can_name_what_is_not_utf_8(make_spool):
    spool, name = make_spool("true"), os.fsdecode(b"caf\xe9")

    spool.append_event("started", values={"name": name}, run=1)
    spools.write_json(spool.path / "exit.json", {"name": name})

    assert spool.read_events()[0]["values"] == {"name": "caf?"}
    assert spools.read_json(spool.path / "exit.json") == {"name": "caf?"}


def test_commands_get_no_secret_of_the_host_and_write_at_once(make_spool, launch, monkeypatch):
    monkeypatch.setenv("HOST_KEY", "secret-key")
    monkeypatch.setenv("REDIS_URL", "redis://:secret@x/0")
    monkeypatch.setenv("OF_THE_HOST", "kept")
    spool = make_spool(Step("env", ("env",), env=(("OF_THE_STEP", "{job_dir}/x"),)))

    launch(spool)

    lines = spool.log.read_text().splitlines()
    assert {"OF_THE_HOST=kept", "PYTHONUNBUFFERED=1", f"OF_THE_STEP={spool.path}/x"} <= set(lines)
    assert not [line for line in lines if "secret-key" in line or ":secret@" in line]


def test_commands_have_no_terminal_and_nothing_to_read(make_spool, launch):
    spool = make_spool("cat; tty; echo $(ps -o pgid= -p $$) $$")

    launch(spool)

    assert spool.log.read_text().startswith("not a tty\n")
    group, pid = spool.log.read_text().split()[-2:]
    assert group == pid


def test_cancelling_ends_grandchildren_that_left_the_session(make_spool, launch):
    spool = make_spool(f"{DAEMON} sleep 600", "echo later")
    popen = launch(spool, wait=False)
    daemon = int(until(lambda: _text(spool.work / "daemon.pid")))

    spool.ask_cancel()

    popen.wait(PATIENCE_S)
    assert (spool.exit()["verdict"], spool.exit()["message_id"]) == ("cancelled", "cancelled")
    assert not process.is_running(daemon)
    assert spool.log.read_text() == ""


def test_a_daemon_ends_with_its_job(make_spool, launch):
    spool = make_spool(f"{DAEMON} until [ -s daemon.pid ]; do sleep 0.01; done")

    launch(spool)

    assert spool.exit()["verdict"] == "succeeded"
    assert not process.is_running(int(_text(spool.work / "daemon.pid")))


def test_a_command_that_ignores_sigterm_is_killed_later(make_spool, launch):
    spool = make_spool("trap '' TERM; echo up; while :; do sleep 0.05; done")
    popen = launch(spool, "--grace", "0.3", wait=False)
    until(lambda: spool.log.stat().st_size)

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


def test_a_command_may_use_the_grace_to_write_its_last_words(make_spool, launch):
    spool = make_spool(Step("talk", (sys.executable, "-c", LAST_WORDS)))
    popen = launch(spool, wait=False)
    until(lambda: spool.log.stat().st_size)

    spool.ask_cancel()

    popen.wait(PATIENCE_S)
    assert spool.log.read_text() == "up\nbye\n"
    assert spool.exit()["verdict"] == "cancelled"
    assert spool.exit()["log_bytes"] == 7


def test_a_second_launcher_of_a_spool_goes_away(make_spool, launch):
    spool = make_spool("echo once; sleep 3")
    first = launch(spool, wait=False)
    until(spool.is_running)

    second = launch(spool, wait=False)

    assert (second.wait(PATIENCE_S), first.wait(PATIENCE_S)) == (1, 0)
    assert spool.log.read_text() == "once\n"


def test_a_job_is_never_run_twice(make_spool, launch):
    spool = make_spool("echo once")

    launch(spool)
    launch(spool)

    assert spool.log.read_text() == "once\n"
    assert len([e for e in spool.read_events() if e["type"] == "ended"]) == 1


def test_a_slot_without_a_value_is_a_failed_job_with_a_message(make_spool, launch):
    spool = make_spool("echo {weights.path}")

    launch(spool)

    assert spool.exit()["message_id"] == "internal:plan"
    assert "{weights.path}" in spool.exit()["message_args"]["problem"]


def test_a_watch_is_scraped_while_the_steps_run(make_spool, launch, ports):
    spool = make_spool(
        Step("serve", (sys.executable, "{job_dir}/files/server.py", "{port}"), timeout_s=2.0),
        files=(PlanFile("server.py", METRICS_SERVER),),
        values={"port": str(ports[0])},
        watches=(Watch("engine", "http://127.0.0.1:{port}/metrics", ("a",), interval_s=0.1),),
    )

    launch(spool)

    points = [json.loads(line) for line in spool.points.read_text().splitlines()]
    assert {(p["w"], json.dumps(p["v"])) for p in points} == {("engine", '{"a": 3.5}')}
    assert spool.exit()["points_bytes"] == spool.points.stat().st_size


def test_a_spool_path_of_more_than_two_hundred_characters_works(tmp_path, launch):
    from jobs.host.base import spool as spools  # noqa: PLC0415 -- here alone
    from tests.host.conftest import plan_of  # noqa: PLC0415 -- here alone

    path = tmp_path / ("d" * 120) / ("e" * 100) / "spool" / "1"
    meta = spools.Meta("job", 1, "i-1", "t-1", 1, "")
    spool = spools.create(path, meta, plan_of("pwd"), {"job_dir": str(path)}, None)

    launch(spool)

    assert spool.log.read_text() == f"{path}/work\n"
    assert spool.exit()["verdict"] == "succeeded"


def _text(path):
    return path.read_text() if path.exists() else ""
