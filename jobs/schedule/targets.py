"""Assets of hosts: registered by jobs, offered to kinds, filled into slots of plans."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

from django.db.models import F, QuerySet
from django.utils.timezone import now

from jobs import plans
from jobs.base import bounds, engine_addresses
from jobs.base.errors import ParseError
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef, LevelChoice, Target, asset_values
from jobs.models import Artifact, Dataset, Deployment, Endpoint, Environment, Host, Job, Weights
from jobs.plans import ENGINES, Plan
from jobs.queries.answers.own_questions import baselines
from jobs.queries.catalogue import team_prompts
from jobs.queries.hosts import holding_deployments, proposed_dies
from jobs.queries.results.levels import team_levels
from jobs.tools.vacc.site import inside_of

Record = Environment | Weights | Artifact | Dataset

# Type of a product -> model, fields that identify it, other required fields.
_TYPES: dict[str, tuple[type[Record], tuple[str, ...], tuple[str, ...]]] = {
    "environment": (Environment, ("name", "fingerprint"), ("path",)),
    "weights": (Weights, ("model_id", "path"), ("precision", "bytes", "sha256")),
    "artifact": (
        Artifact,
        ("path",),
        ("model_id", "toolchain", "precision", "label", "source_precision", "bytes", "sha256"),
    ),
    "dataset": (Dataset, ("name", "path"), ("files", "bytes")),
}
ARCHIVED = "archived"  # state of an endpoint that takes no jobs
_PORT_BY_HAND = 8080


class InputGone(Exception):
    """An input of a job is missing. ``args[0]`` is the slot's prefix."""


def check_product(product: Mapping[str, Any]) -> None:
    """Raise ``ParseError`` unless ``product`` can be registered. A product with ``amends`` adds
    details to a registered one and needs only the identifying fields."""
    kind = product["type"]
    if kind == "deployment":
        return  # its row is created with the job
    if kind not in _TYPES:
        raise ParseError(f"unknown product type {kind!r}")
    _, same, required = _TYPES[kind]
    wanted = same if product.get("amends") else (*same, *required)
    if missing := [name for name in wanted if product.get(name) in (None, "")]:
        raise ParseError(f"the {kind} has no {', '.join(missing)}")
    most = bounds.PRODUCT_TEXT_CHARS
    for name, value in product.items():
        if isinstance(value, str) and len(value) > most:
            raise ParseError(f"{name} of the {kind} has more than {most} characters")
    if len(json.dumps(product, default=str)) > bounds.PRODUCT_BYTES:
        raise ParseError(f"the {kind} has more than {bounds.PRODUCT_BYTES} bytes of facts")


def register(job: Job, product: Mapping[str, Any]) -> Record | None:
    """Return the row for a checked product. A recreated product replaces its earlier row. A
    deployment already has a row, which gets the new details. None: no row to amend."""
    if product["type"] == "deployment":
        if product.get("details"):
            Deployment.objects.filter(job=job).update(details=product["details"])
        return None
    model, same, required = _TYPES[product["type"]]
    if product.get("amends"):
        record = _same(job, product)
        if record is not None:
            record.details = {**record.details, **product.get("details", {})}
            record.save(update_fields=["details"])
        return record
    columns = [field.name for field in model._meta.get_fields()]
    optional = [name for name in ("versions", "details") if name in product and name in columns]
    record, _ = model._default_manager.update_or_create(
        host_id=job.host_id,
        **{name: product[name] for name in same},
        defaults={
            **{name: product[name] for name in (*required, *optional)},
            "job_id": job.pk,
            "created_at": now(),
        },
    )
    return record


def made_by(job_id: int, type: str) -> Record | None:
    """What ``job_id`` registered as ``type``; None without a record. When a later job recreated or
    changed the product, the record names that job."""
    if type not in _TYPES:
        return None
    if record := _TYPES[type][0]._default_manager.filter(job_id=job_id).first():
        return record
    job = Job.objects.filter(pk=job_id, state=Job.State.SUCCEEDED, product__type=type).first()
    return _same(job, job.product or {}) if job else None


def _same(job: Job, product: Mapping[str, Any]) -> Record | None:
    """The record on the job's host that ``product`` identifies."""
    model, same, _ = _TYPES[product["type"]]
    named = {name: product.get(name) for name in same}
    return model._default_manager.filter(host_id=job.host_id, **named).first()


