"""Actions for a failed job, the most promising first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from dashboard.security.permissions import allowed
from dashboard.text.messages import view_of
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.launch.again import can_resume
from jobs.models import Deployment, Job
from jobs.queries.jobs.job_page import chain_of

# Outcomes that a retry may fix with the same settings.
_TRANSIENT = (
    *("job:not_taken", "job:missing", "job:broken", "job:log_differs", "job:host_gone"),
    *("host:launcher_never_started", "host:launcher_died", "host:rebooted", "host:serve_busy"),
    "internal:launcher",
)
# Outcomes that need work on the host or by an administrator: a retry or other settings do not help
# before.
_ON_HOST = (
    *("check:conda_missing", "check:dies_missing", "check:disk_full", "check:disk_reserve"),
    *("check:docker_down", "check:iommu_on", "check:shm_small", "check:tool_missing"),
    *("check:tool_old", "check:unknown", "check:broke", "check:container_there"),
    *("host:disk_full", "policy:program", "policy:root", "policy:variable"),
    *("job:secret_gone", "job:secret_incomplete", "job:secret_host", "job:secret_person"),
    *("job:secret_endpoint", "job:secret_key"),
    *("work:not_found", "job:unreadable", "job:kind_unknown"),
)
_OF_DEPLOYMENT = (
    *("job:deployment_gone", "benchmark:no_request", "benchmark:no_request_cause"),
    *("evaluate:no_question", "check:endpoint_silent", "connection-refused", "all-requests-failed"),
)


@dataclass(frozen=True, slots=True)
class Action:
    """A link, or a form to post. ``primary``: it can succeed now."""

    words: str
    address: str
    icon: str
    posts: bool = False
    primary: bool = False


def actions(job: Job, user: AbstractBaseUser | AnonymousUser) -> list[Action]:
    """Return permitted actions for an unsuccessful job; none for others.

    At most one is primary and comes first: a known fix, else a promising retry, else other
    settings. None is primary if the host needs work first. The retry of a pipeline's job retries
    the pipeline, cancelled jobs included.
    """
    if job.is_open or job.state == Job.State.SUCCEEDED or not allowed(user, "job.repeat", job):
        return []
    again = Action(
        *(gettext("Retry unchanged"), reverse("job-retry", args=[job.pk]), "refresh"), posts=True
    )
    edit = Action(gettext("Edit and rerun"), form_address(job), "adjustments")
    fix, pipeline, server = _fix(job, user), _pipeline(job), server_down(job)
    if server is not None and not (pipeline and server.job.chain == job.chain):
        restart = _restart(server, user)
        if _cause(job) in _OF_DEPLOYMENT or _is_transient(job):
            return [_first(restart), edit]
        return [_first(fix or edit), restart, *([edit] if fix else [])]
    retries = [pipeline, again] if pipeline else [again]
    if not can_retry(job):
        retries.remove(again)
    if pipeline and (_is_dead(job) or server is not None):
        return [_first(pipeline), *([fix] if fix else []), edit]
    if fix is not None:
        return [_first(fix), *retries, edit]
    if can_retry(job) and can_resume(job):
        label = gettext("Resume: ask only what is not answered yet")
        more = Action(label, reverse("job-resume", args=[job.pk]), "player-play", posts=True)
        return [_first(more), *retries, edit]
    if retries and _is_transient(job):
        return [_first(retries[0]), *retries[1:], edit]
    if is_for_host(job):
        label = gettext("Open host %(name)s") % {"name": job.host.name}
        address = reverse("host-detail", args=[job.host.name])
        return [Action(label, address, "server-2"), *retries, edit]
    if failed_as_printed(job):
        right = Action(gettext("Correct and rerun"), form_address(job, **{EXACT: "0"}), "check")
        return [_first(right), edit, *retries]
    return [_first(edit), *retries]


def can_retry(job: Job) -> bool:
    return not _is_dead(job) and server_down(job) is None


def server_down(job: Job) -> Deployment | None:
    server = _used(job)
    return server if server is not None and server.state in Deployment.ENDED_STATES else None


def form_address(job: Job, **changed: str) -> str:
    """Return the address of the job's form with its values, except ``changed``."""
    query = urlencode({"host": job.host.name, "from": job.pk, **changed})
    return f"{reverse('launch-form', args=[job.kind])}?{query}"


