"""Pipelines: all stages of a model as one chain of jobs; retry of a chain.
Here: jobs, options, launch, and retry from the first failure.
Not here: one job (`jobs.launch.launch`), the chain's progress (`queries.jobs.chains`).

All jobs are rows from the start. Existing assets of the host are reused.
"""

from __future__ import annotations

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
from jobs.kinds.lib.base import AssetRef, Target
from jobs.kinds.lib.defaults import EXACT
from jobs.launch.launch import Preview, draft_of, environment_of, launch, preview
from jobs.launch.pipelines.base import Pipeline, PipelineJob
from jobs.launch.pipelines.definitions import PIPELINES
from jobs.launch.pipelines.options import Options
from jobs.models import Host, Job
from jobs.plans import Check, Plan, Step, fill_text, literal, slots_in
from jobs.schedule import lifecycle
from jobs.schedule.capacity import common_place
from jobs.schedule.targets import promise, target_of

__all__ = [
    "PIPELINES",
    "Draft",
    "Options",
    "Pipeline",
    "checks_of",
    "drafts",
    "launch_pipeline",
    "pipelines_of",
    "stages",
]

_DIES = "dies"  # the slot of a chain's checks: the largest choice of its jobs


@dataclass(frozen=True, slots=True)
class Stage:
    """Job of a pipeline on one host; ``there``: existing asset that makes it unnecessary."""

    job: PipelineJob
    there: AssetRef | None


@dataclass(frozen=True, slots=True)
class Draft:
    """Draft of a stage, and the host at its start.

    ``number`` is its position in the chain, from 1; ``after`` are the positions it depends on.
    """

    stage: Stage
    target: Target
    number: int
    preview: Preview | None = None  # None: no job needed
    after: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """Title of its job, see ``Kind.title_of``; "" without a plan."""
        kind, job_preview = KINDS[self.stage.job.kind], self.preview
        if job_preview is None or job_preview.plan is None:
            return ""
        return kind.title_of(job_preview.params, self.target)

    @property
    def is_in_guide(self) -> bool:
        """True if the guide has the command, so that verbatim mode applies."""
        return EXACT in KINDS[self.stage.job.kind].Params.model_fields

    @property
    def ports(self) -> dict[str, int]:
        """Ports of its server: name → port, 0 for a port set at launch."""
        job_preview, kind = self.preview, KINDS[self.stage.job.kind]
        if job_preview is None or job_preview.plan is None or job_preview.params is None:
            return {}
        product = kind.product(job_preview.params, self.target) or {}
        if product.get("type") != "deployment":
            return {}
        details = product.get("details") or {}
        own = {name: int(details[name]) for name in ports.OWN if details.get(name)}
        return {"port": int(job_preview.open_slots.get("port") or 0), **own}


def stages(
    pipeline: Pipeline, model: ZooModel, host: Host, stack: str, options: Options | None = None
) -> list[Stage]:
    """Return the pipeline's stages on ``host`` in order, without tool environments."""
    target = target_of(host)
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
    blocks the stages that use its product.
    """
    chosen = options or Options()
    drafting = _Drafting(host, stack, chosen, target_of(host), user)
    for stage in stages(pipeline, model, host, stack, chosen):
        drafting.add(stage)
    return drafting.drafts


class _Drafting:
    """Drafts of a chain so far, and the host after them."""

    def __init__(
        self,
        host: Host,
        stack: str,
        options: Options,
        target: Target,
        user: AbstractBaseUser | None,
    ) -> None:
        self.drafts: list[Draft] = []
        self._host, self._stack, self._options, self._user = host, stack, options, user
        self._target = target
        self._keys: dict[str, str] = {}  # a job's name -> its product or existing asset
        self._numbers: dict[str, int] = {}  # a job's name -> its position, unless unnecessary

    def add(self, stage: Stage) -> None:
        """Add the next stage, after the environments it needs."""
        job, number = stage.job, len(self.drafts) + 1
        if stage.there is not None:
            self._keys[job.name] = stage.there.key
            self.drafts.append(Draft(stage, self._target, number))
            return
        raw = _raw(job, self._keys, self._stack, self._options)
        job_preview = preview(job.kind, raw, self._host, self._target, user=self._user)
        if job_preview.will_add:
            for name in job_preview.will_add:
                self.add(Stage(_environment_job(name), None))
            number = len(self.drafts) + 1
            job_preview = preview(job.kind, raw, self._host, self._target, user=self._user)
        self.drafts.append(
            Draft(stage, self._target, number, job_preview, self._after(job, job_preview))
        )
        self._keys[job.name], self._numbers[job.name] = f"job:-{number}", number
        self._promise(job, job_preview, number)

    def _after(self, job: PipelineJob, job_preview: Preview) -> tuple[int, ...]:
        """Return the positions of the jobs that ``job`` depends on."""
        named = {self._numbers[name] for name in job.after if name in self._numbers}
        kind = KINDS[job.kind]
        if job_preview.plan is None:
            return tuple(sorted(named))
        inputs = draft_of(kind, job_preview, self._target).inputs.values()
        needed = (
            environment_of(need.environment, self._target)
            for need in kind.needs(job_preview.params, self._target)
        )
        jobs = [ref.get("job", 0) for ref in inputs] + [ref.job or 0 for ref in needed if ref]
        return tuple(sorted(named | {-job for job in jobs if job < 0}))

    def _promise(self, job: PipelineJob, job_preview: Preview, number: int) -> None:
        """Add the job's future product to the host, for later stages."""
        kind = KINDS[job.kind]
        product = kind.product(job_preview.params, self._target) if job_preview.plan else None
        if product is None or job_preview.plan is None:
            return
        title = kind.title_of(job_preview.params, self._target)
        # The port to show; 0 if the preferred one is in use.
        port = int(job_preview.open_slots.get("port") or 0)
        address = job_preview.plan.address
        ref = promise(product, title, self._host, job=-number, port=port, address=address)
        self._target = _with(self._target, ref)


