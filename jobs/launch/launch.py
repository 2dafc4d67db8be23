"""Preview, launch and cancel of one job: from a request to Job rows. :func:`launch` stores exactly
what :func:`preview` showed. All jobs of a chain are rows from the start."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs import logstore, plans
from jobs.access import secrets, sources
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize
from jobs.base.validation_errors import messages
from jobs.kinds import KINDS
from jobs.kinds.lib.base import AssetRef, Kind, Target, asset_fields, promised_job
from jobs.kinds.lib.defaults import defaults_for, unavailable
from jobs.kinds.lib.guide import guide_diff
from jobs.models import Deployment, Host, Job, JobStep, Preflight
from jobs.plans import Plan
from jobs.queries.engines import deployment_down
from jobs.queries.hosts import is_away
from jobs.schedule import agent_tasks, dispatch, launch_rights, lifecycle, preflights, queue
from jobs.schedule.targets import by_hand, made_by, slots_of, target_of
from jobs.tools.lib.environments import ENVIRONMENTS

Findings = Iterable[Mapping[str, Any]]


class InvalidParams(LaunchError):
    """Params that cannot be launched. ``fields``: field → message; "" is the form as a whole."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        name, message = next(iter(fields.items()))
        super().__init__(message, name)
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class LaunchPreview:
    """Plan of a possible launch. Without a plan, ``errors`` gives the reason: field → message.
    ``params``: a model of the kind's Params, None if they are invalid. ``values`` are known slots,
    ``open_slots`` those set at launch, with proposed values ("" for none). ``will_add`` names
    environments to prepare first. ``guide``: differences of the plan, see ``jobs.kinds.lib.guide``.
    """

    params: Any = None
    plan: Plan | None = None
    values: dict[str, str] = field(default_factory=dict)
    open_slots: dict[str, str] = field(default_factory=dict)
    script: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    will_add: list[str] = field(default_factory=list)
    guide: dict[str, Any] = field(default_factory=dict)


def kind_named(name: str) -> Kind:
    """Raises ``LaunchError`` for an unknown kind."""
    if name not in KINDS:
        raise LaunchError(_("Unknown job type “%(name)s”."), "kind", name=name)
    return KINDS[name]


def preview(
    kind_name: str,
    raw: Mapping[str, Any],
    host: Host,
    target: Target | None = None,
    *,
    user: AbstractBaseUser | None = None,
) -> LaunchPreview:
    """Preview a launch by ``user`` (None: hosts and secrets for everyone). Changes nothing.
    ``target``: the host with products of later jobs. Raises ``LaunchError``: unknown kind."""
    kind, target = kind_named(kind_name), target or target_of(host)
    try:
        launch_rights.check(host, user)
        params = params_of(kind, raw, target)
    except LaunchError as refused:
        return LaunchPreview(errors=refused.fields)
    except ValidationError as error:
        return LaunchPreview(errors=messages(error))
    if not kind.is_available(target):
        text = _("This host does not support this job type. Choose another host.")
        return LaunchPreview(params, errors={"": text})
    errors = unavailable(kind, params, target)
    try:
        if not errors:
            plan = kind.plan(params, target)
            values, open_slots = slots_of(plan, kind.inputs(params, target), host, target)
            secrets.check(plan, params.model_dump(), host=host, user=user, values=values)
            sources.check(kind, params, host)
            will_add = missing_environments(kind, params, target)
    except LaunchError as error:
        errors = error.fields
    if errors:
        return LaunchPreview(params, errors=errors | _servers_down(kind, params, host, errors))
    offered = by_hand(target) | {name: value for name, value in open_slots.items() if value}
    return LaunchPreview(
        params=params,
        plan=plan,
        values=values,
        open_slots=open_slots,
        script=plans.script(plan, offered | values),
        will_add=will_add,
        guide=guide_diff(kind, params, target, plan),
    )


def params_of(kind: Kind, raw: Mapping[str, Any], target: Target) -> Any:
    """The Params of ``raw`` with the defaults on ``target``. Raises ``ValidationError``."""
    given = settled(kind, raw)
    return kind.Params.model_validate(defaults_for(kind.Params, target, given) | given)


