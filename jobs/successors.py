"""What to launch after a job that has succeeded: kinds that its host can do, with what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target
from jobs.launch import preview
from jobs.models import Deployment, Job
from jobs.queries.hosts.targets import target_of

_STACK = "stack"


@dataclass(frozen=True, slots=True)
class NextStep:
    """A kind, and what its form is to be filled with: field → value."""

    kind: str
    raw: Mapping[str, str] = field(default_factory=dict)


def next_steps(job: Job) -> list[NextStep]:
    """What the kind of ``job`` names as its successors, as far as they can be launched now.

    Empty for a job that has not succeeded, and for one of a kind that leads to nothing.
    """
    if job.state != Job.State.SUCCEEDED or job.kind not in KINDS:
        return []
    kind = KINDS[job.kind]
    try:
        own = kind.successors(kind.Params.model_validate(job.params))
    except ValidationError:  # launched by an older version of the kind
        return []
    names = [*own, *(one.name for one in KINDS.values() if kind.name in one.follows)]
    asset = _asset_of(job)
    target = target_of(job.host) if names else None
    found = (_step(KINDS[name], asset, job, target) for name in names if target is not None)
    return [step for step in found if step is not None]


def _asset_of(job: Job) -> tuple[str, str]:
    """(type, key) of what is gone on with: what it made, else what it worked on."""
    made = str((job.product or {}).get("type", ""))
    if made == "deployment":
        number = Deployment.objects.filter(job=job).values_list("pk", flat=True).first()
        return made, str(number or "")
    if made:
        return made, f"job:{job.pk}"
    for name in ("deployment", "weights"):
        if job.inputs.get(name, {}).get("id"):
            return name, str(job.inputs[name]["id"])
    return "", ""


def _step(kind: Kind, asset: tuple[str, str], job: Job, target: Target) -> NextStep | None:
    """None: the form would refuse the asset, or the host such work."""
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
        when = fields[taker].get("when")  # a field that counts only with that value of another one
        raw |= {str(when[0]): str(when[1])} if isinstance(when, list) else {}
    seen = preview(kind.name, raw, job.host, target)
    # What else it lacks, such as weights for an image, a person chooses in its form.
    refused = {"", taker, _STACK} & seen.errors.keys()
    return None if refused else NextStep(kind.name, raw)
