"""Orphans on a host: processes and spools unknown to its dashboard."""

import pytest

from jobs.host import retain as orphans
from jobs.host import ship
from jobs.host.agent import agent
from jobs.host.base.spool import Spool
from jobs.host.retain import Orphans
from tests.host.conftest import record_of
from tests.waiting import until

pytestmark = pytest.mark.processes


@pytest.fixture
def in_thread(agent_in_thread, monkeypatch):
    """An agent with less patience than it has."""
    monkeypatch.setattr(agent, "UNKNOWN_WAIT_S", 0.05)
    return agent_in_thread


def running(make_spool, launch, intake, token):
    spool = make_spool("echo up; sleep 600", number=9, instance=intake.instance, token=token)
    launch(spool, wait=False)
    until(lambda: spool.log.read_bytes())
    return spool


def test_a_job_that_the_dashboard_forgot_runs_on_at_first(
    intake, in_thread, config, make_spool, launch
):
    spool = running(make_spool, launch, intake, "forgotten")
    asked = []
    intake.fault = lambda method, path: asked.append(path)

    in_thread()

    until(lambda: sum("jobs/9/streams" in path for path in asked) > 3)
    assert spool.is_running()
    assert not spool.is_cancel_asked(1)


def test_after_a_grace_it_is_ended_and_set_aside_with_a_reason(
    intake, in_thread, config, make_spool, launch, monkeypatch
):
    monkeypatch.setattr(orphans, "GRACE_S", 0.0)
    running(make_spool, launch, intake, "forgotten")

    in_thread()

    aside = Spool(config.dir / "aside" / f"{intake.instance}-9")
    until(aside.path.exists)
    assert aside.exit()["verdict"] == "cancelled"
    assert (aside.path / "launcher.log").read_text() == (
        "unknown to the dashboard for 0 s: ending it\n"
    )


def test_a_silent_job_that_is_forgotten_later_is_noticed(
    intake, in_thread, config, make_spool, launch, monkeypatch
):
    monkeypatch.setattr(orphans, "GRACE_S", 0.0)
    monkeypatch.setattr(ship, "ASK_AGAIN_S", 0.1)
    intake.jobs[9] = record_of("true")
    spool = running(make_spool, launch, intake, intake.jobs[9].token)
    in_thread()
    until(lambda: intake.jobs[9].log == b"up\n")
    assert spool.is_running()

    with intake.lock:
        del intake.jobs[9]

    until((config.dir / "aside" / f"{intake.instance}-9").exists)


def test_another_dashboards_jobs_are_ended_after_the_same_grace(
    intake, in_thread, config, make_spool, launch, monkeypatch
):
    monkeypatch.setattr(orphans, "GRACE_S", 0.0)
    (config.dir / "instance").write_text(intake.instance)
    spool = make_spool("sleep 600", number=9, instance="another")
    launch(spool, wait=False)
    until(spool.was_started)

    in_thread()

    until((config.dir / "aside" / "another-9").exists)


def test_a_job_known_again_gets_its_whole_grace_again(host_dir, make_spool, launch):
    clock = [0.0]
    spool = make_spool("sleep 600")
    launch(spool, wait=False)
    until(spool.is_running)
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
