"""Run context of a result: host and tools, stored with the result.

The context stays when the host is upgraded or its environments are recreated.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.timezone import now

from jobs.models import (
    Dataset,
    Deployment,
    DeploymentEvent,
    Endpoint,
    Environment,
    Job,
    Preflight,
    Turn,
)
from jobs.plans import ENGINES
from jobs.services.intake.heartbeats import load_summary
from jobs.tools.outputs.engine_about import read_file
from jobs.tools.vacc.site import inside_of

# Clocks differ slightly: shorter overlaps count as consecutive.
_TOUCH = timedelta(seconds=1)
_LONGEST_TURN = timedelta(hours=1)  # time limit of a chat answer in the relay
_UP = (Deployment.State.LOADING, Deployment.State.READY, Deployment.State.UNHEALTHY)
HOST_FACTS = ("os", "kernel", "arch", "cpu", "memory_bytes", "driver", "compiler", "iommu")


def of_job(job: Job, others: Iterable[Job] = ()) -> dict[str, Any]:
    """Return the context of ``job``. ``{"host": {fact: value}, "environments": [{"name",
    "fingerprint", "versions"}], "images": {name: id}, "programs": {name: version}, "dies": [ids],
    "load": jobs.services.intake.heartbeats}``. Environments and programs are those in the commands
    of ``job`` or of ``others`` (the job that started the server under test); images are those found
    by preflight checks; dies are the leased ones. ``"dataset"`` is present for a prepared data set.
    """
    jobs, facts = (job, *others), job.host.facts
    named = [arg for one in jobs for arg in arguments_of(one)]
    leased = {die for one in jobs for die in str(one.values.get("dies") or "").split(",") if die}
    return {
        "host": {name: facts[name] for name in HOST_FACTS if name in facts},
        "environments": [
            {"name": made.name, "fingerprint": made.fingerprint, "versions": made.versions}
            for made in Environment.objects.filter(host=job.host).order_by("name", "pk")
            if any(arg.startswith(made.path.rstrip("/") + "/") for arg in named)
        ],
        "images": _image_ids(jobs),
        "programs": _programs(facts, jobs),
        "dies": sorted(leased, key=lambda die: (len(die), die)),
        "load": load_summary(job.host_load),
        **_dataset(job),
    }


def _image_ids(jobs: Iterable[Job]) -> dict[str, str]:
    """Name -> id of each image found by the preflight checks of ``jobs``."""
    ids = {}
    for preflight in Preflight.objects.filter(job__in=jobs).exclude(done_at=None).order_by("pk"):
        for finding in preflight.findings:
            args = finding["message_args"]
            if finding["name"] == "image" and finding["level"] == "ok" and args.get("id"):
                ids[str(args["image"])] = str(args["id"])
    return ids


def _programs(facts: Mapping[str, Any], jobs: Iterable[Job]) -> dict[str, str]:
    """Name -> version of the host's programs in the steps of ``jobs``, "" if unknown."""
    named = {step["argv"][0] for job in jobs for step in job.plan.get("steps", ())}
    listed = facts.get("tools")
    tools = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    versions = {str(one.get("name")): str(one.get("version") or "") for one in tools}
    return {name: version for name, version in versions.items() if name in named}


def _dataset(job: Job) -> dict[str, Any]:
    """The prepared data set whose folder the commands of ``job`` contain."""
    arguments = arguments_of(job)
    for made in Dataset.objects.filter(host=job.host).order_by("name", "pk"):
        places = [place for place in (made.path, inside_of(job.host.facts, made.path)) if place]
        if any(f"{place.rstrip('/')}/" in f"{arg}/" for place in places for arg in arguments):
            checksum = str(made.details.get("sha256") or "")
            return {"dataset": {"name": made.name, "bytes": made.bytes, "sha256": checksum}}
    return {}


def of_endpoint(endpoint: Endpoint, answers: bytes) -> dict[str, Any]:
    """Return the context of a result that was measured on ``endpoint``: what it is, and its device.
    ``answers``: file of the job's first step, which asked the engine from the host. What it told
    comes before what an earlier check found or a person stated; "" is unknown."""
    about = read_file(answers, endpoint.model)
    engine, version = (about.engine, about.version) if about else ("", "")
    known = {
        "name": endpoint.name,
        "url": endpoint.url,
        "model": endpoint.model,
        "engine": engine or endpoint.engine_name,
        # The version of the last check may be that of an earlier engine.
        "version": version or endpoint.engine_version,
    }
    device = endpoint.device_stated
    return {"endpoint": known, **({"device": device} if device else {})}


def concurrent_load(
    job: Job,
    *,
    under_test: Deployment | None,
    duration_s: float | None,
    endpoint: Endpoint | None = None,
) -> dict[str, Any] | None:
    """Return the other work of this dashboard on the host during the job. ``{"jobs": [ids],
    "deployments": [names], "chats": n}``: n chat answers of deployments on the host, including the
    one under test; all empty on an idle host. None for a job that never started. Based on the
    recorded times, not on the job's settings. Against an ``endpoint``: jobs against it from every
    host too; deployments and chats of the host do not load it, and are left out."""
    if job.started_at is None:
        return None
    start = job.started_at
    end = now() if duration_s is None else start + timedelta(seconds=duration_s)
    there = Q(host=job.host_id)
    if endpoint is not None:
        for name in ENGINES:
            there |= Q(**{f"inputs__{name}__endpoint": endpoint.pk})
    jobs = Job.objects.filter(Q(finished_at=None) | Q(finished_at__gt=start), there)
    times = jobs.filter(started_at__lt=end).exclude(pk=job.pk).order_by("pk")
    up = DeploymentEvent.objects.filter(state__in=_UP, at__lt=end - _TOUCH)
    servers = Deployment.objects.filter(
        Q(state__in=Deployment.LIVE_STATES) | Q(stopped_at__gt=start + _TOUCH),
        host=job.host_id,
        pk__in=up.values("deployment"),
    )
    rows = times.values_list("pk", "started_at", "duration_s", "finished_at")
    beside = [
        pk
        for pk, since, seconds, until in rows
        if since and min(end, _ended(since, seconds, until)) - max(start, since) >= _TOUCH
    ]
    if endpoint is not None:
        return {"jobs": beside, "deployments": [], "chats": 0}
    others = servers.exclude(pk=under_test.pk if under_test else 0).order_by("pk")
    turns = Turn.objects.filter(
        deployment__host=job.host_id, created_at__gt=start - _LONGEST_TURN, created_at__lt=end
    )
    answers = turns.order_by("pk").values_list("created_at", "state", "stats")
    return {
        "jobs": beside,
        "deployments": list(others.values_list("name", flat=True)),
        "chats": sum(_answered_until(*row) > start for row in answers.iterator()),
    }


def _answered_until(asked: datetime, state: str, stats: Mapping[str, Any]) -> datetime:
    """The end of a chat answer; an answer without times (failed) ends immediately."""
    if state == Turn.State.STREAMING:
        return now()
    return asked + timedelta(milliseconds=float(stats.get("total_ms") or 0))


def _ended(since: datetime, seconds: float | None, until: datetime | None) -> datetime:
    """The end of a job on its host; its outputs may arrive much later."""
    if until is None or seconds is None:
        return until or now()
    return since + timedelta(seconds=seconds)


def arguments_of(job: Job) -> list[str]:
    """All arguments of the commands of ``job``, step by step."""
    return [arg for step in job.plan.get("steps", ()) for arg in step["argv"]]
