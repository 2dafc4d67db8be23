"""Spools that an agent finds: running, ended, dead; and stopping all."""

import json
import os
import signal

import pytest

from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.retain import Adopter, close_dead, stop_everything
from tests.waiting import until

pytestmark = pytest.mark.processes


def _kill(spool):
    pid = until(lambda: (spool.path / "launcher.json").exists() and spools.launcher_pid(spool))
    os.kill(pid, signal.SIGKILL)
    until(lambda: not spool.is_running())


def test_a_running_job_is_left_alone(make_spool, launch, config):
    spool = make_spool("echo up; sleep 600")
    launch(spool, wait=False)
    until(lambda: spool.log.stat().st_size)

    Adopter(config).adopt(spool)

    assert spool.is_running()
    assert spool.exit() is None


def test_a_dead_launcher_leaves_a_lost_job_with_its_last_lines(make_spool, launch, config):
    spool = make_spool("echo first; echo 'a\\rlast'; sleep 600")
    launch(spool, wait=False)
    until(lambda: b"last" in spool.log.read_bytes())
    _kill(spool)

    Adopter(config).adopt(spool)

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"]) == ("lost", "host:launcher_died")
    assert ended["message_args"]["last_lines"] == "first\nlast"
    assert ended["message_args"]["host"]["memory_free_bytes"] > 0
    assert ended["log_bytes"] == spool.log.stat().st_size
    assert spool.read_events()[-1] == ended


def test_what_a_dead_launcher_left_running_is_ended(make_spool, launch, config):
    spool = make_spool("setsid sh -c 'echo $$ > pid; sleep 600' & wait")
    launch(spool, wait=False)
    pid = int(until(lambda: _text(spool.work / "pid")))
    _kill(spool)
    assert process.is_running(pid)

    Adopter(config).adopt(spool)

    until(lambda: not process.is_running(pid))


def test_a_reboot_is_distinguished_from_a_dead_launcher(make_spool, host_dir):
    spool = make_spool("true")
    spool.append_event("started", values={}, boot_id="before", run=1)

    close_dead(spool)

    assert spool.exit()["message_id"] == "host:rebooted"


def test_a_launcher_that_wrote_its_last_event_is_not_lost(make_spool, launch, config):
    spool = make_spool("true")
    launch(spool)
    ended = spool.exit()
    (spool.path / "exit.json").unlink()

    Adopter(config).adopt(spool)

    assert spool.exit() == ended
    assert len([e for e in spool.read_events() if e["type"] == "ended"]) == 1


def test_a_living_launcher_is_never_called_dead(make_spool, launch):
    spool = make_spool("echo up; sleep 600")
    launch(spool, wait=False)
    until(lambda: spool.log.stat().st_size)
    # A stale record of a process that is gone: the lock decides, not the id.
    spools.write_json(spool.path / "launcher.json", {"pid": 1, "start_ticks": 0, "boot_id": "x"})

    assert close_dead(spool) is False
    assert spool.exit() is None
    stop_everything(spool.path.parents[1], 20)


def test_a_spool_that_was_never_started_is_started(make_spool, config):
    spool = make_spool("echo late")

    Adopter(config).adopt(spool)

    until(spool.exit)
    assert spool.log.read_text() == "late\n"


def test_a_launcher_that_never_begins_is_lost(make_spool, config, monkeypatch):
    spool = make_spool("true")
    adopter = Adopter(config)
    monkeypatch.setattr("jobs.host.retain.start_if_fresh", lambda config, spool: True)

    for _ in range(4):
        adopter.adopt(spool)

    assert spool.exit()["message_id"] == "host:launcher_never_started"


def test_half_an_event_is_cut_off_before_the_next(make_spool):
    spool = make_spool("true")
    spool.append_event("started", values={}, boot_id="before", run=1)
    with spool.events.open("a") as file:
        file.write('{"seq": 1, "type": "step_st')

    close_dead(spool)

    events = [json.loads(line) for line in spool.events.read_text().splitlines()]
    assert [(e["seq"], e["type"]) for e in events] == [(0, "started"), (1, "ended")]


def test_stopping_everything_cancels_all_that_runs(make_spool, launch, host_dir):
    first = make_spool("echo up; sleep 600", number=1)
    second = make_spool("echo up; sleep 600", number=2)
    for spool in (first, second):
        launch(spool, wait=False)
    until(lambda: first.log.stat().st_size and second.log.stat().st_size)

    assert stop_everything(host_dir, 20) == []
    assert [s.exit()["verdict"] for s in (first, second)] == ["cancelled", "cancelled"]


def test_what_does_not_stop_in_time_is_killed_and_named(make_spool, launch, host_dir):
    spool = make_spool("trap '' TERM; echo $$; while :; do sleep 0.05; done", number=3)
    launch(spool, wait=False)
    pid = int(until(lambda: _text(spool.log)))

    assert stop_everything(host_dir, 0.3) == ["job 3"]
    until(lambda: not process.is_running(pid))
    assert not spool.is_running()


def _text(path):
    return path.read_text() if path.exists() else ""
