"""The whole way of a model on a host, as one chain: from its weights to a chat.

All jobs are rows from the first moment. What lies on the host already is used, not made again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from jobs.catalog import MODELS, STACKS, ZooModel
from jobs.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.base import AssetRef, Target
from jobs.launch import Preview, launch, preview
from jobs.models import Host, Job
from jobs.plans import Plan, Step
from jobs.queries.targets import promise, target_of
from jobs.services import lifecycle
from jobs.toolchains import vacc_images
from jobs.toolchains.environments import VLLM_CPU
from jobs.toolchains.vacc_site import vacc_site_of
from jobs.toolchains.vllm_cpu import FORMAT

# Checks of what is so on the machine, whatever a chain of jobs makes there.
_MACHINE = frozenset({"avx512", "dies", "disk", "docker", "iommu", "shm", "tool"})


@dataclass(frozen=True, slots=True)
class Link:
    """One job of a way. A value ``@NAME`` is what the link of that name makes or has.

    ``there`` finds what makes the job needless. ``after`` names links that it waits for, beside
    those that it uses.
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    there: Callable[[Target], AssetRef | None] | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """A chain that can be launched for some models, on hosts with dies or on those without."""

    id: str
    title: str
    suits: Callable[[ZooModel], bool]
    links: Callable[[ZooModel, str], Sequence[Link]]  # of a model, with a stack
    needs_dies: bool = True


@dataclass(frozen=True, slots=True)
class Stage:
    """A link on one host: ``there`` is what needs no job."""

    link: Link
    there: AssetRef | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A stage as it would be launched now, and the host as its job will find it."""

    stage: Stage
    target: Target
    seen: Preview | None  # None: it needs no job


def stages(way: Way, model: ZooModel, host: Host, stack: str) -> list[Stage]:
    """What launching the way would do on ``host``, in order."""
    target = target_of(host)
    return [
        Stage(link, link.there(target) if link.there else None) for link in way.links(model, stack)
    ]


def drafts(way: Way, model: ZooModel, host: Host, stack: str) -> list[Draft]:
    """The plan of each stage, made as :func:`launch_way` would make it. Changes nothing.

    After a stage that cannot be planned, those that use what it makes cannot either.
    """
    target, keys, found = target_of(host), dict[str, str](), list[Draft]()
    for number, stage in enumerate(stages(way, model, host, stack), 1):
        link = stage.link
        if stage.there is not None:
            keys[link.name] = stage.there.key
            found.append(Draft(stage, target, None))
            continue
        seen = preview(link.kind, _raw(link, keys, stack), host, target)
        found.append(Draft(stage, target, seen))
        kind = KINDS[link.kind]
        keys[link.name] = f"job:-{number}"
        product = kind.product(seen.params, target) if seen.plan else None
        if product is not None:
            title = kind.title_of(seen.params, target)
            target = _with(target, promise(product, title, host, job=-number))
    return found


def look_of(way: Way, planned: Sequence[Draft]) -> tuple[Plan, dict[str, str]] | None:
    """One look at the host for a whole chain, and the slots it knows; None: nothing to look for.

    It looks for what no job of the chain can change, and for what a person may go on against.
    """
    plans = [draft.seen.plan for draft in planned if draft.seen and draft.seen.plan]
    checks = [check for plan in plans for check in plan.checks]
    wanted = dict.fromkeys(check for check in checks if check.asks or check.name in _MACHINE)
    if not wanted:
        return None
    dies = max((draft.seen.open_slots.get("dies", "") for draft in planned if draft.seen), key=len)
    look = Plan(kind=way.id, steps=(Step("look", ("true",)),), checks=tuple(wanted))
    return look, {"dies": dies} if dies else {}


def _with(target: Target, ref: AssetRef) -> Target:
    """The host once ``ref`` is made."""
    field = ref.type if ref.type == "weights" else f"{ref.type}s"
    fields: dict[str, Any] = {field: (*getattr(target, field), ref)}
    return replace(target, **fields)


def ways_of(model: ZooModel) -> list[Way]:
    """The ways that the model can go."""
    return [way for way in WAYS.values() if way.suits(model)]


def launch_way(
    way_id: str,
    model_id: str,
    *,
    host: Host,
    stack: str,
    user: AbstractBaseUser | None,
    confirmed: Sequence[Mapping[str, Any]] = (),
) -> list[Job]:
    """Launch every job of the way, as one chain. ``confirmed``: see :func:`jobs.launch.launch`.

    Raises:
        LaunchError: there is no such way or model, or one of its jobs cannot be launched: none is.
    """
    way, model = WAYS.get(way_id), MODELS.get(model_id)
    if way is None or model is None or not way.suits(model):
        raise LaunchError(_("This model has no such way."), "way")
    chain, made, keys = uuid.uuid4(), dict[str, Job](), dict[str, str]()
    with transaction.atomic():
        host = lifecycle.lock_host(host.pk)
        for stage in stages(way, model, host, stack):
            link = stage.link
            if stage.there is not None:
                keys[link.name] = stage.there.key
                continue
            made[link.name] = launch(
                link.kind,
                _raw(link, keys, stack),
                host=host,
                user=user,
                chain=chain,
                after=[made[name] for name in link.after if name in made],
                confirmed=confirmed,
            )
            keys[link.name] = f"job:{made[link.name].pk}"
    return list(made.values())


def _raw(link: Link, keys: Mapping[str, str], stack: str) -> dict[str, Any]:
    """The link's Params; ``keys``: link -> what it makes or has."""
    raw = {
        name: keys[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for name, value in link.params.items()
    }
    return {"stack": stack, **raw} if "stack" in KINDS[link.kind].Params.model_fields else raw


def _weights_of(model: ZooModel) -> Callable[[Target], AssetRef | None]:
    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.weights if ref.data.get("model_id") == model.id)

    return find


