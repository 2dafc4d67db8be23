"""Heartbeats of hosts, answered with commands; load of a host. The answer comes from the records
alone, so a message lost on the queue is made up by the next heartbeat."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now

from jobs import notifications
from jobs.base import bounds
from jobs.base.messages import Message
from jobs.host_protocol import Heartbeat, JobRun, ServerRun, read
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import all_dies, is_away, lacks_room
from jobs.schedule import deployments, lifecycle, preflights

FACTS_FRESH_FOR = timedelta(minutes=10)
RESEND_MAX = 100  # jobs per heartbeat; others follow
# Readings of a heartbeat, with the unit in the name.
_READINGS = ("load_1m", "memory_free_bytes", "disk_free_bytes", "power_w", "temp_c")
_OF_DIES: Mapping[str, Callable[[list[float]], float]] = {"power_w": sum, "temp_c": max}
# A run may use all cores: an engine on the CPU has a thread per core, plus client and system. Load
# above 1.5 times the cores comes from other programs. On a host with dies the cores run only client
# and scheduler, and such a load slows both as well.
LOADED = 1.5
_READ = ("state", "claim_id", "claim_token", "cancel_asked_at", "missing_since", "host_load")
_MOST = 1e18  # above any real reading; sums of smaller values stay finite


@dataclass(frozen=True, slots=True)
class Orders:
    """Commands for a host: ids of jobs to claim and to cancel, of servers to claim and to stop.
    ``resend``: jobs that the host had sent as a whole, to be sent again. ``news``: queued jobs may
    start now, because the host is back, has disk space again, or a deployment changed."""

    start: list[int] = field(default_factory=list)
    cancel: list[int] = field(default_factory=list)
    serve: list[int] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    stop_serve: list[int] = field(default_factory=list)
    resend: list[int] = field(default_factory=list)
    facts_wanted: bool = False
    news: bool = False

    def to_json(self) -> dict[str, Any]:
        answer = asdict(self)
        del answer["news"]
        return answer


def heartbeat(host: Host, body: Mapping[str, Any]) -> Orders:
    """Store the host's report and return its pending commands. Raises ``BadMessage``."""
    report = read(Heartbeat, body)
    before, facts_before = _standing(host), host.facts
    # In one transaction, or the reaper would see the host back with outdated jobs.
    with transaction.atomic():
        facts_wanted = _keep_report(host, report)
        jobs = list(Job.on([host], Job.ON_HOST_STATES).only(*_READ))
        cancel, missing = _note_jobs(host, jobs, report.jobs)
        _note_load(host, jobs)
        news = _close_broken(host, report.jobs)
        expected = deployments.expected_on(host)
        news |= deployments.note_heartbeat(expected, report.serves)
        serve, stop_serve = _serves(host, expected, report.serves)
        has_changed = _standing(host) != before or (
            report.facts is not None and _without_disk(host.facts) != _without_disk(facts_before)
        )
        # Each page asks for itself again when a host changed: twenty pages and twenty hosts that
        # report every two seconds cost two thirds of a processor. Pages with readings ask anyway.
        if has_changed:
            notifications.notify("host", name=host.name)
    return Orders(
        start=sorted(
            job.pk for job in jobs if job.state == Job.State.STARTING and not job.claim_id
        ),
        cancel=cancel,
        serve=serve,
        checks=preflights.open_on(host),
        stop_serve=stop_serve,
        resend=missing[:RESEND_MAX],
        facts_wanted=facts_wanted,
        news=news or (any(before) and not lacks_room(host)),
    )


def _standing(host: Host) -> tuple[bool, bool, bool]:
    """Return what keeps the host from taking jobs: it is away, lacks disk space, is outdated."""
    return is_away(host), lacks_room(host), host.is_outdated