def _environment_job(name: str) -> PipelineJob:
    """Return the prepare stage that a launch adds, see ``jobs.launch.launch``."""
    return PipelineJob(
        f"environment-{name}", "prepare", {"what": "environment", "environment": name}
    )


def checks_of(pipeline: Pipeline, planned: Sequence[Draft]) -> tuple[Plan, dict[str, str]] | None:
    """Return one preflight for a whole chain, with known slots; None: nothing to check.

    It has every check of every job, except those of something that an earlier job of the chain
    makes. A disk needs room for the job and for those before it.
    """
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
                disks.append(dict(filled.args))
                filled = _with_room(filled, disks[:-1])
            elif common_place([value for _name, value in filled.args], made):
                continue
            wanted[filled] = None
        made += _makes(draft)
    if not wanted:
        return None
    checked = Plan(kind=pipeline.id, steps=(Step("check", ("true",)),), checks=tuple(wanted))
    return checked, {_DIES: dies} if dies else {}


def _filled(check: Check, values: Mapping[str, str]) -> Check | None:
    """Return the check with the values of its own job; None: they are set later."""
    kept = {**values, _DIES: f"{{{_DIES}}}"}
    try:
        args = tuple(
            (name, value if slots_in(value) <= {_DIES} else literal(fill_text(value, kept)))
            for name, value in check.args
        )
    except PlanError:
        return None
    return replace(check, args=args)


def _with_room(check: Check, before: Sequence[Mapping[str, str]]) -> Check:
    """Return a disk's check, with what the jobs before need on the same disk."""
    if check.asks or not before:  # a confirmation names a check by its arguments
        return check
    return replace(check, args=(*check.args, ("before", literal(json.dumps(before)))))


def _makes(draft: Draft) -> tuple[str, ...]:
    """Return places and names of what the job makes."""
    job_preview, kind = draft.preview, KINDS[draft.stage.job.kind]
    if job_preview is None or job_preview.plan is None or job_preview.params is None:
        return ()
    product = kind.product(job_preview.params, draft.target) or {}
    named = [str(product[name]) for name in ("path", "name") if product.get(name)]
    return (*named, *job_preview.plan.writes)


def _with(target: Target, ref: AssetRef) -> Target:
    """Return the host once ``ref`` exists."""
    field = ref.type if ref.type == "weights" else f"{ref.type}s"
    fields: dict[str, Any] = {field: (*getattr(target, field), ref)}
    if ref.type == "deployment":
        fields["servers"] = (*target.servers, ref)
    return replace(target, **fields)


def pipelines_of(model: ZooModel) -> list[Pipeline]:
    """Return the pipelines of a model."""
    return [pipeline for pipeline in PIPELINES.values() if pipeline.suits(model)]


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

    ``confirmed``: see :func:`jobs.launch.launch`.

    Raises:
        LaunchError: unknown pipeline or model, or a job cannot be launched; then none is.
    """
    pipeline, model = PIPELINES.get(pipeline_id), MODELS.get(model_id)
    if pipeline is None or model is None or not pipeline.suits(model):
        raise LaunchError(_("This model has no such pipeline."), "pipeline")
    chosen = options or Options()
    chain, made, keys = uuid.uuid4(), dict[str, Job](), dict[str, str]()
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)
        for stage in stages(pipeline, model, host, stack, chosen):
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


def _raw(job: PipelineJob, keys: Mapping[str, str], stack: str, options: Options) -> dict[str, Any]:
    """Return Params of the job; ``keys``: a job's name -> its product or existing asset."""
    fields = KINDS[job.kind].Params.model_fields
    raw = {
        name: keys[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for name, value in job.params.items()
    }
    common = {"stack": stack, EXACT: options.as_in_guide}
    return {name: value for name, value in common.items() if name in fields} | raw