def settled(kind: Kind, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return non-empty fields; the promise of an ended job becomes its record, if it made one."""
    given = {name: value for name, value in raw.items() if value not in ("", None)}
    for name, asset_type in asset_fields(kind.Params).items():
        job = promised_job(given.get(name))
        if job is not None and not Job.objects.filter(pk=job, state__in=Job.OPEN_STATES).exists():
            made: Any = made_by(job, asset_type)
            if asset_type == "deployment":
                made = Deployment.objects.filter(job=job).first()
            given[name] = given[name] if made is None else str(made.pk)
    return given


def _servers_down(kind: Kind, params: Any, host: Host, fields: Collection[str]) -> dict[str, str]:
    message = _("Deployment %(name)s is not running. Restart it, or choose another deployment.")
    return {
        name: message % {"name": down.name}
        for name, asset_type in asset_fields(kind.Params).items()
        if name in fields and asset_type == "deployment"
        if (down := deployment_down(host.name, str(getattr(params, name))))
    }


def missing_environments(kind: Kind, params: Any, target: Target) -> list[str]:
    return [name for name in kind.needs(params, target) if environment_of(name, target) is None]


def environment_of(name: str, target: Target) -> AssetRef | None:
    """Return the environment with the current pins: another fingerprint is another environment."""
    known = ENVIRONMENTS.get(name)
    for ref in target.environments:
        is_current = known is None or ref.data["fingerprint"] == known.fingerprint
        if ref.data["name"] == name and is_current:
            return ref
    return None


def launch(
    kind_name: str,
    raw: Mapping[str, Any],
    *,
    host: Host,
    user: AbstractBaseUser | None,
    chain: uuid.UUID | None = None,
    repeats: Job | None = None,
    after: Iterable[Job] = (),
    priority: int = Job.Priority.NORMAL,
    confirmed: Findings | Callable[[LaunchPreview], Findings] = (),
    confirm: Sequence[str] = (),
) -> Job:
    """Queue a new job, after jobs for the environments it needs; return it. ``confirmed``: accepted
    findings, see ``jobs.schedule.preflights``, or a function that returns those of the preview;
    ``confirm``: names of checks whose warnings are accepted, or "all". Raises ``InvalidParams``:
    see its ``fields``; ``LaunchError``: unknown kind."""
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)  # two launches must not add one environment twice
        target = target_of(host)
        job_preview = preview(kind_name, raw, host, target, user=user)
        draft = draft_of(KINDS[kind_name], job_preview, target)
        draft.priority, draft.repeats = priority, repeats
        found = confirmed(job_preview) if callable(confirmed) else confirmed
        accepted = [*found, *confirmed_by_name(job_preview.plan, confirm, user)]
        draft.confirmed = preflights.confirmed_for(job_preview.plan, accepted)
        return create(
            draft,
            host,
            user,
            chain=chain,
            after=after,
            environments=job_preview.will_add,
            target=target,
        )


def draft_of(kind: Kind, job_preview: LaunchPreview, target: Target) -> Job:
    """The unsaved job of a preview, or ``InvalidParams``: it has no plan."""
    params, plan = job_preview.params, job_preview.plan
    if plan is None:
        raise InvalidParams(job_preview.errors)
    refs = kind.inputs(params, target)
    product = kind.product(params, target)
    models = [ref.data.get("model_id") for ref in refs.values()]
    models += [(product or {}).get("model_id"), getattr(params, "model", None)]
    return Job(
        kind=kind.name,
        title=kind.title_of(params, target)[:200],
        params=params.model_dump(mode="json"),
        plan=plan.to_json(),
        plan_sha256=plan.sha256(),
        inputs={key: ref.record for key, ref in refs.items()},
        product=None if product is None else dict(product),
        exclusive=bool(getattr(params, "exclusive", False)),
        model_id=next((str(name)[:100] for name in models if name), ""),
        guide=sanitize(job_preview.guide),
    )


def confirmed_by_name(
    plan: Plan | None, names: Sequence[str], user: AbstractBaseUser | None
) -> list[dict[str, Any]]:
    """A confirmation before any preflight. ``InvalidParams``: a name is no check of this plan."""
    offered = [preflights.ALL, *preflights.confirmable(plan)] if plan else []
    for name in names:
        if name not in offered:
            message = _("This job has no confirmable check “%(name)s”. Available: %(known)s.")
            raise InvalidParams({"confirm": message % {"name": name, "known": ", ".join(offered)}})
    return preflights.confirmation([{"check": name} for name in dict.fromkeys(names)], user)


def ask_checks(
    host: Host, job_preview: LaunchPreview, user: AbstractBaseUser | None
) -> Preflight | None:
    """Ask ``host`` for the checks of a preview now; None: nothing to check, or nobody answers."""
    plan = job_preview.plan
    if plan is None or not plan.checks or is_away(host):
        return None
    slots = {**job_preview.open_slots, **job_preview.values}
    # The job's folder is not known yet.
    known = {name: value for name, value in slots.items() if value and name != "job_dir"}
    return preflights.ask(host, plan.to_json(), known, user=user)


def cancel(job_id: int, user: AbstractBaseUser | None) -> bool:
    """Cancel a job; False if it had finished. A running job is asked to stop and ends soon."""
    with transaction.atomic():
        asked = lifecycle.ask_cancel(job_id, user)
        job = Job.objects.select_related("host").get(pk=job_id)
        if asked and job.state in Job.ON_HOST_STATES:
            transaction.on_commit(lambda: agent_tasks.send(job.host.name, "stop", job.pk))
        transaction.on_commit(dispatch.run)  # a place has become free
    return asked


def launch_tour(host: Host, user: AbstractBaseUser | None) -> list[Job]:
    """The tour's five jobs as one chain. Raises ``LaunchError``: the host has not reported yet."""
    chain = uuid.uuid4()
    with transaction.atomic():

        def add(kind: str, *after: Job, **raw: str) -> Job:
            return launch(kind, raw, host=host, user=user, chain=chain, after=after)

        weights = add("prepare", what="weights")
        artifact = add("compile", weights=f"job:{weights.pk}", precision="int8")
        deployment = add("deploy", artifact=f"job:{artifact.pk}")
        served = f"job:{deployment.pk}"
        benchmark = add("benchmark", deployment=served)
        # After the benchmark, because two loads on one server would disturb each other.
        evaluation = add("evaluate", benchmark, deployment=served)
    return [weights, artifact, deployment, benchmark, evaluation]


def create(
    draft: Job,
    host: Host,
    user: AbstractBaseUser | None,
    *,
    environments: Sequence[str],
    target: Target,
    chain: uuid.UUID | None = None,
    after: Iterable[Job] = (),
    starts: bool = True,
) -> Job:
    """Write the job, its steps, its deployment and its predecessors. ``target``: the known host,
    with promises. Not ``starts``: the caller dispatches."""
    queue.check_length(host)
    if environments and chain is None:
        chain = uuid.uuid4()
    before = {job.pk for job in after}
    for name in environments:
        raw = {"what": "environment", "environment": name}
        first = launch("prepare", raw, host=host, user=user, chain=chain, priority=draft.priority)
        before.add(first.pk)
    before |= {ref["job"] for ref in draft.inputs.values() if "job" in ref and "id" not in ref}
    # Jobs launched just now promise their products too.
    known = target_of(host) if environments else target
    kind = KINDS[draft.kind]
    for name in kind.needs(kind.Params.model_validate(draft.params), known):
        ref = environment_of(name, known)
        if ref is not None and ref.id is None and ref.job:
            before.add(ref.job)
    draft.host, draft.created_by_id, draft.chain = host, user.pk if user else None, chain
    draft.message_id = "job:queued"
    # Drafted before its requirements, and created after them.
    draft.created_at = now()
    draft.save()
    logstore.store().set_aside(f"job/{draft.pk}")
    draft.after.set(before)
    queue.raise_those_before(draft.pk, draft.priority)
    queue.take_turn(draft)
    JobStep.objects.bulk_create(
        JobStep(job=draft, index=index, name=step["name"])
        for index, step in enumerate(draft.plan["steps"])
    )
    product = draft.product or {}
    if product.get("type") == "deployment":
        deployment = Deployment.objects.create(
            name=product["name"],
            host=host,
            job=draft,
            artifact_id=draft.inputs.get("artifact", {}).get("id"),
            model_id=product.get("model_id", ""),
            details=product.get("details") or {},
            created_by_id=draft.created_by_id,
            message_id="deployment:waiting",
        )
        logstore.store().set_aside(f"deployment/{deployment.pk}")
    if starts:
        transaction.on_commit(dispatch.run)
    return draft
