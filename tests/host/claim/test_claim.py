"""Claiming: once, whatever is repeated."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from jobs.host.base import spool as spools
from jobs.host.base.client import Client, Unreachable
from jobs.host.base.config import HostLimits, limits_of, write_limits
from jobs.host.base.spool import Spool
from jobs.host.claim import claim
from jobs.host.run import spawn
from jobs.plans import Step, from_json
from tests.host.conftest import plan_of, record_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


@pytest.fixture
def known(intake, client):
    """The client has the intake's instance id, as after a first heartbeat."""
    client.heartbeat({})


@pytest.fixture
def claimed(intake, config, client):
    """Claim job 7 and wait for its end; its spool."""

    def run(*steps, **plan):
        intake.jobs[7] = record_of(*steps, **plan)
        assert claim.claim_job(config, client, 7) is True
        spool = Spool(config.dir / "spool" / "7")
        until(spool.exit)
        return spool

    return run


def test_a_job_is_claimed_and_runs_with_the_hosts_own_values(claimed, config):
    spool = claimed("echo {job} {port} {job_dir}", values={"job": "7"})

    assert spool.log.read_text() == f"7 {config.ports[0]} {spool.path}\n"
    assert spool.read_events()[0]["values"] == {
        "job": "7",
        "job_dir": str(spool.path),
        "port": str(config.ports[0]),
    }
    assert (spool.path / "meta.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_server_has_the_port_that_its_plan_asks_for_unless_it_is_taken(claimed, config, is_taken):
    first, asked = config.ports

    with socket.create_server(("127.0.0.1", asked)) as other:
        if not is_taken:
            other.close()
        spool = claimed("echo {port}", port=asked)

    assert spool.log.read_text() == f"{first if is_taken else asked}\n"


def test_many_at_once_start_a_job_once(intake, config):
    intake.jobs[7] = record_of("echo once; sleep 0.2")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: claim.claim_job(config, Client(config), 7), range(8)))

    spool = Spool(config.dir / "spool" / "7")
    until(spool.exit)
    assert spool.log.read_text() == "once\n"
    assert intake.jobs[7].claims == 1


def test_an_unanswered_claim_is_repeated_with_the_same_nonce(intake, config, client):
    intake.jobs[7] = record_of("echo hi")
    intake.fault = lambda method, path: "forget"
    with pytest.raises(Unreachable):
        claim.claim_job(config, client, 7)
    intake.fault = lambda method, path: None

    assert claim.claim_job(config, client, 7) is True
    assert intake.jobs[7].claims == 3  # a request whose connection was closed goes once more


def test_a_job_that_another_host_has_is_left(intake, config, client):
    intake.jobs[7] = record_of("echo hi")
    intake.jobs[7].claim_id = "someone-else"

    assert claim.claim_job(config, client, 7) is False
    assert not (config.dir / "spool" / "7").exists()


def test_a_job_that_is_here_is_not_claimed_again(intake, config, client, known, claimed):
    spool = claimed("echo once")

    assert claim.claim_job(config, client, 7) is True
    assert spool.log.read_text() == "once\n"
    assert intake.jobs[7].claims == 1


@pytest.mark.parametrize(
    ("claim_it", "kind"), [("claim_job", "job"), ("claim_deployment", "deployment")]
)
def test_what_is_being_closed_is_not_waited_for(
    intake, config, client, known, claim_it, kind, make_spool, make_server
):
    of = {"number": 7, "instance": intake.instance}
    spool = make_spool("true", **of) if kind == "job" else make_server(**of)
    answers, claims = [], getattr(claim, claim_it)
    asks = threading.Thread(target=lambda: answers.append(claims(config, client, 7)))
    with spools.guard(config.dir, f"{kind}-7"):
        lock = spool.lock()

        asks.start()
        asks.join(PATIENCE_S)

        assert answers == [kind == "job"]  # the next run of a server is asked for again
        os.close(lock)


def test_a_worker_with_old_settings_keeps_the_agents_limits(intake, config, client):
    of_the_agent = HostLimits(log_bytes=123)
    write_limits(of_the_agent, config.dir)
    intake.jobs[7] = record_of("true")

    claim.claim_job(config, client, 7)

    assert limits_of(config.dir) == of_the_agent
    write_limits(HostLimits(log_bytes=7), config.dir / "claims", if_missing=True)
    assert limits_of(config.dir / "claims") == HostLimits(log_bytes=7)
    until(Spool(config.dir / "spool" / "7").exit)


def test_a_claimed_job_without_a_launcher_is_started(intake, config, client, known, make_spool):
    intake.jobs[7] = record_of("true")
    spool = make_spool("echo late", number=7, instance=intake.instance)

    assert claim.claim_job(config, client, 7) is True

    until(spool.exit)
    assert spool.log.read_text() == "late\n"