def failed_as_printed(job: Job) -> bool:
    """Return True if a verbatim command failed by itself, not because of its host."""
    is_printed = job.params.get(EXACT) is True and bool(job.guide.get("notes"))
    ran = job.state == Job.State.FAILED and job.started_at is not None
    return is_printed and ran and not is_for_host(job) and not _is_transient(job)


def ends_the_same(job: Job) -> bool:
    known = view_of(job) if job.state == Job.State.FAILED else None
    if known is None or known.on_host or known.id in _OF_DEPLOYMENT:
        return failed_as_printed(job)
    return known.severity == "error" or failed_as_printed(job)


def is_for_host(job: Job) -> bool:
    known = view_of(job)
    return known.on_host if known else job.message_id in _ON_HOST


def _first(action: Action) -> Action:
    return replace(action, primary=True)


def _is_transient(job: Job) -> bool:
    if job.message_id == "job:deployment_gone":
        return True
    if job.state in (Job.State.CANCELLED, Job.State.LOST):
        return job.message_id != "job:given_up" and not _is_dead(job)
    known = view_of(job)
    return known.severity == "transient" if known else job.message_id in _TRANSIENT


def _is_dead(job: Job) -> bool:
    return job.message_id in ("job:predecessor", "job:input_gone")


def _fix(job: Job, user: AbstractBaseUser | AnonymousUser) -> Action | None:
    args: Mapping[str, Any] = job.message_args or {}
    if job.message_id == "job:predecessor" and isinstance(args.get("job"), int):
        label = gettext("Open job #%(job)s (cause)") % {"job": args["job"]}
        return Action(label, reverse("job-detail", args=[args["job"]]), "alert-triangle")
    if job.message_id.startswith("job:secret_") and allowed(user, "secret.manage"):
        address = f"{reverse('secret-list')}?{urlencode({'name': args.get('name', '')})}"
        return Action(gettext("Open secrets"), address, "lock")
    if job.message_id == "job:source" and allowed(user, "source.manage"):
        known = {name: args.get(name, "") for name in ("type", "address")}
        address = f"{reverse('source-list')}?{urlencode(known)}"
        return Action(gettext("Open sources"), address, "git-branch")
    cause = _cause(job)
    if cause == "job:deployment_gone" and server_down(job) is None:
        return None  # it is up again
    if cause in _OF_DEPLOYMENT:
        server = _used(job)
        return None if server is None else _open(server)
    mender = next((kind for kind in KINDS.values() if cause in kind.mends), None)
    if mender and mender.name != job.kind:
        label = gettext("Open form “%(kind)s”") % {"kind": gettext(mender.title)}
        own: dict[str, Any] = {**job.params}
        own["model"] = own.get("model") or job.model_id
        query = {"host": job.host.name}
        for name in ("model", "stack", "weights"):
            if name in mender.Params.model_fields and own.get(name):
                query[name] = str(own[name])
        address = reverse("launch-form", args=[mender.name])
        return Action(label, f"{address}?{urlencode(query)}", "player-play")
    return None


def _cause(job: Job) -> str:
    known = view_of(job)
    return known.id if known else job.message_id


def _used(job: Job) -> Deployment | None:
    ref = job.inputs.get("deployment") or {}
    wanted = Q(pk=ref["id"]) if ref.get("id") else Q(job=ref.get("job") or 0)
    return Deployment.objects.filter(wanted).select_related("job").first() if ref else None


def _open(server: Deployment) -> Action:
    label = gettext("Open deployment %(name)s") % {"name": server.name}
    return Action(label, reverse("deployment-detail", args=[server.pk]), "server-2")


def _restart(server: Deployment, user: AbstractBaseUser | AnonymousUser) -> Action:
    if server.job.state != Job.State.SUCCEEDED or not allowed(user, "deployment.restart", server):
        return _open(server)
    label = gettext("Restart %(name)s") % {"name": server.name}
    return Action(label, reverse("deployment-restart", args=[server.pk]), "refresh", posts=True)


def _pipeline(job: Job) -> Action | None:
    """Return the retry of the job's pipeline; None if already retried, or without a pipeline."""
    chain = chain_of(job.chain) if job.chain else None
    if chain is None or len(chain.jobs) < 2 or chain.ending or chain.failed is None:
        return None
    if job.pk not in {one.pk for one in chain.broken}:
        return None
    label = gettext("Retry the pipeline from here")
    if chain.failed.pk != job.pk:
        label = gettext("Retry the pipeline from #%(job)s") % {"job": chain.failed.pk}
    return Action(label, reverse("pipeline-retry", args=[chain.id]), "refresh", posts=True)
