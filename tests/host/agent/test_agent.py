"""The agent as a real process, killed at will."""

import sys
import threading
from dataclasses import replace

import pytest

from jobs.base.files import take_lock
from jobs.host.agent import agent
from jobs.host.base.spool import Spool
from jobs.host.retain import MEASURED
from jobs.plans import Output, PlanFile, Step
from tests.host.conftest import METRICS_SERVER, record_of
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


def _server_plan(*later):
    serve = Step("serve", (sys.executable, "{job_dir}/files/server.py", "{port}"), serves=True)
    return record_of(serve, *later, files=(PlanFile("server.py", METRICS_SERVER),))


@pytest.fixture
def deployed(intake):
    """Job 5, which starts deployment 2."""

    def make(*later):
        job = intake.jobs[5] = _server_plan(*later)
        deployment = intake.deployments[2] = _server_plan(*later)
        job.deployment = {"id": 2, "token": deployment.token, "run": 1}
        intake.start.add(5)
        return job, deployment

    return make


def _served(intake, state="running", run=1):
    """The last heartbeat's word on deployment 2, when it is in this state."""
    beats = intake.heartbeats[-1]["serves"] if intake.heartbeats else []
    return next((s for s in beats if (s["id"], s["state"], s["run"]) == (2, state, run)), None)


def test_a_job_is_shipped_and_sent_again_to_a_restored_dashboard(
    intake, start_agent, config, queued
):
    job = queued("echo hi; echo 1 > r", outputs=(Output("r", "r"),))
    start_agent()
    until(Spool(config.dir / "spool" / "7").is_acked)
    assert (job.ended["verdict"], job.log) == ("succeeded", b"hi\n")
    assert job.outputs == {"r": bytearray(b"1\n")}
    until(lambda: not intake.heartbeats[-1]["jobs"])

    older = record_of("echo hi; echo 1 > r", outputs=(Output("r", "r"),))
    older.token, older.claim_id = job.token, job.claim_id
    intake.resend = {7, 8}  # of the other one the host has nothing
    intake.jobs[7] = older

    until(lambda: older.ended)
    assert (older.log, older.outputs) == (b"hi\n", {"r": bytearray(b"1\n")})
    intake.resend = set()
    until(Spool(config.dir / "spool" / "7").is_acked)


def test_a_heartbeat_has_jobs_load_and_facts(intake, start_agent, config, queued):
    queued("echo hi; sleep 600")

    start_agent()

    beat = until(lambda: next((b for b in intake.heartbeats if b["jobs"]), 0))
    token = intake.jobs[7].token
    assert beat["jobs"] == [{"id": 7, "token": token, "state": "running"}]
    measured = {"spool_bytes", "aside_bytes", "disk_usage"}  # a moment later, the first time
    assert set(beat["load"]) - measured == {
        "load_1m",
        "memory_free_bytes",
        "disk_free_bytes",
        "disk_reserve_bytes",
    }
    until(lambda: measured <= set(intake.heartbeats[-1]["load"]))
    made = until(lambda: set(intake.heartbeats[-1]["load"]["disk_usage"]) == set(MEASURED))
    assert made
    facts = until(lambda: next((b["facts"] for b in intake.heartbeats if b.get("facts")), None))
    assert facts["roots"]["weights"] == str(config.dir / "weights")
    intake.jobs[7].cancel = True
    until(lambda: intake.jobs[7].ended)
    assert intake.jobs[7].ended["verdict"] == "cancelled"


def test_killing_the_agent_loses_nothing(intake, start_agent, queued):
    queued("for i in $(seq 1 300); do echo line $i; sleep 0.01; done")
    for number in range(3):
        agent = start_agent()
        until(lambda number=number: len(intake.jobs[7].log) > number * 500)
        agent.kill()
        agent.wait()

    start_agent()

    until(lambda: intake.jobs[7].ended)
    lines = "".join(f"line {i}\n" for i in range(1, 301))
    assert intake.jobs[7].log == lines.encode()
    assert (intake.jobs[7].ended["verdict"], intake.jobs[7].claims) == ("succeeded", 1)