def test_two_dashboards_with_the_same_job_number_never_mix(config, known, ran, claimed):
    ran("echo of the other", number=7, instance="another")

    assert claimed("echo ours").log.read_text() == "ours\n"
    assert (config.dir / "aside" / "another-7" / "log").read_text() == "of the other\n"


def test_a_claim_waits_for_another_dashboards_job_of_its_number(intake, config, client, known, up):
    old, popen = up("echo up; sleep 600", number=7, instance="another")
    intake.jobs[7] = record_of("echo ours")

    assert claim.claim_job(config, client, 7) is False
    assert intake.jobs[7].claims == 0
    assert old.is_running()

    old.ask_cancel()
    popen.wait(PATIENCE_S)
    assert claim.claim_job(config, client, 7) is True


def test_a_number_that_the_dashboard_gave_again_is_claimed_anew(
    intake, config, known, ran, claimed
):
    # Its database is an older one now: the job 7 that ran here it has forgotten.
    ran("echo forgotten", number=7, instance=intake.instance, token="t-old").mark_acked(1)

    assert claimed("echo new").log.read_text() == "new\n"
    kept = config.dir / "aside" / f"{intake.instance}-7" / "log"
    assert kept.read_text() == "forgotten\n"


def test_a_forgotten_server_does_not_replace_a_new_one(host_dir, make_server):
    plan = from_json(plan_of(Step("serve", ("sleep", "60"), serves=True)))
    spool = make_server(3, token="t-old")
    spool.log.write_text("old\n")
    wanted = replace(spool.meta(), token="t-new")

    lock = spawn.prepare_spool(spool, host_dir, wanted, plan, {}, {})

    assert lock is not None
    os.close(lock)
    assert (spool.meta(), spool.log.read_text()) == (wanted, "")


def test_a_dashboard_that_does_not_know_our_key_is_not_learnt(intake, config, client, known):
    before = client.instance()
    intake.instance = "a stranger at this address"
    stranger = Client(replace(config, key="another key"))

    assert stranger.heartbeat({}).status == 401

    assert client.instance() == before


def test_a_cancel_of_another_dashboard_does_not_reach_our_job(config, client, known, make_spool):
    spool = make_spool("true", number=7, instance="another")

    assert claim.cancel(config, client, "job", 7, run=1) is False
    assert not spool.is_cancel_asked(1)


def test_a_stop_that_comes_late_does_not_stop_the_next_run(
    config, client, known, intake, make_server
):
    spool = make_server(2, instance=intake.instance, run=2)

    claim.cancel(config, client, "deployment", 2, run=1)
    assert not spool.is_cancel_asked(2)

    claim.cancel(config, client, "deployment", 2, run=2)
    assert spool.is_cancel_asked(2)


def test_a_port_in_use_or_given_away_is_not_chosen(config, make_spool):
    first, _ = config.ports
    make_spool("true", number=1, values={"port": str(first)})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", first + 1))
        listener.listen()

        assert claim.free_port(config) == first + 2


def test_the_launcher_outlives_its_starter_and_leaves_no_zombie(intake, config, client):
    intake.jobs[7] = record_of("echo up; sleep 0.5")

    claim.claim_job(config, client, 7)

    spool = Spool(config.dir / "spool" / "7")
    pid = until(lambda: (spool.path / "launcher.json").exists() and spools.launcher_pid(spool))
    assert os.getsid(pid) != os.getsid(0)
    until(spool.exit)
    until(lambda: spools.launcher_pid(spool) is None)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_a_plan_with_a_slot_that_nothing_fills_gets_its_verdict(claimed):
    spool = claimed("echo {artifact.path}")

    ended = spool.exit()
    assert (ended["verdict"], ended["message_id"]) == ("failed", "internal:plan")
    assert "{artifact.path}" in ended["message_args"]["problem"]
    assert [event["type"] for event in spool.read_events()] == ["ended"]
    assert not spool.is_running()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"plan": {}}', '{"plan": {}, "values": {}}'])
def test_a_plan_that_cannot_be_read_gets_its_verdict(config, make_spool, text):
    spool = make_spool("true")
    (spool.path / "plan.json").write_text(text)

    assert claim.start_if_fresh(config, spool) is True

    assert spool.exit()["message_id"] == "internal:plan"
    assert not spool.is_running()


def test_what_breaks_before_the_launcher_starts_leaves_no_lock(config, make_spool, monkeypatch):
    spool = make_spool("true")
    strict = replace(config, allowed_programs=("nothing",))

    def full(*_args, **_more):
        raise OSError("no space left on device")

    for name, asked in (("append_ended", strict), ("plan", config)):
        with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
            patched.setattr(Spool, name, full)
            claim.start_if_fresh(asked, spool)
        assert not spool.is_running()

    assert claim.start_if_fresh(config, spool) is True
    assert until(spool.exit)["verdict"] == "succeeded"
