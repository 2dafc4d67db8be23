"""States of deployments: every change of one, as one conditional UPDATE with a DeploymentEvent. A
server outlives its job, whose verdict stays when the server fails later."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs import notifications
from jobs.access import secrets
from jobs.base import engine_addresses
from jobs.base.errors import JobsError, LaunchError
from jobs.base.messages import Message
from jobs.host_protocol import ServerRun
from jobs.kinds.lib import ports
from jobs.models import Deployment, DeploymentEvent, Host, Job
from jobs.plans import ENGINES, from_json
from jobs.queries.hosts import leased_dies
from jobs.schedule import agent_tasks, launch_rights
from jobs.schedule.capacity import capacity_of, common_place, read_by
from jobs.schedule.targets import target_of

State = Deployment.State

_HEALTH = {"loading": State.LOADING, "ready": State.READY, "unhealthy": State.UNHEALTHY}
_STOPPING = "deployment:stopping"
_SERVING = (State.LOADING, State.READY, State.UNHEALTHY)
# A recovered server's log is completed: its host sends the missing part.
_KEPT_AGAIN: Mapping[str, Any] = {
    "stored_bytes": None,
    "removed_at": None,
    "removed_why": "",
    "removed_args": {},
    "removed_bytes": 0,
}


class NotRestartable(JobsError):
    """The deployment's job never started a server, so there is none to restart."""

    id = "deployment:not_restartable"


class RunRefused(JobsError):
    """This run of the deployment is not requested; ``run`` is the requested one."""

    id = "host:run"

    def __init__(self, state: str, run: int) -> None:
        super().__init__(f"the deployment is {state}")
        self.state = state
        self.run = run


def stop_deployment(deployment_id: int, user: AbstractBaseUser | None) -> bool:
    """Request a stop of the server; immediate if not started yet. False: it has ended."""
    deployment = Deployment.objects.select_related("host").get(pk=deployment_id)
    args, ended = {"user": _name(user)}, {"wanted": False, "stopped_at": now()}
    stopped = Message("deployment:stopped_by", args)
    with transaction.atomic():
        return _stop(deployment, Message(_STOPPING, args)) or _change(
            deployment, State.STOPPED, stopped, only_from=(State.WAITING,), **ended
        )


def _stop(deployment: Deployment, message: Message) -> bool:
    if not _change(deployment, State.STOPPING, message, only_from=_SERVING, wanted=False):
        return False
    tell = partial(agent_tasks.send, deployment.host.name, "stop_serve", deployment.pk)
    transaction.on_commit(tell)
    return True


def restart_deployment(deployment_id: int, user: AbstractBaseUser | None) -> int:
    """Start the next run of the deployment's plan; a running server is stopped first. Returns the
    number of the run. Raises ``NotRestartable``: its job has not succeeded; ``LaunchError``: dies,
    port or folder are in use, or ``user`` may not launch there or use a secret."""
    deployment = Deployment.objects.select_related("host", "job").get(pk=deployment_id)
    if deployment.job.state != "succeeded":
        raise NotRestartable(f"job {deployment.job_id} is {deployment.job.state}")
    with transaction.atomic():
        # Of two restarts on one host, the second sees the first.
        Host.objects.select_for_update(no_key=True).get(pk=deployment.host_id)
        _check_host(deployment)
        launch_rights.check(deployment.host, user)
        secrets.check(from_json(deployment.job.plan), {}, host=deployment.host, user=user)
        # Only from the run that was read: two simultaneous clicks cause one restart.
        if _change(
            deployment,
            State.WAITING,
            Message("deployment:restart", {"user": _name(user)}),
            only_from=[state for state in State if state != State.WAITING],
            run=deployment.run + 1,
            wanted=True,
            ready_at=None,
            stopped_at=None,
            missing_since=None,
        ):
            command = "stop_serve" if deployment.state in Deployment.LIVE_STATES else "serve"
            tell = partial(agent_tasks.send, deployment.host.name, command, deployment_id)
            transaction.on_commit(tell)
        deployment.refresh_from_db(fields=["run"])
    return deployment.run


