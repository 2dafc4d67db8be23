"""Snapshot of a host for kinds: facts, assets, and promises of active jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.db.models import F

from jobs.base import engine_addresses
from jobs.kinds.lib.base import AssetRef, Target
from jobs.models import (
    Artifact,
    Dataset,
    Deployment,
    Endpoint,
    Environment,
    Host,
    Job,
    Weights,
)
from jobs.queries.answers.baselines import baselines
from jobs.queries.hosts.hosts import holding_deployments
from jobs.queries.prompts import team_prompts
from jobs.tools.vacc.site import inside_of

ARCHIVED = "archived"  # state of an endpoint that takes no jobs
_SERVING = (Deployment.State.LOADING, Deployment.State.READY, Deployment.State.UNHEALTHY)


def target_of(host: Host) -> Target:
    """Return the snapshot of ``host`` for plans: newest assets first, then promises, then
    endpoints, which every host may call: those that answered their last check first."""
    promised = _promises(host)
    holding = holding_deployments([host]).select_related("artifact", "host", "job")
    # The port requested by its job, 0 for any: known before the server listens.
    holding = holding.annotate(asked_port=F("job__params__port")).order_by("-created_at", "-pk")
    servers = {
        one.pk: replace(ref, data={**ref.data, "asked_port": one.asked_port or 0})
        for one, ref in ((one, deployment_ref(one)) for one in holding)
    }
    serving = [one for one in holding if _can_be_chosen(one)]
    weights = Weights.objects.filter(host=host).select_related("host")
    artifacts = Artifact.objects.filter(host=host, deleted_at=None).select_related("host")
    environments = Environment.objects.filter(host=host).select_related("host")
    datasets = Dataset.objects.filter(host=host).select_related("host")
    reachable = Endpoint.objects.filter(archived_at=None).order_by("name")
    return Target(
        name=host.name,
        type=host.type,
        facts=host.facts,
        weights=_refs(map(weights_ref, weights), promised, "weights"),
        artifacts=_refs(map(artifact_ref, artifacts), promised, "artifact"),
        deployments=(
            *_refs((servers[one.pk] for one in serving), promised, "deployment"),
            *map(endpoint_ref, sorted(reachable, key=lambda one: not one.is_answering)),
        ),
        servers=_refs(servers.values(), promised, "deployment"),
        environments=_refs(map(environment_ref, environments), promised, "environment"),
        datasets=_refs(map(dataset_ref, datasets), promised, "dataset"),
        prompts=team_prompts(),
        baselines=baselines,
    )


def _can_be_chosen(deployment: Deployment) -> bool:
    """Return True if it is serving and no stop is requested."""
    is_made = deployment.job.state == Job.State.SUCCEEDED
    return deployment.state in _SERVING and deployment.wanted and is_made


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
    """A deployment as a choice. ``url``: as seen by its own host.

    The artifact describes the model; deployments of plain weights carry the details.
    """
    artifact = deployment.artifact
    at = engine_addresses.parse(deployment.host_url)
    data = {
        **{"label": "", "precision": "", "toolchain": "", "path": ""},
        **_details(deployment.details, deployment.pk),
        **_columns(deployment, "name", "model_id", "state"),
        "url": str(at or ""),
        "host": str(at.ip) if at else "",
        "port": str(at.port) if at else "",
        "artifact": artifact.pk if artifact else None,
        "dies": str(deployment.job.values.get("dies", "")),
    }
    if artifact:
        data |= {name: getattr(artifact, name) for name in ("label", "precision", "toolchain")}
    return AssetRef("deployment", deployment.name, id=deployment.pk, data=data)


def endpoint_ref(endpoint: Endpoint) -> AssetRef:
    """An endpoint as a choice, with the keys of a deployment. ``name``: that of its model.

    ``toolchain`` names the engine only if its counters can be read.
    """
    parts, stated = urlsplit(endpoint.url), endpoint.device_stated or {}
    port = parts.port or (443 if parts.scheme == "https" else 80)
    data = {
        "id": endpoint.pk,
        "name": endpoint.model,
        "model_id": endpoint.model_id,
        "state": ARCHIVED if endpoint.archived_at else Deployment.State.READY,
        "is_answering": endpoint.is_answering,
        "url": endpoint.url,
        "host": parts.hostname or "",
        "port": str(port),
        "api_key": endpoint.api_key,
        "engine": endpoint.engine_name,
        "toolchain": endpoint.engine_name if endpoint.found.get("has_counters") else "",
        "device": str(stated.get("text", "")),
        "max_total": endpoint.context,
        "thinking_switch": endpoint.thinking_switch,
        **{"label": "", "precision": "", "path": "", "stack": "", "dies": "", "artifact": None},
    }
    return AssetRef("deployment", endpoint.name, endpoint=endpoint.pk, data=data)


def environment_ref(environment: Environment) -> AssetRef:
    """A tool's environment."""
    data = _data(environment, "name", "fingerprint", "versions", "path")
    return AssetRef("environment", environment.name, id=environment.pk, data=data)


def dataset_ref(dataset: Dataset) -> AssetRef:
    """A data set as a choice."""
    data = _data(dataset, "name", "path", "files", "bytes")
    return AssetRef("dataset", dataset.name, id=dataset.pk, data=data)


def _data(record: Any, *fields: str) -> dict[str, Any]:
    """Return an asset's columns over its details, and its path in containers."""
    inside = inside_of(record.host.facts, record.path)
    return {**record.details, "mount_path": inside, **_columns(record, *fields)}


def _columns(record: Any, *fields: str) -> dict[str, Any]:
    return {"id": record.pk, **{field: getattr(record, field) for field in fields}}


def _details(details: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return details of a deployment, with its id filled in."""
    return {
        name: value.replace("{deployment.id}", str(number)) if isinstance(value, str) else value
        for name, value in details.items()
    }


def _refs(
    refs: Iterable[AssetRef], promised: list[AssetRef], asset_type: str
) -> tuple[AssetRef, ...]:
    return (*refs, *(ref for ref in promised if ref.type == asset_type))


def _promises(host: Host) -> list[AssetRef]:
    """Return future products of active jobs, newest first."""
    jobs = Job.objects.filter(host=host, state__in=Job.OPEN_STATES, product__isnull=False)
    # Without plans: ten thousand take a hundred megabytes, and each launch reads them.
    rows = jobs.values_list("product", "title", "pk", "params__port", "plan__address")
    return [
        promise(product, title, host, job=pk, port=port, address=address)
        for product, title, pk, port, address in rows
        if product
    ]


def promise(
    product: Mapping[str, Any],
    title: str,
    host: Host,
    *,
    job: int,
    port: int | None = None,
    address: str | None = None,
) -> AssetRef:
    """Return a job's future product as a choice. ``job`` may be an unused number.

    ``port``: the server's requested port, not guaranteed. ``address``: its only listen address, as
    ``Plan.address``.
    """
    asked: dict[str, Any] = {"asked_port": port} if port else {}
    if address:
        asked["asked_address"] = address
    return AssetRef(str(product["type"]), title, job=job, data=_promised(product, host) | asked)


def _promised(made: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Return a future product, flattened like its record."""
    product = dict(made)
    inside = {}
    if product.get("path"):
        inside = {"mount_path": inside_of(host.facts, str(product["path"]))}
    return {**(product.pop("details", None) or {}), **inside, **product}