def _small_weights(model: ZooModel, format: str) -> Callable[[Target], AssetRef | None]:
    """Weights of a model that a package ships: as they came (""), or in another format."""

    def find(target: Target) -> AssetRef | None:
        own = (ref for ref in target.weights if ref.data.get("model_id") == model.id)
        return _first(ref for ref in own if (ref.data.get("format") or "") == format)

    return find


def _modified_weights(model: ZooModel) -> Callable[[Target], AssetRef | None]:
    def find(target: Target) -> AssetRef | None:
        ref = _weights_of(model)(target)
        return ref if ref is not None and ref.data.get("modification") else None

    return find


def _environment(name: str) -> Callable[[Target], AssetRef | None]:
    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.environments if ref.data.get("name") == name)

    return find


def _image(stack: str) -> Callable[[Target], AssetRef | None]:
    """The image of this very stack: another one's is no use."""

    def find(target: Target) -> AssetRef | None:
        try:
            name = vacc_images.reference(STACKS[stack], vacc_site_of(target.facts))
        except (KeyError, ValueError):  # no folders told yet, or no registry: the form says so
            return None
        return _first(ref for ref in target.environments if ref.data.get("path") == name)

    return find


def _dataset(name: str) -> Callable[[Target], AssetRef | None]:
    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.datasets if ref.data.get("name") == name)

    return find


def _is_large(model: ZooModel) -> bool:
    """Served by vLLM over the dies of cards: not the small one that a package ships."""
    return "vllm" in model.paths and model.package is None


def _is_small(model: ZooModel) -> bool:
    """Served by vLLM on a processor, from weights that a package ships."""
    return "vllm" in model.paths and model.package is not None


def _first(refs: Any) -> AssetRef | None:
    found: AssetRef | None = next(iter(refs), None)
    return found