def _check_host(deployment: Deployment) -> None:
    """Refuse while dies or ports of the plan are in use, or during a job that writes what the
    server reads, or has exclusive use of the host. A loading server would disturb the latter; one
    that is running may be the measured one."""
    host, held = deployment.host, leased_dies(deployment.host)
    mine = [die for die in deployment.job.values.get("dies", "").split(",") if die]
    others = {die: held[die] for die in mine if held.get(die, deployment) != deployment}
    if others:
        user = next(iter(others.values()))
        taken = ", ".join(die for die, one in others.items() if one == user)
        name = user.title if isinstance(user, Job) else user.name
        message = _(
            "Not restarted: dies %(dies)s are in use by deployment #%(id)d (%(name)s). Stop "
            "that deployment, or retry this deployment's job: the job queues for free dies."
        )
        if isinstance(user, Job):
            message = _(
                "Not restarted: dies %(dies)s are in use by job #%(id)d (%(name)s). Restart "
                "after that job has ended."
            )
        raise LaunchError(message % {"dies": taken, "id": user.pk, "name": name})
    servers = [ref for ref in target_of(host).servers if ref.id != deployment.pk]
    if clash := ports.clash(ports.of_server(deployment.job.params, deployment.details), servers):
        message = _(
            "Not restarted: port %(port)d is in use by %(holder)s. End that first, or edit and "
            "rerun its job with another port, such as %(free)d."
        )
        raise LaunchError(message % clash.args, clash.field)
    reads, is_live = read_by(deployment), deployment.state in Deployment.LIVE_STATES
    for other in capacity_of(host).running:
        if place := common_place(reads, other.places):
            message = _(
                "Not restarted: job #%(job)d (%(title)s) writes %(place)s, which this "
                "deployment reads. Restart after that job has ended."
            )
            raise LaunchError(message % {"job": other.id, "title": other.title, "place": place})
        if other.exclusive and not is_live:
            message = _(
                "Not restarted: job #%(id)d (%(name)s) needs the host exclusively. Restart "
                "after that job has ended."
            )
            raise LaunchError(message % {"id": other.id, "name": other.title})


def claim_run(deployment_id: int, *, host: Host, run: int) -> Deployment:
    """Claim a restart for the host; repeated claims return the same. Raises
    ``Deployment.DoesNotExist``; ``RunRefused``: another run is wanted."""
    with transaction.atomic():
        deployment = Deployment.objects.select_related("job", "host").get(
            pk=deployment_id, host=host
        )
        current = deployment.wanted and deployment.run == run and run > 1
        if not current or deployment.state not in (State.WAITING, *_SERVING):
            raise RunRefused(deployment.state, deployment.run)
        _start(deployment)
    return deployment


def fail_run(deployment: Deployment, message: Message) -> bool:
    only_from, fields = (State.WAITING, State.LOADING), {"wanted": False, "stopped_at": now()}
    return _change(deployment, State.FAILED, message, only_from=only_from, **fields)


def note_started(deployment: Deployment, *, run: int, port: str | int | None) -> bool:
    """Record that the server of ``run`` has started. False: already known."""
    if run != deployment.run:
        return False
    _set_address(deployment, port)
    return _start(deployment)


def note_ended(
    deployment: Deployment, ended: Mapping[str, Any], cause: Mapping[str, Any] | None = None
) -> bool:
    """Record a server's end: *stopped* if requested, else *failed*, with its ``cause``."""
    run = ended["run"]
    if run != deployment.run or (deployment.state == State.WAITING and run > 1):
        return False  # an earlier run: its successor is already requested
    job = deployment.job
    if not job.is_open and job.state != "succeeded":
        state: str = State.STOPPED if job.state == "cancelled" else State.FAILED
        message = Message("deployment:job_failed", {"job": job.pk, "state": job.state})
    elif not deployment.wanted:
        state, message = State.STOPPED, _stopped(deployment)
    elif ended["verdict"] == "cancelled":  # on the host itself, e.g. with everything there
        state, message = State.STOPPED, Message("deployment:stopped_on_host")
    else:
        state = State.FAILED
        message = Message(ended["message_id"], dict(ended["message_args"]))
        code = ended.get("exit_code") or 0
        if message.id == "work:server_ended" and code < 0:  # ended by that signal
            message = Message("work:server_killed", {**message.args, "signal": -code})
    if cause and state == State.FAILED:
        message = Message(message.id, {**message.args, **cause})
    only_from = (State.WAITING, *Deployment.LIVE_STATES, State.LOST)
    return _change(deployment, state, message, only_from=only_from, stopped_at=now())


def expected_on(host: Host) -> list[Deployment]:
    """Deployments that are neither stopped nor failed."""
    rows = Deployment.objects.filter(host=host).exclude(state__in=(State.STOPPED, State.FAILED))
    expected = list(rows.prefetch_related("job").order_by("pk"))
    for deployment in expected:
        deployment.host = host
    return expected


def note_heartbeat(expected: Iterable[Deployment], serves: Iterable[ServerRun]) -> bool:
    """Apply a host's report of its servers. True: a state changed. An ``expected`` deployment that
    is not reported counts as missing."""
    moment = now()
    named = {
        (serve.id, serve.token, serve.run): serve for serve in serves if serve.state == "running"
    }
    changed = False
    for deployment in expected:
        serve = named.get((deployment.pk, str(deployment.claim_token), deployment.run))
        if serve is not None:
            changed |= _note_health(deployment, serve)
            Deployment.objects.filter(pk=deployment.pk).update(seen_at=moment, missing_since=None)
        elif deployment.state in Deployment.LIVE_STATES and not (
            deployment.missing_since and deployment.missing_since <= moment
        ):
            Deployment.objects.filter(pk=deployment.pk).update(missing_since=moment)
    return changed


