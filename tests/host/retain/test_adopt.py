"""Spools that an agent finds: running, ended, dead, unknown to its dashboard; and stopping all."""

import json

import pytest

from jobs.host import retain, ship
from jobs.host.agent import agent
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.base.spool import Spool
from jobs.host.retain import Adopter, Orphans, close_dead, stop_everything
from tests.host.conftest import kill_launcher, record_of
from tests.waiting import until

pytestmark = pytest.mark.processes


def test_a_running_job_is_left_alone(up, config):
    spool, _launcher = up("echo up; sleep 600")

    Adopter(config).adopt(spool)

    assert spool.is_running()
    assert spool.exit() is None


def test_a_dead_launcher_leaves_a_lost_job_with_its_last_lines(up, config):
    spool, _launcher = up("printf 'first\\na\\rlast\\n'; sleep 600")
    kill_launcher(spool)

    Adopter(config).adopt(spool)

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"]) == ("lost", "host:launcher_died")
    assert ended["message_args"]["last_lines"] == "first\nlast"
    assert ended["message_args"]["host"]["memory_free_bytes"] > 0
    assert ended["log_bytes"] == spool.log.stat().st_size
    assert spool.read_events()[-1] == ended


def test_what_a_dead_launcher_left_running_is_ended(up, config):
    spool, _launcher = up("setsid sh -c 'echo $$; sleep 600' & wait")
    pid = int(spool.log.read_text())
    kill_launcher(spool)
    assert process.is_running(pid)

    Adopter(config).adopt(spool)

    until(lambda: not process.is_running(pid))


def test_a_reboot_is_distinguished_from_a_dead_launcher(make_spool, host_dir):
    spool = make_spool("true")
    spool.append_event("started", values={}, boot_id="before", run=1)

    close_dead(spool)

    assert spool.exit()["message_id"] == "host:rebooted"


def test_a_launcher_that_wrote_its_last_event_is_not_lost(config, ran):
    spool = ran("true")
    ended = spool.exit()
    (spool.path / "exit.json").unlink()

    Adopter(config).adopt(spool)

    assert spool.exit() == ended
    assert len([e for e in spool.read_events() if e["type"] == "ended"]) == 1


def test_a_living_launcher_is_never_called_dead(up):
    spool, _launcher = up("echo up; sleep 600")
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


def test_stopping_everything_cancels_all_that_runs(up, host_dir):
    running = [up("echo up; sleep 600", number=number)[0] for number in (1, 2)]

    assert stop_everything(host_dir, 20) == []
    assert [spool.exit()["verdict"] for spool in running] == ["cancelled", "cancelled"]


def test_what_does_not_stop_in_time_is_killed_and_named(up, host_dir):
    spool, _launcher = up("trap '' TERM; echo $$; while :; do sleep 0.05; done", number=3)
    pid = int(spool.log.read_text())

    assert stop_everything(host_dir, 0.3) == ["job 3"]
    until(lambda: not process.is_running(pid))
    assert not spool.is_running()


@pytest.fixture
def in_thread(agent_in_thread, monkeypatch):
    """Start an agent that asks soon again about what is unknown, with this grace."""
    monkeypatch.setattr(agent, "UNKNOWN_WAIT_S", 0.05)

    def start(grace_s):
        monkeypatch.setattr(retain, "GRACE_S", grace_s)
        agent_in_thread()

    return start


@pytest.fixture
def running(up, intake):
    """A running job 9 of this dashboard."""

    def start(token):
        return up("echo up; sleep 600", number=9, instance=intake.instance, token=token)[0]

    return start


def test_a_job_that_the_dashboard_forgot_runs_on_at_first(intake, in_thread, running):
    spool = running("forgotten")
    asked = []
    intake.fault = lambda method, path: asked.append(path)

    in_thread(grace_s=600.0)

    until(lambda: sum("jobs/9/streams" in path for path in asked) > 3)
    assert spool.is_running()
    assert not spool.is_cancel_asked(1)


def test_after_a_grace_it_is_ended_and_set_aside_with_a_reason(intake, in_thread, config, running):
    running("forgotten")

    in_thread(grace_s=0.0)

    aside = Spool(config.dir / "aside" / f"{intake.instance}-9")
    until(aside.path.exists)
    assert aside.exit()["verdict"] == "cancelled"
    assert (aside.path / "launcher.log").read_text() == (
        "unknown to the dashboard for 0 s: ending it\n"
    )


def test_a_silent_job_that_is_forgotten_later_is_noticed(
    intake, in_thread, config, running, monkeypatch
):
    monkeypatch.setattr(ship, "ASK_AGAIN_S", 0.1)
    intake.jobs[9] = record_of("true")
    spool = running(intake.jobs[9].token)
    in_thread(grace_s=0.0)
    until(lambda: intake.jobs[9].log == b"up\n")
    assert spool.is_running()

    with intake.lock:
        del intake.jobs[9]

    until((config.dir / "aside" / f"{intake.instance}-9").exists)


def test_another_dashboards_jobs_are_ended_after_the_same_grace(intake, in_thread, config, up):
    (config.dir / "instance").write_text(intake.instance)
    up("echo up; sleep 600", number=9, instance="another")

    in_thread(grace_s=0.0)

    until((config.dir / "aside" / "another-9").exists)


def test_a_job_known_again_gets_its_whole_grace_again(host_dir, up):
    clock = [0.0]
    spool, _launcher = up("echo up; sleep 600")
    parting = Orphans(host_dir, lambda: clock[0])

    def is_cancelled_at(moment):
        clock[0] = moment
        assert parting.set_aside(spool) is False
        return spool.is_cancel_asked(1)

    assert not is_cancelled_at(0)
    assert not is_cancelled_at(100)
    assert not is_cancelled_at(650)  # not asked for nine minutes
    assert not is_cancelled_at(700)
    assert not any(is_cancelled_at(moment) for moment in range(750, 1250, 50))
    assert is_cancelled_at(1250)