def resolve(inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, AssetRef]:
    """Records of a job's ``inputs`` by key, fulfilled promises included. Raises ``InputGone``."""
    refs = {}
    for key, ref in inputs.items():
        record: Any = None
        to_ref: Callable[[Any], AssetRef] = asset_ref
        if ref.get("endpoint"):
            record, to_ref = Endpoint.objects.filter(pk=ref["endpoint"]).first(), endpoint_ref
        elif key in ENGINES:
            named = {"pk": ref["id"]} if ref.get("id") else {"job": ref["job"]}
            deployments = Deployment.objects.select_related("artifact", "host")
            record, to_ref = deployments.filter(**named).first(), deployment_ref
        elif key in _TYPES:
            made = None if ref.get("id") else made_by(ref["job"], key)
            record = _records(key).filter(pk=made.pk if made else ref.get("id", 0)).first()
        if record is None:
            raise InputGone(key)
        refs[key] = to_ref(record)
    return refs


def _records(type: str) -> QuerySet[Any]:
    if type == "artifact":
        return Artifact.objects.filter(deleted_at=None).select_related("host")
    return _TYPES[type][0]._default_manager.select_related("host")


# Of a deployment, what :func:`target_of` reads.
_SERVER_COLUMNS = (
    *("name", "model_id", "state", "wanted", "host_url", "details"),
    *("artifact", "artifact__label", "artifact__precision", "artifact__toolchain"),
    *("job", "job__state", "job__values"),
)


def target_of(host: Host) -> Target:
    """Return the snapshot of ``host`` for plans: newest assets first, then promises, then
    endpoints, which every host may call: those that answered their last check first."""
    jobs = Job.on([host], Job.OPEN_STATES).filter(product__isnull=False)
    # Without plans: ten thousand take a hundred megabytes, and each launch reads them.
    columns = ("created_at", "pk", "product", "title", "params__port", "plan__address")
    rows = sorted(jobs.values_list(*columns), key=itemgetter(0, 1), reverse=True)
    promised = [
        promise(product, title, host, job=pk, port=port, address=address)
        for _at, pk, product, title, port, address in rows
        if product
    ]

    def there(type: str) -> Iterator[AssetRef]:
        for record in _records(type).filter(host=host).select_related(None):
            record.host = host  # with a join, each would have a host of its own
            yield asset_ref(record)

    def refs(type: str, known: Iterable[AssetRef] | None = None) -> tuple[AssetRef, ...]:
        found = there(type) if known is None else known
        return (*found, *(ref for ref in promised if ref.type == type))

    holding = holding_deployments([host]).defer(None).select_related(None)
    holding = holding.select_related("artifact", "job").only(*_SERVER_COLUMNS)
    # The port requested by its job, 0 for any: known before the server listens.
    holding = holding.annotate(asked_port=F("job__params__port")).order_by("-created_at", "-pk")
    servers, serving = [], []
    for one in holding:
        ref = deployment_ref(one)
        servers.append(replace(ref, data={**ref.data, "asked_port": one.asked_port or 0}))
        has_started = one.job.state == Job.State.SUCCEEDED
        if has_started and one.wanted and one.state in Deployment.RUNNING_STATES:
            serving.append(servers[-1])
    reachable = Endpoint.objects.filter(archived_at=None).order_by("name")
    return Target(
        name=host.name,
        type=host.type,
        facts=host.facts,
        weights=refs("weights"),
        artifacts=refs("artifact"),
        deployments=(
            *refs("deployment", serving),
            *map(endpoint_ref, sorted(reachable, key=lambda one: not one.is_answering)),
        ),
        servers=refs("deployment", servers),
        environments=refs("environment"),
        datasets=refs("dataset"),
        prompts=team_prompts(),
        baselines=baselines,
        levels=_levels,
    )


def _levels() -> list[LevelChoice]:
    return [
        LevelChoice(key, str(one.name), one.limits, one.goodput)
        for key, one in team_levels().options()
    ]


def asset_ref(record: Record) -> AssetRef:
    """An asset as a choice: its columns over its details, and its path in containers."""
    match record:
        case Weights():
            label = f"{record.model_id} {record.precision}"
        case Artifact():
            label = f"{record.model_id} {record.label}"
        case Environment() | Dataset():
            label = record.name
    type = record._meta.model_name or ""
    _, same, required = _TYPES[type]
    columns = ("id", *same, *required, *(("versions",) if type == "environment" else ()))
    data = {
        **record.details,
        "mount_path": inside_of(record.host.facts, record.path),
        **{name: getattr(record, name) for name in columns},
    }
    return AssetRef(type, label, id=record.pk, data=data)