def follow_job(job_id: int, state: str) -> None:
    """Apply the closing ``state`` of the job that starts the deployment's server."""
    deployment = Deployment.objects.filter(job_id=job_id).select_related("host", "job").first()
    if deployment is None:
        return
    if state == "succeeded":
        # Its last step waited for readiness: do not wait for the next heartbeat.
        _set_address(deployment, deployment.job.values.get("port"))
        _be_ready(deployment)
        return
    args, fields = {"job": job_id, "state": state}, {"wanted": False, "stopped_at": now()}
    message = Message("deployment:job_failed", args)
    ended = State.STOPPED if state == "cancelled" else State.FAILED
    _change(deployment, ended, message, only_from=(State.WAITING,), **fields)
    _stop(deployment, Message("deployment:stopping_with_job", args))


def lose(deployment: Deployment, message: Message) -> bool:
    """Mark a server as lost. One with a requested stop counts as stopped."""
    at, stopped = now(), _stopped(deployment)
    return _change(
        deployment, State.STOPPED, stopped, only_from=(State.STOPPING,), stopped_at=at
    ) or _change(deployment, State.LOST, message, only_from=_SERVING, stopped_at=at)


def _stopped(deployment: Deployment) -> Message:
    asked = deployment.events.filter(run=deployment.run, message_id=_STOPPING).first()
    if asked is None:
        return Message("deployment:stopped")
    return Message("deployment:stopped_by", {"user": asked.message_args["user"]})


def stop_of_server(job: Job) -> Message | None:
    """Return the message that a person stopped a server of a running job: one that it starts, or
    one that it uses. None: nobody did."""
    refs = [job.inputs[name] for name in ENGINES if name in job.inputs]
    servers = Q(deployment__job=job) | Q(deployment__in=[ref["id"] for ref in refs if "id" in ref])
    servers |= Q(deployment__job__in=[ref["job"] for ref in refs if ref.get("job")])
    stops = DeploymentEvent.objects.filter(servers, message_id=_STOPPING)
    stop = stops.filter(at__gte=job.started_at or now()).select_related("deployment").last()
    if stop is None:
        return None
    args = {"deployment": stop.deployment.name, "user": stop.message_args["user"]}
    return Message("job:server_stopped", args)


def _note_health(deployment: Deployment, serve: ServerRun) -> bool:
    if not deployment.wanted:
        return False
    _set_address(deployment, serve.port)
    state = _HEALTH[serve.health]
    if state == State.READY:
        return _be_ready(deployment)
    if state == State.LOADING:
        return _start(deployment)
    message, only_from = Message("deployment:unhealthy"), (State.READY, State.LOADING, State.LOST)
    return _change(deployment, state, message, only_from=only_from, stopped_at=None)


def _start(deployment: Deployment) -> bool:
    fields = {"missing_since": None, "stopped_at": None}
    message, only_from = Message("deployment:loading"), (State.WAITING, State.LOST)
    return _change(deployment, State.LOADING, message, only_from=only_from, **fields)


def _be_ready(deployment: Deployment) -> bool:
    message = Message("deployment:ready", {"url": deployment.host_url})
    only_from = (State.WAITING, State.LOADING, State.UNHEALTHY, State.LOST)
    fields = {"ready_at": now(), "stopped_at": None}
    return _change(deployment, State.READY, message, only_from=only_from, **fields)


def _set_address(deployment: Deployment, port: str | int | None) -> None:
    """Set ``host_url``, as seen by its host, and ``dashboard_url``, as seen by the dashboard."""
    only = str(deployment.job.plan.get("address") or "")
    near = engine_addresses.endpoint(only or engine_addresses.LOOPBACK, port)
    if near is None:  # no port yet, or an old row
        return
    host = deployment.host
    own = engine_addresses.LOOPBACK if host.is_on_this_machine else host.facts.get("address")
    at = engine_addresses.endpoint(only or str(own or ""), near.port)
    host_url, dashboard_url = str(near), Deployment.callable_url(host, at)
    if (host_url, dashboard_url) != (deployment.host_url, deployment.dashboard_url):
        deployment.host_url, deployment.dashboard_url = host_url, dashboard_url
        deployment.save(update_fields=["host_url", "dashboard_url"])


def _change(
    deployment: Deployment, state: str, message: Message, *, only_from: Iterable[str], **fields: Any
) -> bool:
    columns: dict[str, Any] = {"message_id": message.id, "message_args": dict(message.args)}
    columns |= {"state": state, "run": fields.pop("run", deployment.run)}
    if state not in Deployment.ENDED_STATES:
        fields |= _KEPT_AGAIN
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk, run=deployment.run)
        changed = rows.filter(state__in=list(only_from)).update(**columns, **fields)
        if changed:
            DeploymentEvent.objects.create(deployment=deployment, **columns)
            notifications.notify("deployment", id=deployment.pk, state=state)
    return changed == 1


def _name(user: AbstractBaseUser | None) -> str:
    return user.get_username() if user else "manage.py"