def test_a_job_that_ended_while_no_agent_was_there_is_adopted(intake, start_agent, config, queued):
    queued("echo up; sleep 0.5; echo end")
    agent = start_agent()
    until(lambda: intake.jobs[7].log)
    agent.kill()
    agent.wait()
    until(Spool(config.dir / "spool" / "7").exit)
    assert intake.jobs[7].ended is None

    start_agent()

    until(lambda: intake.jobs[7].ended)
    assert intake.jobs[7].log == b"up\nend\n"


def test_a_new_dashboard_at_the_address_gets_only_its_own_jobs(intake, start_agent, config, queued):
    queued("echo of the first")
    start_agent()
    until(lambda: intake.jobs[7].ended)
    first = intake.instance
    until(Spool(config.dir / "spool" / "7").is_acked)

    with intake.lock:
        intake.instance = "second"
        intake.jobs[7] = record_of("echo of the second")

    until(lambda: intake.jobs[7].ended)
    assert intake.jobs[7].log == b"of the second\n"
    assert (config.dir / "aside" / f"{first}-7" / "log").read_text() == "of the first\n"


def test_a_server_outlives_its_job_and_the_agent_and_starts_again(
    intake, start_agent, deployed, config
):
    job, deployment = deployed("until ls {serve_dir}/ready; do sleep 0.05; done")
    agent = start_agent()
    until(lambda: job.ended)
    assert job.ended["verdict"] == "succeeded"
    assert next(e for e in job.events if e["type"] == "serve_started")["deployment"] == 2
    assert until(lambda: _served(intake))["health"] == "ready"
    agent.kill()
    agent.wait()
    intake.heartbeats.clear()

    start_agent()

    serve, port = until(lambda: _served(intake)), config.ports[0]
    assert (serve["health"], serve["port"], serve["token"]) == ("ready", port, deployment.token)
    assert deployment.log == b"listening\n"
    assert deployment.ended is None
    deployment.wanted = False
    until(lambda: deployment.ended)
    assert deployment.ended["verdict"] == "cancelled"

    with intake.lock:
        deployment.wanted, deployment.run, deployment.token = True, 2, "second"
        intake.serve.add(2)

    assert until(lambda: _served(intake, run=2))["token"] == "second"
    until(lambda: deployment.log == b"listening\nlistening\n")
    deployment.wanted = False
    until(lambda: deployment.ended["run"] == 2)


def test_a_cancelled_deploy_job_takes_its_server_with_it(intake, start_agent, deployed):
    job, deployment = deployed("sleep 600")
    start_agent()
    until(lambda: _served(intake))

    job.cancel = True

    until(lambda: job.ended and deployment.ended)
    assert job.ended["verdict"] == "cancelled"
    assert deployment.ended["verdict"] == "cancelled"


def test_a_job_with_an_interrupted_claim_is_done(intake, start_agent, config):
    # The worker was killed after its claim: the dashboard no longer lists the job to start.
    intake.jobs[7] = record_of("echo hi")
    intake.jobs[7].claim_id = "nonce-of-the-dead"
    (config.dir / "claims").mkdir()
    (config.dir / "claims" / "job-7.nonce").write_text("nonce-of-the-dead")

    start_agent()

    until(lambda: intake.jobs[7].ended)
    assert intake.jobs[7].log == b"hi\n"
    assert not (config.dir / "claims" / "job-7.nonce").exists()


def test_two_agents_never_work_in_one_folder(intake, start_agent, config):
    start_agent()
    until(lambda: intake.heartbeats)

    lock = take_lock(config.dir / "agent.lock", 0.0)

    assert lock is None


def test_sigterm_ends_the_agent_and_leaves_the_job(intake, start_agent, config, queued):
    queued("echo up; sleep 600")
    agent = start_agent()
    until(lambda: intake.jobs[7].log)

    agent.terminate()

    assert agent.wait(PATIENCE_S) == 0
    assert Spool(config.dir / "spool" / "7").is_running()


