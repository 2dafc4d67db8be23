"""Claim a job or a server's restart from the dashboard and start its launcher, once.

Celery tasks and agent use the same functions; the first one claims.
"""

import contextlib
import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.base.errors import PlanError
from jobs.base.files import write_atomic
from jobs.host.base import spool as spools
from jobs.host.base.client import Client
from jobs.host.base.config import Config, write_limits
from jobs.host.base.spool import Meta, Spool
from jobs.host.checks import is_free
from jobs.host.claim.policy import Refusal, policy_of
from jobs.host.run import spawn
from jobs.plans import Plan, from_json, slots

log = logging.getLogger(__name__)


def claim_job(config: Config, client: Client, job_id: int) -> bool:
    """Claim a job and start it. True when it is ours now: it runs or has run. Safe to repeat: the
    nonce of the claim is on the disk before it is used, and a job that is here already is only
    started where nothing of it has run yet. Raises Unreachable: try again. Raises PlanError: the
    dashboard sent something that cannot be run."""
    spool = Spool(config.dir / spools.JOBS_FOLDER / str(job_id))
    # The adopter holds the guard while it closes a dead run, which may take minutes.
    if spool.is_running() and spool.meta().instance == client.instance():
        return True
    with spools.guard(config.dir, f"job-{job_id}"):
        if not _set_aside_foreign(config, client, spool):
            return False
        if spool.path.exists() and (start_if_fresh(config, spool) or spool.exit() is None):
            return True
        # One that is over may be of a job that the dashboard has forgotten (its database is an
        # older one now) before it gave the number again: then it lets us claim the number anew.
        nonce = config.dir / "claims" / f"job-{job_id}.nonce"
        if not nonce.exists():
            write_atomic(nonce, uuid.uuid4().hex.encode(), mode=0o600)
        answer = client.claim_job(job_id, nonce.read_text())
        if answer.status != 200:  # after a 412 the client knows the new instance: asked again
            log.info("claim of job %s refused: %s %s", job_id, answer.status, dict(answer.body))
            if answer.status in (404, 409):
                nonce.unlink()
            return spool.path.exists()
        if spool.path.exists() and (
            spool.meta().token == str(answer.body["token"])
            or spools.set_aside(spool, config.dir) is None
        ):
            return False  # this job's own, or another one's of this number, which runs
        body, about = answer.body, answer.body.get("deployment")
        plan, serve = from_json(body["plan"]), about["id"] if about else None
        meta = _meta(client, spools.JOB, job_id, body, run=1)
        # The port is chosen and written down while no other claim chooses one.
        with spools.guard(config.dir, "ports"):
            values = _with_own(config, plan, body["values"], serve=serve)
            values["job_dir"] = str(spool.path)
            spools.create(spool.path, meta, body["plan"], values, about, body.get("secrets"))
        nonce.unlink()
        start_if_fresh(config, spool)
        return True


def half_claimed(config: Config) -> list[int]:
    """Jobs whose claim a kill interrupted here. The dashboard may count them as claimed and not
    name them again: the host has to ask."""
    names = [p.name for p in (config.dir / "claims").glob("job-*.nonce")]
    return sorted(int(name.removeprefix("job-").removesuffix(".nonce")) for name in names)


def claim_deployment(config: Config, client: Client, deployment_id: int) -> bool:
    """Claim the next run of a server and start it. True when it runs. Raises as claim_job."""
    spool = Spool(config.dir / spools.SERVERS_FOLDER / str(deployment_id))
    if spool.is_running():
        return False  # the run before is still ending; we are asked again
    with spools.guard(config.dir, f"deployment-{deployment_id}"):
        if not _set_aside_foreign(config, client, spool) or spool.is_running():
            return False
        last = spool.meta().run if spool.path.exists() else 0
        if last and start_if_fresh(config, spool):
            return True
        run = last + 1
        answer = client.claim_deployment(deployment_id, run)
        wanted = answer.body.get("run")
        if answer.status == 409 and isinstance(wanted, int) and wanted > run:
            # Runs that we never saw: restarted more than once while we were away.
            answer = client.claim_deployment(deployment_id, wanted)
        body = answer.body
        if answer.status != 200 or body["run"] <= last:
            log.info("server %s not restarted: %s", deployment_id, answer.status)
            return False
        plan, number = from_json(body["plan"]), int(body["deployment"])
        meta = _meta(client, spools.DEPLOYMENT, number, body, run=int(body["run"]))
        with spools.guard(config.dir, "ports"):
            values = _with_own(config, plan, body["values"], serve=number)
            if not Path(values.get("job_dir", "")).joinpath("files").is_dir():
                # The first run's job has been removed; its files are here as well.
                values["job_dir"] = str(spool.path)
            secrets = body.get("secrets") or {}
            lock = spawn.prepare_spool(spool, config.dir, meta, plan, values, secrets)
        if lock is not None:
            _launch(config, spool, lock)
        return lock is not None