def _build_in(model: ZooModel, stack: str) -> Sequence[Link]:
    """Weights, modification, calibration data, compile int8, deploy, measure, ask."""
    links = [
        Link("weights", "prepare-weights", {"model": model.id}, _weights_of(model)),
        Link("dataset", "prepare-datasets", {"dataset": "c4"}, _dataset("c4")),
    ]
    if model.modification:
        links.append(
            Link(
                "modification",
                "apply-modification",
                {"weights": "@weights"},
                _modified_weights(model),
            )
        )
    return [
        *links,
        Link(
            "artifact",
            "compile-vacc",
            {"weights": "@weights", "precision": "int8", "calibration": "@dataset"},
            after=("modification",),
        ),
        Link("deployment", "deploy-build-in", {"artifact": "@artifact"}),
        Link("benchmark", "benchmark", {"deployment": "@deployment"}),
        # After the benchmark, for two loads on one server would measure each other.
        Link("evaluation", "evaluate", {"deployment": "@deployment"}, after=("benchmark",)),
    ]


def _pytorch(model: ZooModel, stack: str) -> Sequence[Link]:
    """Image, weights, both offline benchmarks, and only then the server, for they want its dies."""
    return [
        Link("image", "build-images", there=_image(stack)),
        Link("weights", "prepare-weights", {"model": model.id}, _weights_of(model)),
        Link("throughput", "benchmark-throughput", {"weights": "@weights"}, after=("image",)),
        Link("latency", "benchmark-latency", {"weights": "@weights"}, after=("throughput",)),
        Link(
            "deployment",
            "deploy-vllm",
            {"weights": "@weights", "port": 0},  # 8000 may be another deployment's
            after=("image", "latency"),
        ),
        Link("online", "benchmark-online", {"deployment": "@deployment"}),
        *(_opencompass() if STACKS[stack].evaluation.opencompass else _own_questions()),
    ]


def _vllm_cpu(model: ZooModel, stack: str) -> Sequence[Link]:
    """What a VACC host does with vLLM, on a processor and without a container."""
    environment = {"what": "environment", "environment": VLLM_CPU}
    unpacked = _small_weights(model, FORMAT)
    return [
        Link("environment", "prepare", environment, _environment(VLLM_CPU)),
        Link("file", "prepare", {"what": "weights", "model": model.id}, _small_weights(model, "")),
        Link("weights", "convert-weights", {"weights": "@file"}, unpacked, after=("environment",)),
        Link("throughput", "benchmark-throughput", {"weights": "@weights"}),
        # One after the other, for they would measure each other.
        Link("latency", "benchmark-latency", {"weights": "@weights"}, after=("throughput",)),
        Link("deployment", "deploy-vllm", {"weights": "@weights"}, after=("latency",)),
        Link("online", "benchmark-online", {"deployment": "@deployment", "concurrency": (1, 4)}),
    ]


def _opencompass() -> Sequence[Link]:
    """The guide's evaluation, its tool and its data."""
    return (
        Link("opencompass", "prepare-opencompass", there=_environment("opencompass")),
        Link(
            "dataset",
            "prepare-datasets",
            {"dataset": "opencompass"},
            _dataset("opencompass"),
            after=("opencompass",),  # it is unpacked in the checkout, as the guide has it
        ),
        Link(
            "evaluation",
            "evaluate-opencompass",
            {"deployment": "@deployment"},
            after=("online", "opencompass", "dataset"),
        ),
    )


def _own_questions() -> Sequence[Link]:
    """The questions that ship with the project: they need no hub."""
    return (Link("evaluation", "evaluate", {"deployment": "@deployment"}, after=("online",)),)


WAYS: dict[str, Way] = {
    way.id: way
    for way in (
        Way("build-in", "Build_In", lambda model: "build_in" in model.paths, _build_in),
        Way("pytorch", "PyTorch", _is_large, _pytorch),
        Way("vllm-cpu", "vLLM on this CPU", _is_small, _vllm_cpu, needs_dies=False),
    )
}
