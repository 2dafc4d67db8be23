"""Jobs after a job: retried unchanged, an evaluation resumed, a chain retried; next steps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs import plans
from jobs.access import secrets, sources
from jobs.base.errors import LaunchError, PlanError
from jobs.kinds import KINDS
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import Kind, Target, endpoint_key, promised_job, rules_of
from jobs.launch.launch import cancel, create, environment_of, kind_named, preview, settled
from jobs.models import Deployment, Job
from jobs.plans import Plan
from jobs.queries.jobs.job_page import chain_of
from jobs.schedule import launch_rights, lifecycle
from jobs.schedule.targets import ARCHIVED, InputGone, resolve, target_of
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.site import site_of

# Stopped by a person, by its tool, or with its launcher or host.
_STOPPED = (Job.State.CANCELLED, Job.State.FAILED, Job.State.LOST)


class Outdated(LaunchError):
    """The job was launched by an older version of its kind."""


def retry_job(job_id: int, user: AbstractBaseUser | None, *, can_prioritize: bool = False) -> Job:
    """Retry ``job_id`` unchanged: a new job with the same plan, priority and exclusive use; urgent
    only with ``can_prioritize``. Raises ``LaunchError``: an input is missing."""
    with transaction.atomic():
        old = Job.objects.select_related("host").get(pk=job_id)
        lifecycle.lock_host(old.host_id)
        return repeat(old, user, can_prioritize=can_prioritize)


def repeat(
    old: Job,
    user: AbstractBaseUser | None,
    *,
    can_prioritize: bool = False,
    raw: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
    plan: Plan | None = None,
    chain: UUID | None = None,
    after: Iterable[Job] = (),
    starts: bool = True,
) -> Job:
    """Queue a job with the plan of ``old``, or its continuation ``plan``. The caller has locked the
    host, and dispatches unless ``starts``. ``raw``, ``inputs``: in place of the job's. Raises
    ``Outdated``: its params are invalid now; ``LaunchError``: an input is missing; ``user`` may not
    launch on the host, or use a secret of the plan in this way; a source is not permitted."""
    kind, target = kind_named(old.kind), target_of(old.host)
    try:
        params = kind.Params.model_validate(settled(kind, old.params if raw is None else raw))
    except ValidationError:
        raise Outdated(_("The input of this job no longer exists.")) from None
    details = (old.product or {}).get("details") or {}
    if clash := ports.clash(ports.of_server(old.params, details), target.servers):
        message = _(
            "Port %(port)d of the plan is in use by %(holder)s. Stop it, or use “Edit and "
            "rerun” with another port, such as %(free)d."
        )
        raise LaunchError(message, clash.field, **clash.args)
    launch_rights.check(old.host, user)
    secrets.check(plans.from_json(old.plan), old.params, host=old.host, user=user)
    sources.check(kind, params, old.host)
    draft = Job(
        kind=old.kind,
        title=old.title,
        params=params.model_dump(mode="json"),
        plan=plan.to_json() if plan else old.plan,
        plan_sha256=plan.sha256() if plan else old.plan_sha256,
        inputs=_inputs_still_there(old.inputs if inputs is None else inputs),
        product=old.product,
        exclusive=old.exclusive,
        priority=old.priority if can_prioritize else max(old.priority, Job.Priority.NORMAL),
        model_id=old.model_id,
        guide=old.guide,
        repeats=old,
        resumed=plan is not None,
    )
    return create(
        draft,
        old.host,
        user,
        environments=_environments_of(old, kind, params, target),
        target=target,
        chain=chain,
        after=after,
        starts=starts,
    )


def _inputs_still_there(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    there: dict[str, dict[str, int]] = {}
    for key, ref in inputs.items():
        made = ref.get("job") if not ref.get("id") else None
        if made and Job.objects.filter(pk=made, state__in=Job.OPEN_STATES):
            there[key] = {"job": made}
            continue
        try:
            asset = resolve({key: ref})[key]
        except InputGone:
            raise LaunchError(_("The input of this job no longer exists.")) from None
        if asset.data.get("state") == ARCHIVED:
            message = _("Endpoint %(name)s is archived. Restore it first.")
            raise LaunchError(message, name=asset.label)
        if key in plans.ENGINES and asset.data["state"] in Deployment.ENDED_STATES:
            message = _("Deployment %(name)s is not running. Restart it first.")
            raise LaunchError(message, name=asset.data["name"])
        there[key] = asset.record
    return there


def _environments_of(old: Job, kind: Kind, params: Any, target: Target) -> list[str]:
    """Names of environments that the plan of ``old`` needs and that can be recreated. Raises
    ``LaunchError``: one is neither installed nor identical to the current pins."""
    arguments = [word for step in old.plan["steps"] for word in step["argv"]]

    def is_used(path: str) -> bool:
        return any(word == path or word.startswith(f"{path}/") for word in arguments)

    there = [str(ref.data["path"]) for ref in target.environments if ref.id is not None]
    missing = []
    for name in kind.needs(params, target):
        if any(is_used(path) for path in there):
            continue
        if not is_used(ENVIRONMENTS[name].path(site_of(target.facts))):
            raise LaunchError(_("Environment %(name)s was replaced. Launch a new job."), name=name)
        if environment_of(name, target) is None:
            missing.append(name)
    return missing


def can_resume(job: Job) -> bool:
    """True for a stopped evaluation that ran, of a kind whose tool continues."""
    return _continuation(job) is not None


def resume_job(job_id: int, user: AbstractBaseUser | None) -> Job:
    """Continue ``job_id`` on its host: a new job with its parameters and its answers, which asks
    only what is not answered yet. The answers must still be on the host, which a check before the
    start verifies. Raises ``LaunchError``: nothing to continue, or an input is missing."""
    with transaction.atomic():
        old = Job.objects.select_related("host").get(pk=job_id)
        lifecycle.lock_host(old.host_id)
        plan = _continuation(old)
        if plan is None:
            raise LaunchError(_("This job cannot be continued. Retry it instead."))
        return repeat(old, user, plan=plan)


def _continuation(job: Job) -> Plan | None:
    folder = job.values.get("job_dir") if isinstance(job.values, dict) else None
    if job.state not in _STOPPED or job.started_at is None or not folder or job.kind not in KINDS:
        return None
    try:
        return KINDS[job.kind].resumed(plans.from_json(job.plan), str(folder))
    except PlanError:
        return None


def retry_failed_jobs(
    chain_id: UUID, user: AbstractBaseUser | None, *, can_prioritize: bool = False
) -> list[Job]:
    """Retry every failed, cancelled or lost job of the chain in order, and jobs of stopped servers
    that they use. Plans stay unchanged, dependencies move to the new attempts, succeeded jobs are
    reused. Urgent priority is copied only with ``can_prioritize``. Raises ``LaunchError``: nothing
    to retry, a job is still being cancelled, or an input is missing; then no job is started."""
    with transaction.atomic():
        for host in Job.objects.filter(chain=chain_id).values_list("host", flat=True).distinct():
            lifecycle.lock_host(host)
        chain = chain_of(chain_id)
        if chain is None or not chain.broken:
            raise LaunchError(_("No job of the pipeline failed or was cancelled."))
        if chain.ending is not None:
            message = _("Job %(job)s is still being cancelled. Retry when it has ended.")
            raise LaunchError(message, job=chain.ending.pk)
        # Id of an attempt -> id of the last attempt at its job, new ones included.
        last = {each.pk: pk for pk, attempts in chain.earlier.items() for each in attempts}
        made: dict[int, Job] = {}

        def now_for(number: int) -> int:
            number = last.get(number, number)
            return made[number].pk if number in made else number

        for old in sorted(chain.to_repeat, key=lambda job: job.pk):
            made[old.pk] = _next_attempt(old, now_for, user, can_prioritize=can_prioritize)
    return list(made.values())


def _next_attempt(
    old: Job, now_for: Callable[[int], int], user: AbstractBaseUser | None, *, can_prioritize: bool
) -> Job:
    promises = {name: promised_job(value) for name, value in old.params.items()}
    moved = {name: f"job:{now_for(job)}" for name, job in promises.items() if job is not None}
    inputs = {
        # A dispatched job names the record; a new attempt at its producer takes precedence.
        key: {"job": now_for(ref["job"])}
        if ref.get("job") and (not ref.get("id") or now_for(ref["job"]) != ref["job"])
        else ref
        for key, ref in old.inputs.items()
    }
    after = (_predecessor(now_for(before.pk)) for before in old.after.all())
    try:
        return repeat(
            old,
            user,
            can_prioritize=can_prioritize,
            raw={**old.params, **moved},
            inputs=inputs,
            chain=old.chain,
            after=(job for job in after if job is not None),
        )
    except Outdated:
        message = _("Job %(job)s cannot be retried unchanged. Use “Edit and rerun”.")
        raise LaunchError(message, job=old.pk) from None


def _predecessor(number: int) -> Job | None:
    """None: an environment of another chain, which is requested again."""
    job = Job.objects.get(pk=number)
    if job.is_open or job.is_released:
        return job
    if (job.product or {}).get("type") == "environment":
        return None
    message = _("Required job %(job)s (%(title)s) has not succeeded. Retry that job first.")
    raise LaunchError(message, job=job.pk, title=job.title)


def cancel_rest(chain_id: UUID, user: AbstractBaseUser | None) -> list[Job]:
    """Cancel every open job of the chain, queued ones first, so that none starts meanwhile; return
    the cancelled ones. A job that ends by itself at that moment is not included."""
    chain = chain_of(chain_id)
    jobs = sorted(chain.to_cancel if chain else (), key=lambda job: job.pk, reverse=True)
    jobs.sort(key=lambda job: job.state != Job.State.QUEUED)
    return [job for job in jobs if cancel(job.pk, user)]


@dataclass(frozen=True, slots=True)
class NextStep:
    """A kind, and values of its form: field → value."""

    kind: str
    raw: Mapping[str, str] = field(default_factory=dict)


def next_steps(job: Job, user: AbstractBaseUser | None) -> list[NextStep]:
    """Kinds that accept the product of ``job`` and that ``user`` can launch now; none if the job
    has not succeeded, or the person may not launch on the host."""
    if job.state != Job.State.SUCCEEDED or job.kind not in KINDS:
        return []
    kind = KINDS[job.kind]
    try:
        launch_rights.check(job.host, user)
        own = kind.successors(kind.Params.model_validate(job.params))
    except (LaunchError, ValidationError):  # not permitted; launched by an older version
        return []
    names = [*own, *(one.name for one in KINDS.values() if kind.name in one.offered_after)]
    if not names:
        return []
    asset_type, key = _asset_of(job)
    target, steps = target_of(job.host), []
    for name in names:
        fields = rules_of(KINDS[name].Params)
        taker = next((one for one, rules in fields.items() if rules.asset == asset_type), "")
        raw: dict[str, str] = {}
        if "stack" in fields and job.params.get("stack"):
            raw["stack"] = str(job.params["stack"])
        if taker:
            raw[taker] = key
            when = fields[taker].when  # depends on another field's value
            raw |= {when[0]: str(when[1])} if when else {}
        errors = preview(name, raw, job.host, target, user=user).errors
        # A person chooses the rest in the form, such as weights for an image.
        if not {"", taker, "stack"} & errors.keys():
            steps.append(NextStep(name, raw))
    return steps


def _asset_of(job: Job) -> tuple[str, str]:
    """Return (type, key) of the next input: the job's product, else its own input."""
    made = str((job.product or {}).get("type", ""))
    if made == "deployment":
        number = Deployment.objects.filter(job=job).values_list("pk", flat=True).first()
        return made, str(number or "")
    if made:
        return made, f"job:{job.pk}"
    if endpoint := job.inputs.get("deployment", {}).get("endpoint"):
        return "deployment", endpoint_key(endpoint)
    for name in ("deployment", "weights"):
        if job.inputs.get(name, {}).get("id"):
            return name, str(job.inputs[name]["id"])
    return "", ""