def start_if_fresh(config: Config, spool: Spool) -> bool:
    """Start the launcher where nothing of the present run has begun. True when it was started, or
    closed as failed because the host's own policy does not permit it."""
    if spool.is_running() or spool.exit() is not None or spool.was_started():
        return False
    lock = spool.lock()
    if lock is None:
        return False
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock)
        if spool.was_started():  # another one was faster, and has ended
            return False
        held.pop_all()
    _launch(config, spool, lock)
    return True


def _launch(config: Config, spool: Spool, lock: int) -> None:
    """Hand the spool to a launcher, or close it as failed. ``lock`` is the launcher's then, or
    closed: held on, the spool would look running for ever."""
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock)
        try:
            stored = spool.plan()
            plan, values = from_json(stored["plan"]), stored["values"]
            refusal = policy_of(config).refusal(plan, values, spool.work)
        except PlanError as error:
            refusal = Refusal(error.id, {"problem": str(error)})
        except (ValueError, LookupError, TypeError) as error:  # torn by a power cut
            refusal = Refusal(PlanError.id, {"problem": repr(error)})
        if refusal is not None:
            log.warning("%s is refused: %s %s", spool, refusal.message_id, dict(refusal.args))
            spool.append_ended("failed", refusal.message_id, refusal.args)
        with contextlib.suppress(OSError):  # then the usual limits hold
            write_limits(config.limits, config.dir, if_missing=True)
        if refusal is None:
            held.pop_all()
            spawn.STANDBY.start(spool, lock)


def cancel(config: Config, client: Client, kind: str, number: int, *, run: int) -> bool:
    """Ask this run of a job ("job") or a server ("deployment") to stop. False: not here, or ended.
    Only of our dashboard, because another one may have used the same number."""
    folder = spools.SERVERS_FOLDER if kind == spools.DEPLOYMENT else spools.JOBS_FOLDER
    spool = Spool(config.dir / folder / str(number))
    try:
        is_over = spool.meta().instance != client.instance() or spool.exit() is not None
        if is_over or spool.is_cancel_asked(run):
            return False
        spool.ask_cancel(run)
    except FileNotFoundError:
        return False
    return True


def _meta(client: Client, type: str, number: Any, body: Mapping[str, Any], *, run: int) -> Meta:
    instance, token = str(body["instance"]), str(body["token"])
    return Meta(type, int(number), instance, token, run, client.dashboard)


def _with_own(
    config: Config, plan: Plan, values: Mapping[str, str], *, serve: int | None
) -> dict[str, str]:
    """Add a server's folder and a free port."""
    filled = {name: str(value) for name, value in values.items()}
    if serve is not None:
        filled["serve_dir"] = str(config.dir / spools.SERVERS_FOLDER / str(serve))
    if "port" in slots(plan):
        before = filled.get("port", "")
        wanted = int(before) if before.isdigit() else plan.port or None
        filled["port"] = str(free_port(config, wanted))
    return filled


def free_port(config: Config, first_choice: int | None = None) -> int:
    """A port that nothing listens on and no open spool was given. Raises OSError: all of HOST_PORTS
    are taken."""
    taken = set()
    for spool in spools.all_spools(config.dir):
        with contextlib.suppress(*spools.UNREADABLE):  # set aside, or torn
            # Most spools are of ended jobs, and the existence of one file shows that.
            is_over = spool.is_of_job and (spool.path / "exit.json").exists()
            if not is_over and spool.exit() is None:
                taken.add(int(spool.plan()["values"].get("port", 0)))
    first, last = config.ports
    choices: list[int] = [*filter(None, [first_choice]), *range(first, last + 1)]
    for port in choices:
        if port not in taken and is_free(port):
            return port
    raise OSError(f"no port between {first} and {last} is free (HOST_PORTS)")


def _set_aside_foreign(config: Config, client: Client, spool: Spool) -> bool:
    """Set another dashboard's spool of this number aside. False: it still runs, so not now."""
    known = client.instance()
    if not spool.path.exists() or spool.meta().instance == known:
        return True
    if known is None:  # the first heartbeat identifies the dashboard
        return False
    if spools.set_aside(spool, config.dir) is None:
        log.warning("%s of another dashboard is still running", spool.path)
        return False
    return True
