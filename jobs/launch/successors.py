"""Next steps after a succeeded job: kinds of its host that accept its product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractBaseUser
from pydantic import ValidationError

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target, endpoint_key
from jobs.launch.launch import preview
from jobs.models import Deployment, Job
from jobs.schedule import launch_rights
from jobs.schedule.targets import target_of

_STACK = "stack"


@dataclass(frozen=True, slots=True)
class NextStep:
    """A kind, and values of its form: field → value."""

    kind: str
    raw: Mapping[str, str] = field(default_factory=dict)


def next_steps(job: Job, user: AbstractBaseUser | None) -> list[NextStep]:
    """Return successors of ``job`` that ``user`` can launch now.

    Empty for a job that has not succeeded, a kind without successors, or a person who may not
    launch on the host.
    """
    if job.state != Job.State.SUCCEEDED or job.kind not in KINDS:
        return []
    kind = KINDS[job.kind]
    try:
        launch_rights.check(job.host, user)
        own = kind.successors(kind.Params.model_validate(job.params))
    except (LaunchError, ValidationError):  # not permitted; launched by an older version
        return []
    names = [*own, *(one.name for one in KINDS.values() if kind.name in one.follows)]
    asset = _asset_of(job)
    target = target_of(job.host) if names else None
    steps = (_step(KINDS[name], asset, job, target, user) for name in names if target is not None)
    return [step for step in steps if step is not None]


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


def _step(
    kind: Kind, asset: tuple[str, str], job: Job, target: Target, user: AbstractBaseUser | None
) -> NextStep | None:
    """None: the form refuses the asset, or the host does not support the kind."""
    fields = {
        name: info.json_schema_extra
        for name, info in kind.Params.model_fields.items()
        if isinstance(info.json_schema_extra, dict)
    }
    taker = next((name for name, extra in fields.items() if extra.get("asset") == asset[0]), "")
    raw: dict[str, str] = {}
    if _STACK in fields and job.params.get(_STACK):
        raw[_STACK] = str(job.params[_STACK])
    if taker:
        raw[taker] = asset[1]
        when = fields[taker].get("when")  # depends on another field's value
        raw |= {str(when[0]): str(when[1])} if isinstance(when, list) else {}
    job_preview = preview(kind.name, raw, job.host, target, user=user)
    # A person chooses the rest in the form, such as weights for an image.
    refused = {"", taker, _STACK} & job_preview.errors.keys()
    return None if refused else NextStep(kind.name, raw)
