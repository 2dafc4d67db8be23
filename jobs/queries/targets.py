"""A host as a kind sees it: facts, what is on its disk, and what open jobs have promised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.kinds.base import AssetRef, Target
from jobs.models import Artifact, Deployment, Environment, Host, Job, Weights

_SERVING = (Deployment.State.LOADING, Deployment.State.READY, Deployment.State.UNHEALTHY)


def target_of(host: Host) -> Target:
    """The snapshot of ``host`` that plans are made from: newest assets first, then promises."""
    promised = _promises(host)
    artifacts = Artifact.objects.filter(host=host, deleted_at=None)
    deployments = Deployment.objects.filter(
        host=host, state__in=_SERVING, wanted=True, job__state=Job.State.SUCCEEDED
    ).select_related("artifact")
    return Target(
        name=host.name,
        sort=host.sort,
        facts=host.facts,
        weights=_refs(map(weights_ref, Weights.objects.filter(host=host)), promised, "weights"),
        artifacts=_refs(map(artifact_ref, artifacts), promised, "artifact"),
        deployments=_refs(map(deployment_ref, deployments), promised, "deployment"),
        environments=_refs(
            map(environment_ref, Environment.objects.filter(host=host)), promised, "environment"
        ),
    )


def weights_ref(weights: Weights) -> AssetRef:
    """Weights as a choice."""
    data = _data(weights, "model_id", "precision", "bytes", "sha256", "path")
    return AssetRef("weights", f"{weights.model_id} {weights.precision}", id=weights.pk, data=data)


def artifact_ref(artifact: Artifact) -> AssetRef:
    """An artifact as a choice."""
    fields = ("model_id", "toolchain", "precision", "label", "source_precision", "bytes", "sha256")
    data = _data(artifact, *fields, "path")
    return AssetRef("artifact", f"{artifact.model_id} {artifact.label}", id=artifact.pk, data=data)


def deployment_ref(deployment: Deployment) -> AssetRef:
    """A deployment as a choice. ``url`` is as its own host sees it."""
    artifact = deployment.artifact
    data = {
        **_data(deployment, "name", "model_id", "state"),
        "url": deployment.host_url,
        "label": artifact.label if artifact else "",
        "precision": artifact.precision if artifact else "",
        "toolchain": artifact.toolchain if artifact else "",
        "artifact": artifact.pk if artifact else None,
    }
    return AssetRef("deployment", deployment.name, id=deployment.pk, data=data)


def environment_ref(environment: Environment) -> AssetRef:
    """A tool's environment."""
    data = _data(environment, "name", "fingerprint", "versions", "path")
    return AssetRef("environment", environment.name, id=environment.pk, data=data)


def _data(record: Any, *fields: str) -> dict[str, Any]:
    return {"id": record.pk, **{field: getattr(record, field) for field in fields}}


def _refs(refs: Iterable[AssetRef], promised: list[AssetRef], sort: str) -> tuple[AssetRef, ...]:
    return (*refs, *(ref for ref in promised if ref.type == sort))


def _promises(host: Host) -> list[AssetRef]:
    """What open jobs will register: newest first."""
    jobs = Job.objects.filter(host=host, state__in=Job.OPEN_STATES)
    return [
        AssetRef(str(job.product["type"]), job.title, job=job.pk, data=job.product)
        for job in jobs
        if job.product
    ]
