"""Preview, launch, cancel and retry of one job: from a request to Job rows.

:func:`launch` stores exactly what :func:`preview` showed. All jobs of a chain are rows from the
start; no function here waits for one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from jobs import logstore, plans
from jobs.access import secrets, sources
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize
from jobs.base.validation_errors import messages
from jobs.kinds import KINDS
from jobs.kinds.lib import ports
from jobs.kinds.lib.availability import unavailable
from jobs.kinds.lib.base import AssetRef, Kind, Target, promised_job
from jobs.kinds.lib.defaults import defaults_for
from jobs.kinds.lib.guide_diff import guide_diff
from jobs.models import Deployment, Host, Job, JobStep, Preflight
from jobs.models.jobs import last_place
from jobs.plans import Plan
from jobs.queries.deployments import deployment_down
from jobs.queries.hosts.hosts import is_away
from jobs.schedule import agent_tasks, dispatch, launch_rights, lifecycle, preflights, queue
from jobs.schedule.targets import (
    ARCHIVED,
    InputGone,
    by_hand,
    made_by,
    resolve,
    slots_of,
    target_of,
)
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.site import site_of

TOUR_PRECISION = "int8"


class InvalidParams(LaunchError):
    """Params that cannot be launched. ``fields``: field → message; "" is the form as a whole."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        name, message = next(iter(fields.items()))
        super().__init__(message, name)
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Preview:
    """Plan of a possible launch. Without a plan, ``errors`` gives the reason: field → message.

    ``values`` are known slots, ``open_slots`` those set at launch, with proposed values ("" for
    none). ``will_add`` names environments to prepare first. ``guide``: differences of the plan,
    see ``jobs.kinds.lib.guide_diff``.
    """

    params: BaseModel | None = None
    plan: Plan | None = None
    values: dict[str, str] = field(default_factory=dict)
    open_slots: dict[str, str] = field(default_factory=dict)
    script: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    will_add: list[str] = field(default_factory=list)
    guide: dict[str, Any] = field(default_factory=dict)


def preview(
    kind: str,
    raw: Mapping[str, Any],
    host: Host,
    target: Target | None = None,
    *,
    user: AbstractBaseUser | None = None,
) -> Preview:
    """Preview a launch of ``kind`` with ``raw`` on ``host`` by ``user``. Changes nothing.

    ``target``: the host with products of later jobs. No ``user``: hosts, secrets for everyone.

    Raises:
        LaunchError: unknown kind.
    """
    return _preview(_kind(kind), raw, host, target or target_of(host), user)


def launch(
    kind: str,
    raw: Mapping[str, Any],
    *,
    host: Host,
    user: AbstractBaseUser | None,
    chain: uuid.UUID | None = None,
    repeats: Job | None = None,
    after: Iterable[Job] = (),
    priority: int = Job.Priority.NORMAL,
    confirmed: Iterable[Mapping[str, Any]] = (),
) -> Job:
    """Queue a new job, after jobs for the environments it needs; return it.

    ``confirmed``: accepted findings, see ``jobs.schedule.preflights``.

    Raises:
        InvalidParams: see its ``fields``.
        LaunchError: unknown kind.
    """
    chosen = _kind(kind)
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)  # two launches must not add one environment twice
        target = target_of(host)
        job_preview = _preview(chosen, raw, host, target, user)
        if job_preview.params is None or job_preview.plan is None:
            raise InvalidParams(job_preview.errors)
        draft = draft_of(chosen, job_preview, target)
        draft.priority, draft.repeats = priority, repeats
        draft.confirmed = sanitize(preflights.confirmed_for(job_preview.plan, confirmed))
        first = missing_environments(chosen, job_preview.params, target)
        return create(
            draft, host, user, chain=chain, after=after, environments=first, target=target
        )


def draft_of(kind: Kind, job_preview: Preview, target: Target) -> Job:
    """Return the unsaved job of a preview, without host and person.

    Raises:
        ValueError: ``job_preview`` has no plan.
    """
    if job_preview.params is None or job_preview.plan is None:
        raise ValueError("no plan")
    refs = kind.inputs(job_preview.params, target)
    product = kind.product(job_preview.params, target)
    return Job(
        kind=kind.name,
        title=kind.title_of(job_preview.params, target)[:200],
        params=job_preview.params.model_dump(mode="json"),
        plan=job_preview.plan.to_json(),
        plan_sha256=job_preview.plan.sha256(),
        inputs={key: ref.record for key, ref in refs.items()},
        product=None if product is None else dict(product),
        exclusive=bool(getattr(job_preview.params, "exclusive", False)),
        model_id=_model_id(refs, product, job_preview.params),
        guide=sanitize(job_preview.guide),
    )


def confirmed_by_name(
    kind: str, raw: Mapping[str, Any], host: Host, names: Sequence[str], user: AbstractBaseUser
) -> list[dict[str, Any]]:
    """Return the ``confirmed`` of ``launch`` from names of checks (or "all").

    Raises:
        InvalidParams: a name is not a confirmable check of this job.
        LaunchError: unknown kind.
    """
    if not names:
        return []
    job_preview = preview(kind, raw, host, user=user)
    plan = job_preview.plan
    offered = [preflights.ALL, *preflights.confirmable(plan)] if plan else list(names)
    wrong = [name for name in names if name not in offered]
    if wrong:
        known = ", ".join(offered)
        message = _("This job has no confirmable check “%(name)s”. Available: %(known)s.")
        raise InvalidParams({"confirm": message % {"name": wrong[0], "known": known}})
    return preflights.confirmation([{"check": name} for name in dict.fromkeys(names)], user)


def ask_checks(host: Host, job_preview: Preview, user: AbstractBaseUser | None) -> Preflight | None:
    """Ask ``host`` for the checks of a preview now; None: nothing to check, or nobody answers."""
    plan = job_preview.plan
    if plan is None or not plan.checks or is_away(host):
        return None
    slots = {**job_preview.open_slots, **job_preview.values}
    # The job's folder is not known yet.
    known = {name: value for name, value in slots.items() if value and name != "job_dir"}
    return preflights.ask(host, plan.to_json(), known, user=user)


def confirm(
    job_id: int, findings: Sequence[Mapping[str, Any]], user: AbstractBaseUser | None
) -> bool:
    """Confirm ``findings`` of a queued job. False: it is no longer queued."""
    with transaction.atomic():
        done = preflights.confirm(job_id, findings, user)
        transaction.on_commit(dispatch.run)
    return done


def cancel(job_id: int, user: AbstractBaseUser | None) -> bool:
    """Cancel a job; False if it had finished. A running job is asked to stop and ends soon."""
    with transaction.atomic():
        asked = lifecycle.ask_cancel(job_id, user)
        job = Job.objects.select_related("host").get(pk=job_id)
        if asked and job.state in Job.ON_HOST_STATES:
            transaction.on_commit(lambda: agent_tasks.send(job.host.name, "stop", job.pk))
        transaction.on_commit(dispatch.run)  # a place has become free
    return asked


def retry_job(job_id: int, user: AbstractBaseUser | None, *, can_prioritize: bool = False) -> Job:
    """Retry ``job_id`` unchanged: a new job with the same plan. Its inputs must still exist.

    Priority and exclusive use are copied; urgent only with ``can_prioritize``.

    Raises:
        LaunchError: an input is missing.
    """
    with transaction.atomic():
        old = Job.objects.select_related("host").get(pk=job_id)
        kind = _kind(old.kind)
        lifecycle.lock_host(old.host_id)
        target = target_of(old.host)
        try:
            params = kind.Params.model_validate(settled(kind, old.params))
        except ValidationError:  # launched by an older version of the kind
            raise LaunchError(_("The input of this job no longer exists.")) from None
        check_ports(old, target)
        draft = repeat_of(old, params, user, can_prioritize=can_prioritize)
        draft.inputs = inputs_still_there(old)
        first = environments_of(old, kind, params, target)
        return create(draft, old.host, user, environments=first, target=target)


def repeat_of(
    old: Job, params: BaseModel, user: AbstractBaseUser | None, *, can_prioritize: bool
) -> Job:
    """Return an unsaved job of ``user`` with the same plan as ``old``; the caller sets its inputs.

    Raises:
        LaunchError: ``user`` may not launch on the host, or use a secret of the plan in this way,
        or a source is not permitted.
    """
    launch_rights.check(old.host, user)
    secrets.check(plans.from_json(old.plan), old.params, host=old.host, user=user)
    sources.check(KINDS[old.kind], params, old.host)
    return Job(
        kind=old.kind,
        title=old.title,
        params=params.model_dump(mode="json"),
        plan=old.plan,
        plan_sha256=old.plan_sha256,
        product=old.product,
        exclusive=old.exclusive,
        priority=old.priority if can_prioritize else max(old.priority, Job.Priority.NORMAL),
        model_id=old.model_id,
        guide=old.guide,
        repeats=old,
    )


def launch_tour(host: Host, user: AbstractBaseUser | None) -> list[Job]:
    """Launch the tour's five jobs as one chain: prepare, compile, deploy, benchmark, evaluate.

    Raises:
        LaunchError: the host has not reported yet.
    """
    chain = uuid.uuid4()
    with transaction.atomic():

        def add(kind: str, *after: Job, **raw: str) -> Job:
            return launch(kind, raw, host=host, user=user, chain=chain, after=after)

        weights = add("prepare", what="weights")
        artifact = add("compile", weights=f"job:{weights.pk}", precision=TOUR_PRECISION)
        deployment = add("deploy", artifact=f"job:{artifact.pk}")
        served = f"job:{deployment.pk}"
        benchmark = add("benchmark", deployment=served)
        # After the benchmark, because two loads on one server would disturb each other.
        evaluation = add("evaluate", benchmark, deployment=served)
    return [weights, artifact, deployment, benchmark, evaluation]


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise LaunchError(_("Unknown job type “%(name)s”.") % {"name": name}, "kind")
    return KINDS[name]


def _preview(
    kind: Kind, raw: Mapping[str, Any], host: Host, target: Target, user: AbstractBaseUser | None
) -> Preview:
    if refused := launch_rights.errors(host, user):
        return Preview(errors=refused)
    try:
        given = settled(kind, raw)
        params = kind.Params.model_validate(defaults_for(kind.Params, target, given) | given)
    except ValidationError as error:
        return Preview(errors=messages(error))
    if not kind.is_available(target):
        text = _("This host does not support this job type. Choose another host.")
        return Preview(params=params, errors={"": text})
    errors = unavailable(kind, params, target)
    if errors:
        return Preview(params=params, errors=_of_servers_down(kind, params, host, errors))
    try:
        plan = kind.plan(params, target)
        refs = kind.inputs(params, target)
        values, open_slots = slots_of(plan, refs, host, target)
        secrets.check(plan, params.model_dump(), host=host, user=user, values=values)
        sources.check(kind, params, host)
        will_add = missing_environments(kind, params, target)
    except LaunchError as error:
        field_errors = _of_servers_down(kind, params, host, {error.field: str(error)})
        return Preview(params=params, errors=field_errors)
    offered = by_hand(target) | {name: value for name, value in open_slots.items() if value}
    return Preview(
        params=params,
        plan=plan,
        values=values,
        open_slots=open_slots,
        script=plans.script(plan, offered | values),
        will_add=will_add,
        guide=guide_diff(kind, params, target, plan),
    )


def _of_servers_down(
    kind: Kind, params: BaseModel, host: Host, errors: Mapping[str, str]
) -> dict[str, str]:
    """Return ``errors`` plus an error for a chosen deployment that is stopped."""
    all_errors = dict(errors)
    for name in errors.keys() & kind.Params.model_fields.keys():
        extra = kind.Params.model_fields[name].json_schema_extra
        if not isinstance(extra, dict) or extra.get("asset") != "deployment":
            continue
        down = deployment_down(host.name, str(getattr(params, name)))
        if down is not None:
            message = _(
                "Deployment %(name)s is not running. Restart it, or choose another deployment."
            )
            all_errors[name] = message % {"name": down.name}
    return all_errors


def settled(kind: Kind, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return non-empty fields; a fulfilled promise becomes the promised record."""
    given = {name: value for name, value in raw.items() if value not in ("", None)}
    for name, info in kind.Params.model_fields.items():
        extra = info.json_schema_extra
        asset_type = extra.get("asset") if isinstance(extra, dict) else None
        job = promised_job(given.get(name))
        if asset_type and job is not None:
            made = _kept(job, str(asset_type))
            given[name] = given[name] if made is None else str(made)
    return given


def _kept(job: int, asset_type: str) -> int | None:
    """Return the id of a succeeded job's product."""
    if not Job.objects.filter(pk=job, state=Job.State.SUCCEEDED).exists():
        return None
    if asset_type == "deployment":
        return Deployment.objects.filter(job=job).values_list("pk", flat=True).first()
    made = made_by(job, asset_type)
    return made.pk if made else None


def missing_environments(kind: Kind, params: Any, target: Target) -> list[str]:
    """Return names of environments that are neither installed nor promised."""
    needed = [need.environment for need in kind.needs(params, target)]
    return [name for name in needed if environment_of(name, target) is None]


def environment_of(name: str, target: Target) -> AssetRef | None:
    """Return the environment with the current pins: another fingerprint is another environment."""
    known = ENVIRONMENTS.get(name)
    for ref in target.environments:
        if ref.data["name"] == name and (
            known is None or ref.data["fingerprint"] == known.fingerprint
        ):
            return ref
    return None


def environments_of(old: Job, kind: Kind, params: BaseModel, target: Target) -> list[str]:
    """Return names of environments that the plan of ``old`` needs and that can be recreated.

    Raises:
        LaunchError: the plan uses one that is neither installed nor identical to the current pins.
    """
    arguments = [word for step in old.plan["steps"] for word in step["argv"]]

    def is_used(path: str) -> bool:
        return any(word == path or word.startswith(f"{path}/") for word in arguments)

    there = [str(ref.data["path"]) for ref in target.environments if ref.id is not None]
    missing = []
    for name in (need.environment for need in kind.needs(params, target)):
        if any(is_used(path) for path in there):
            continue
        if not is_used(ENVIRONMENTS[name].path(site_of(target.facts))):
            words_for_people = _("Environment %(name)s was replaced. Launch a new job.")
            raise LaunchError(words_for_people % {"name": name})
        if environment_of(name, target) is None:
            missing.append(name)
    return missing


def _model_id(
    refs: Mapping[str, AssetRef], product: Mapping[str, Any] | None, params: BaseModel
) -> str:
    """Return the catalogue id of a job's model; "" for none."""
    names = [ref.data.get("model_id") for ref in refs.values()]
    names += [(product or {}).get("model_id"), getattr(params, "model", None)]
    return next((str(name)[:100] for name in names if name), "")


def inputs_still_there(old: Job) -> dict[str, dict[str, int]]:
    """Return the inputs of a retried job, by record."""
    inputs: dict[str, dict[str, int]] = {}
    for key, ref in old.inputs.items():
        made = ref.get("job") if not ref.get("id") else None
        if made and Job.objects.filter(pk=made, state__in=Job.OPEN_STATES):
            inputs[key] = {"job": made}
            continue
        try:
            asset = resolve({key: ref})[key]
        except InputGone:
            raise LaunchError(_("The input of this job no longer exists.")) from None
        if asset.data.get("state") == ARCHIVED:
            message = _("Endpoint %(name)s is archived. Restore it first.")
            raise LaunchError(message % {"name": asset.label})
        if key in plans.ENGINES and asset.data["state"] in dispatch.GONE:
            message = _("Deployment %(name)s is not running. Restart it first.")
            raise LaunchError(message % {"name": asset.data["name"]})
        inputs[key] = asset.record
    return inputs


def check_ports(old: Job, target: Target) -> None:
    """Refuse to retry a plan whose port is now in use by another server."""
    details = (old.product or {}).get("details") or {}
    clash = ports.clash(ports.of_server(old.params, details), target.servers)
    if clash:
        message = _(
            "Port %(port)d of the plan is in use by %(holder)s. Stop it, or use “Edit and "
            "rerun” with another port, such as %(free)d."
        )
        raise LaunchError(message % clash.args, clash.field)


def create(
    draft: Job,
    host: Host,
    user: AbstractBaseUser | None,
    *,
    environments: Sequence[str],
    chain: uuid.UUID | None = None,
    after: Iterable[Job] = (),
    target: Target | None = None,
    starts: bool = True,
) -> Job:
    """Write the job, its steps, its deployment and its predecessors.

    ``target``: the known host, with promises. Not ``starts``: the caller dispatches.
    """
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
    known = target_of(host) if environments or target is None else target
    before |= _open_environment_jobs(draft, known)
    draft.host, draft.created_by_id, draft.chain = host, user.pk if user else None, chain
    draft.message_id = "job:queued"
    # Drafted before its requirements, and created after them.
    draft.created_at, draft.place = now(), last_place()
    draft.save()
    logstore.store().set_aside(f"job/{draft.pk}")
    draft.after.set(before)
    queue.raise_those_before(draft.pk, draft.priority)
    JobStep.objects.bulk_create(
        JobStep(job=draft, index=index, name=step["name"])
        for index, step in enumerate(draft.plan["steps"])
    )
    if draft.product and draft.product["type"] == "deployment":
        _create_deployment(draft)
    if starts:
        transaction.on_commit(dispatch.run)
    return draft


def _open_environment_jobs(draft: Job, target: Target) -> set[int]:
    """Return jobs that are preparing environments of this one."""
    kind = KINDS[draft.kind]
    needs = kind.needs(kind.Params.model_validate(draft.params), target)
    refs = [environment_of(need.environment, target) for need in needs]
    return {ref.job for ref in refs if ref is not None and ref.id is None and ref.job}


def _create_deployment(job: Job) -> None:
    product = job.product or {}
    deployment = Deployment.objects.create(
        name=product["name"],
        host=job.host,
        job=job,
        artifact_id=job.inputs.get("artifact", {}).get("id"),
        model_id=product.get("model_id", ""),
        details=product.get("details") or {},
        created_by_id=job.created_by_id,
        message_id="deployment:waiting",
    )
    logstore.store().set_aside(f"deployment/{deployment.pk}")