def _without_disk(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that stay the same between two probes of an unchanged host."""
    return {name: value for name, value in facts.items() if name != "disk"}


def _keep_report(host: Host, report: Heartbeat) -> bool:
    """Store the host's own state. True: its facts are requested again."""
    moment, started = now(), datetime.fromtimestamp(report.agent_started_at, tz=UTC)
    is_new_agent = host.agent_started_at != started
    host.heartbeat_at, host.boot_id, host.agent_started_at = moment, report.boot_id, started
    host.load = report.load.model_dump(exclude_unset=True)
    host.protocol = Host.PROTOCOL
    host.clock_skew_s = report.now - moment.timestamp()
    fields = ["heartbeat_at", "boot_id", "agent_started_at", "load", "protocol", "clock_skew_s"]
    if report.facts is not None:
        host.facts, host.facts_at = report.facts.model_dump(exclude_unset=True), moment
        host.dies_seen = all_dies(host)[: bounds.DIES_MAX]
        fields += ["facts", "facts_at", "dies_seen"]
        is_new_agent = False
    host.save(update_fields=fields)
    return is_new_agent or host.facts_at is None or moment - host.facts_at > FACTS_FRESH_FOR


def _note_jobs(
    host: Host, jobs: Sequence[Job], named: Sequence[JobRun]
) -> tuple[list[int], list[int]]:
    """Mark ``jobs``, those on the host, as reported or missing. Return ids of jobs to stop, and of
    those that are missing.

    Where a backup was restored, a missing job ended after the backup and its host has sent
    everything to the database that was lost. Otherwise the host has nothing of it: it is lost.
    """
    moment = now()
    tokens = {job.id: job.token for job in named}
    here = {job.pk: job for job in jobs}
    ended = Job.objects.filter(host=host, pk__in=tokens.keys() - here.keys()).only(*_READ)
    known = {pk: here[pk] for pk in tokens.keys() & here.keys()} | {job.pk: job for job in ended}
    ours = {pk: job for pk, job in known.items() if str(job.claim_token) == tokens[pk]}
    reported = Job.objects.filter(pk__in=ours.keys() & here.keys(), state__in=Job.ON_HOST_STATES)
    reported.update(seen_at=moment, missing_since=None)
    missing = sorted(job.pk for job in jobs if job.claim_id and job.pk not in ours)
    # A future time means that the clock was set back.
    unmarked = Q(missing_since=None) | Q(missing_since__gt=moment)
    here_still = Job.objects.filter(pk__in=missing, state__in=Job.ON_HOST_STATES)
    here_still.filter(unmarked).update(missing_since=moment)
    running = {job.id for job in named if job.state == "running"}
    cancel = [
        pk for pk, job in ours.items() if pk in running and (job.cancel_asked_at or not job.is_open)
    ]
    return sorted(cancel), missing


def _close_broken(host: Host, named: Sequence[JobRun]) -> bool:
    """Close jobs whose files the host can never deliver completely. True: there was one."""
    closed = False
    for entry in named:
        if entry.broken is None:
            continue
        job = Job.objects.filter(pk=entry.id, host=host).only("claim_token").first()
        if job is not None and str(job.claim_token) == entry.token:
            message = Message("job:broken", {"host": host.name, "reason": entry.broken[:500]})
            closed |= lifecycle.finish_job(job.pk, Job.State.LOST, message=message)
    return closed


def _serves(
    host: Host, expected: Sequence[Deployment], named: Sequence[ServerRun]
) -> tuple[list[int], list[int]]:
    """Servers to start and to stop."""
    running = {serve.id: serve for serve in named if serve.state == "running"}
    stop = []
    for row in Deployment.objects.filter(host=host, pk__in=running).order_by("pk"):
        serve = running[row.pk]
        # With another token it is not stopped here; the host learns of it when it ships.
        if str(row.claim_token) == serve.token and (not row.wanted or row.run != serve.run):
            stop.append(row.pk)
    runs = {(serve.id, serve.run) for serve in named}
    # Claimed but not running: the agent was killed in between and must claim again.
    wanted = (Deployment.State.WAITING, Deployment.State.LOADING)
    restarts = [row for row in expected if row.state in wanted and row.run > 1 and row.wanted]
    return [
        row.pk for row in restarts if row.pk not in running and (row.pk, row.run) not in runs
    ], stop


def _note_load(host: Host, jobs: Iterable[Job]) -> None:
    """Add the last report of ``host`` to the summaries of its running jobs, of bounded size."""
    readings = _readings(host.load)
    if not readings:
        return
    for job in jobs:
        if job.state != Job.State.RUNNING:
            continue
        merged = job.host_load
        for name, value in readings.items():
            one = merged.setdefault(name, {"n": 0, "sum": 0.0, "min": value, "max": value})
            one["n"], one["sum"] = one["n"] + 1, one["sum"] + value
            one["min"], one["max"] = min(one["min"], value), max(one["max"], value)
        Job.objects.filter(pk=job.pk).update(host_load=merged)


def load_summary(kept: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """``{reading: {"samples", "mean", "min", "max"}}``; empty without a heartbeat."""
    summary = {}
    for name, one in kept.items():
        mean = round(one["sum"] / one["n"], 3)
        summary[name] = {"samples": one["n"], "mean": mean, "min": one["min"], "max": one["max"]}
    return summary


def load_remarks(
    load: Mapping[str, Mapping[str, float]], facts: Mapping[str, Any]
) -> list[Message]:
    """A remark on a mean load average above cores × ``LOADED``; none if either is unknown."""
    stats, cpu = load.get("load_1m"), facts.get("cpu")
    cores = cpu.get("cores") if isinstance(cpu, dict) else None
    if stats is None or cores is None or not _is_number(cores) or stats["mean"] <= LOADED * cores:
        return []
    return [Message("result:host_loaded", {"load": stats["mean"], "cores": cores})]


def _readings(load: Mapping[str, Any]) -> dict[str, float]:
    """One number per reading: total power of the dies, temperature of the hottest die."""
    readings = {name: load[name] for name in _READINGS if _is_number(load.get(name))}
    dies = load.get("dies")
    rows = [row for row in dies.values() if isinstance(row, dict)] if isinstance(dies, dict) else []
    for name, of_dies in _OF_DIES.items():
        if values := [row[name] for row in rows if _is_number(row.get(name))]:
            readings[name] = of_dies(values)
    return {name: float(value) for name, value in readings.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST
