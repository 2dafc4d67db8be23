"""Pipelines: all stages of a model as one chain of jobs: preview, preflight, launch.

All jobs are rows from the start. Existing assets of the host are reused.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError, PlanError
from jobs.catalog import MODELS, ZooModel
from jobs.kinds import KINDS
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import EXACT, AssetRef, Target
from jobs.launch.launch import Preview, draft_of, environment_of, launch, preview
from jobs.launch.pipeline_definitions import PIPELINES, Options, Pipeline, PipelineJob
from jobs.models import Host, Job
from jobs.plans import Check, Plan, Step, fill_text, literal, slots_in
from jobs.schedule import lifecycle
from jobs.schedule.capacity import common_place
from jobs.schedule.targets import promise, target_of

_DIES = "dies"  # the slot of a chain's checks: the largest choice of its jobs


@dataclass(frozen=True, slots=True)
class Stage:
    """Job of a pipeline on one host; ``there``: existing asset that makes it unnecessary."""

    job: PipelineJob
    there: AssetRef | None


@dataclass(frozen=True, slots=True)
class Draft:
    """Draft of a stage; ``job`` is unsaved, None without a plan. ``number`` is its position in the
    chain, from 1; ``after`` are the positions it depends on."""

    stage: Stage
    number: int
    preview: Preview | None = None  # None: no job needed
    job: Job | None = None
    after: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        return self.job.title if self.job else ""

    @property
    def product(self) -> Mapping[str, Any]:
        return (self.job.product if self.job else None) or {}

    @property
    def is_in_guide(self) -> bool:
        """True if the guide has the command, so that verbatim mode applies."""
        return EXACT in KINDS[self.stage.job.kind].Params.model_fields

    @property
    def ports(self) -> dict[str, int]:
        """Ports of its server: name → port, 0 for a port set at launch."""
        if self.preview is None or self.product.get("type") != "deployment":
            return {}
        details = self.product.get("details") or {}
        own = {name: int(details[name]) for name in ports.LLMDEPLOY_PORTS if details.get(name)}
        return {"port": int(self.preview.open_slots.get("port") or 0), **own}


def pipelines_of(model: ZooModel) -> list[Pipeline]:
    return [pipeline for pipeline in PIPELINES.values() if pipeline.suits(model)]


def stages(
    pipeline: Pipeline, model: ZooModel, target: Target, stack: str, options: Options | None = None
) -> list[Stage]:
    """The pipeline's stages on a host in order, without tool environments."""
    return [
        Stage(job, job.there(target) if job.there else None)
        for job in pipeline.jobs(model, stack, options or Options())
    ]


def drafts(
    pipeline: Pipeline,
    model: ZooModel,
    host: Host,
    stack: str,
    options: Options | None = None,
    *,
    user: AbstractBaseUser | None = None,
) -> list[Draft]:
    """Return the plan of each job, as :func:`launch_pipeline` creates it. Changes nothing.
    Environments come before the job that needs them, as at launch. A stage that cannot be planned
    blocks the stages that use its product."""
    chosen, target = options or Options(), target_of(host)
    drafted: list[Draft] = []
    keys: dict[str, str] = {}  # a job's name -> its product or existing asset
    numbers: dict[str, int] = {}  # a job's name -> its position, unless unnecessary

    def add(stage: Stage) -> None:
        """Add the next stage, after the environments it needs; then the host has its product."""
        nonlocal target
        job, kind = stage.job, KINDS[stage.job.kind]
        if stage.there is not None:
            keys[job.name] = stage.there.key
            drafted.append(Draft(stage, len(drafted) + 1))
            return
        raw = _raw(job, keys, stack, chosen)
        planned = preview(job.kind, raw, host, target, user=user)
        for name in planned.will_add:
            tool = {"what": "environment", "environment": name}
            add(Stage(PipelineJob(f"environment-{name}", "prepare", tool), None))
        if planned.will_add:
            planned = preview(job.kind, raw, host, target, user=user)
        number, after = len(drafted) + 1, {numbers[one] for one in job.after if one in numbers}
        keys[job.name], numbers[job.name] = f"job:-{number}", number
        if planned.plan is None:
            drafted.append(Draft(stage, number, planned, after=tuple(sorted(after))))
            return
        row = draft_of(kind, planned, target)
        needed = [environment_of(name, target) for name in kind.needs(planned.params, target)]
        used = [ref.get("job", 0) for ref in row.inputs.values()]
        used += [ref.job or 0 for ref in needed if ref]
        after |= {-job for job in used if job < 0}
        drafted.append(Draft(stage, number, planned, row, tuple(sorted(after))))
        if row.product:
            # The port to show; 0 if the preferred one is in use.
            port, address = int(planned.open_slots.get("port") or 0), planned.plan.address
            ref = promise(row.product, row.title, host, job=-number, port=port, address=address)
            target = _with(target, ref)

    for stage in stages(pipeline, model, target, stack, chosen):
        add(stage)
    return drafted


def _with(target: Target, ref: AssetRef) -> Target:
    """The host once ``ref`` exists."""
    field = ref.type if ref.type == "weights" else f"{ref.type}s"
    fields: dict[str, Any] = {field: (*getattr(target, field), ref)}
    if ref.type == "deployment":
        fields["servers"] = (*target.servers, ref)
    return replace(target, **fields)


def _raw(job: PipelineJob, keys: Mapping[str, str], stack: str, options: Options) -> dict[str, Any]:
    """Params of the job; ``keys``: a job's name -> its product or existing asset."""
    fields = KINDS[job.kind].Params.model_fields
    raw = {
        name: keys[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for name, value in job.params.items()
    }
    common = {"stack": stack, EXACT: options.as_in_guide}
    return {name: value for name, value in common.items() if name in fields} | raw


def checks_of(pipeline: Pipeline, planned: Sequence[Draft]) -> tuple[Plan, dict[str, str]] | None:
    """Return one preflight for a whole chain, with known slots; None: nothing to check. It has
    every check of every job, except those of something that an earlier job of the chain makes. A
    disk needs room for the job and for those before it."""
    made: list[str] = []
    disks: list[dict[str, str]] = []
    wanted: dict[Check, None] = {}
    dies = ""
    for draft in planned:
        if draft.preview is None or draft.preview.plan is None:
            continue
        dies = max(dies, draft.preview.open_slots.get(_DIES, ""), key=len)
        for check in draft.preview.plan.checks:
            filled = _filled(check, draft.preview.values)
            if filled is None:
                continue
            if check.name == "disk":  # folders of earlier jobs need room, and give none
                if disks and not check.asks:  # a confirmation names a check by its arguments
                    before = ("before", literal(json.dumps(disks)))
                    disks.append(dict(filled.args))
                    filled = replace(filled, args=(*filled.args, before))
                else:
                    disks.append(dict(filled.args))
            elif common_place([value for _name, value in filled.args], made):
                continue
            wanted[filled] = None
        # Places and names of what the job makes.
        made += [str(draft.product[name]) for name in ("path", "name") if draft.product.get(name)]
        made += draft.preview.plan.writes
    if not wanted:
        return None
    checked = Plan(kind=pipeline.id, steps=(Step("check", ("true",)),), checks=tuple(wanted))
    return checked, {_DIES: dies} if dies else {}


def _filled(check: Check, values: Mapping[str, str]) -> Check | None:
    """The check with the values of its own job; None: they are set later."""
    kept = {**values, _DIES: f"{{{_DIES}}}"}
    try:
        args = tuple(
            (name, value if slots_in(value) <= {_DIES} else literal(fill_text(value, kept)))
            for name, value in check.args
        )
    except PlanError:
        return None
    return replace(check, args=args)


def launch_pipeline(
    pipeline_id: str,
    model_id: str,
    *,
    host: Host,
    stack: str,
    user: AbstractBaseUser | None,
    options: Options | None = None,
    confirmed: Sequence[Mapping[str, Any]] = (),
) -> list[Job]:
    """Launch every job of the pipeline as one chain; return the jobs, tool environments included.
    ``confirmed``: see :func:`jobs.launch.launch.launch`. Raises ``LaunchError``: unknown pipeline
    or model, or a job cannot be launched; then none is."""
    pipeline, model = PIPELINES.get(pipeline_id), MODELS.get(model_id)
    if pipeline is None or model is None or not pipeline.suits(model):
        raise LaunchError(_("This model has no such pipeline."), "pipeline")
    chosen = options or Options()
    chain, made, keys = uuid.uuid4(), dict[str, Job](), dict[str, str]()
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)
        for stage in stages(pipeline, model, target_of(host), stack, chosen):
            job = stage.job
            if stage.there is not None:
                keys[job.name] = stage.there.key
                continue
            made[job.name] = launch(
                job.kind,
                _raw(job, keys, stack, chosen),
                host=host,
                user=user,
                chain=chain,
                after=[made[name] for name in job.after if name in made],
                confirmed=confirmed,
            )
            keys[job.name] = f"job:{made[job.name].pk}"
        return list(Job.objects.filter(chain=chain).select_related("host").order_by("pk"))