def deployment_ref(deployment: Deployment) -> AssetRef:
    """A deployment as a choice. ``url``: as seen by its own host. The artifact describes the model;
    deployments of plain weights carry the details."""
    artifact, number = deployment.artifact, str(deployment.pk)
    at = engine_addresses.parse(deployment.host_url)
    data = {
        **{"label": "", "precision": "", "toolchain": "", "path": ""},
        **{
            name: value.replace("{deployment.id}", number) if isinstance(value, str) else value
            for name, value in deployment.details.items()
        },
        **{name: getattr(deployment, name) for name in ("id", "name", "model_id", "state")},
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
    ``toolchain`` names the engine only if its counters can be read."""
    parts = urlsplit(endpoint.url)
    data = {
        "id": endpoint.pk,
        "name": endpoint.model,
        "model_id": endpoint.model_id,
        "state": ARCHIVED if endpoint.archived_at else Deployment.State.READY,
        "is_answering": endpoint.is_answering,
        "url": endpoint.url,
        "host": parts.hostname or "",
        "port": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "api_key": endpoint.api_key,
        "engine": endpoint.engine_name,
        "toolchain": endpoint.engine_name if endpoint.found.get("has_counters") else "",
        "device": endpoint.device,
        "max_total": endpoint.context,
        "thinking_switch": endpoint.thinking_switch,
        **{"label": "", "precision": "", "path": "", "stack": "", "dies": "", "artifact": None},
    }
    return AssetRef("deployment", endpoint.name, endpoint=endpoint.pk, data=data)


def promise(
    product: Mapping[str, Any],
    title: str,
    host: Host,
    *,
    job: int,
    port: int | None = None,
    address: str | None = None,
) -> AssetRef:
    """A job's future product as a choice, flattened like its record. ``port``: requested by the
    server, not guaranteed. ``address``: its only listen address (``Plan.address``)."""
    data = dict(product.get("details") or {})
    if product.get("path"):
        data["mount_path"] = inside_of(host.facts, str(product["path"]))
    data |= {name: value for name, value in product.items() if name != "details"}
    if port:
        data["asked_port"] = port
    if address:
        data["asked_address"] = address
    return AssetRef(str(product["type"]), title, job=job, data=data)


def slots_of(
    plan: Plan, refs: Mapping[str, AssetRef], host: Host, target: Target
) -> tuple[dict[str, str], dict[str, str]]:
    """Return (known, set at launch) slots of the plan; the latter with proposals, "" for none."""
    promised = {key: ref for key, ref in refs.items() if ref.is_promised}
    known = asset_values({key: ref for key, ref in refs.items() if not ref.is_promised})
    asked = [ref.data for ref in promised.values()]
    port = next((str(data["asked_port"]) for data in asked if data.get("asked_port")), "")
    address = next(
        (data["asked_address"] for data in asked if "asked_address" in data), "127.0.0.1"
    )
    number, roots = _next_number(Job), target.facts.get("roots", {})
    # Of a current or a launched server.
    launched = Job.objects.filter(host=host, state__in=Job.OPEN_STATES, plan__port=plan.port)
    is_taken = not plan.port or plan.port in ports.held(target.servers)
    is_taken = is_taken or launched.filter(product__type="deployment").exists()
    proposed = {
        "job": number,
        "port": "" if is_taken else str(plan.port),
        "dies": ",".join(proposed_dies(host, plan.dies)),
        "job_dir": f"{roots['spool']}/{number}" if "spool" in roots else "",
        "deployment.id": _next_number(Deployment),
        "deployment.url": f"http://{address}:{port}" if port else "",
        "deployment.host": address,
        "deployment.port": port,
        **asset_values(promised),
    }
    names = plans.slots(plan)
    return (
        {name: known[name] for name in names if name in known},
        {name: proposed.get(name, "") for name in names if name not in known},
    )


def by_hand(target: Target) -> dict[str, str]:
    """Defaults of unknown slots for a script run by hand."""
    port = str(ports.next_free(_PORT_BY_HAND, ports.held(target.servers)))
    return {"port": port, "deployment.url": f"http://127.0.0.1:{port}", "deployment.port": port}


def _next_number(model: type[Job | Deployment]) -> str:
    """The likely id of the next record."""
    last = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    return str((last or 0) + 1)