def test_a_spool_that_cannot_be_read_holds_no_other_up(intake, start_agent, make_spool, queued):
    empty = make_spool("true", number=8, instance=intake.instance)
    (empty.path / "meta.json").write_text("")
    odd = make_spool("true", number=9, instance=intake.instance)
    (odd.path / "exit.json").write_text("{}")
    queued("echo hi", number=50)

    start_agent()

    until(lambda: intake.jobs[50].ended)
    assert intake.heartbeats


def test_events_that_a_power_cut_tore_still_get_their_end(intake, start_agent, make_spool):
    intake.jobs[9] = record_of("true")
    spool = make_spool("true", number=9, instance=intake.instance, token=intake.jobs[9].token)
    spool.append_event("started", values={}, boot_id="a boot before", run=1)
    with spool.events.open("ab") as file:
        file.write(b"\0\0\0\n")

    start_agent()

    ended = until(spool.exit)
    assert (ended["verdict"], ended["message_id"]) == ("lost", "host:rebooted")


def test_an_unshippable_spool_is_reported_and_set_aside(
    intake, start_agent, config, make_spool, launch
):
    intake.jobs[9] = record_of("true")
    spool = make_spool("true", number=9, instance=intake.instance, token=intake.jobs[9].token)
    launch(spool)
    intake.jobs[9].streams["events"] += b"{}\n" * 1000

    start_agent()

    until((config.dir / "aside" / f"{intake.instance}-9").exists)
    reports = [job for beat in intake.heartbeats for job in beat["jobs"] if "broken" in job]
    assert reports[0]["broken"] == "events that were sent are missing"


def test_the_host_is_looked_at_again_after_a_look_that_broke(intake, agent_in_thread, monkeypatch):
    breaks = iter([RecursionError("odd")])

    def probe_or_break(config):
        if error := next(breaks, None):
            raise error
        return {"os": "well"}

    monkeypatch.setattr(agent.probe, "probe", probe_or_break)
    monkeypatch.setattr(agent, "FACTS_S", 0.01)

    agent_in_thread()

    until(lambda: any(beat.get("facts") for beat in intake.heartbeats))


def test_a_refused_heartbeat_is_logged_once(intake, agent_in_thread, monkeypatch, caplog):
    asked = []
    intake.fault = lambda method, path: asked.append(path)
    intake.heartbeat = lambda body: (426, {"error": "protocol", "upgrade_to": 9})
    monkeypatch.setattr(agent, "HEARTBEAT_S", 0.01)

    agent_in_thread()

    until(lambda: len(asked) > 5)
    messages = [record.getMessage() for record in caplog.records]
    assert len([line for line in messages if line.startswith("heartbeat: 426")]) == 1


def test_a_host_without_work_and_with_a_queue_of_hints_reports_less_often(
    intake, config, monkeypatch
):
    waits = []
    hinted = replace(config, redis_url="redis://127.0.0.1:6379/0")
    alone = replace(config, redis_url="")
    for each, orders in ((hinted, {}), (alone, {}), (hinted, {"start": [7]})):
        intake.heartbeat = lambda body, orders=orders: (200, {"server_time": 1.0, **orders})
        one = agent.Agent(each)
        monkeypatch.setattr(one, "_follow_orders", lambda *_: None)
        monkeypatch.setattr(
            one._beat_now, "wait", lambda s, one=one: waits.append(s) or one._stopped.set()
        )
        one._keep_beating()

    assert waits == [agent.QUIET_HEARTBEAT_S, agent.HEARTBEAT_S, agent.HEARTBEAT_S]


def test_what_a_thread_could_not_be_started_for_is_tried_again(monkeypatch):
    def no_more(*_args, **_more):
        raise RuntimeError("can't start new thread")

    busy, done = {}, threading.Event()
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", no_more)
        with pytest.raises(RuntimeError):
            agent._begin(busy, 7, done.set, "check 7")

    agent._begin(busy, 7, done.set, "check 7")

    assert done.wait(PATIENCE_S)
