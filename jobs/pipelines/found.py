"""What lies on a host already and makes a job of a way needless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs.catalog import STACKS, ZooModel
from jobs.kinds.lib.base import AssetRef, Target
from jobs.toolchains.vacc import vacc_images
from jobs.toolchains.vacc_site import vacc_site_of

Finder = Callable[[Target], AssetRef | None]


def weights_of(model: ZooModel) -> Finder:
    """The model's weights."""

    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.weights if ref.data.get("model_id") == model.id)

    return find


def small_weights(model: ZooModel, format: str) -> Finder:
    """Weights of a model that a package ships: as they came (""), or in another format."""

    def find(target: Target) -> AssetRef | None:
        own = (ref for ref in target.weights if ref.data.get("model_id") == model.id)
        return _first(ref for ref in own if (ref.data.get("format") or "") == format)

    return find


def modified_weights(model: ZooModel) -> Finder:
    """The model's weights, once the vendor's files lie beside them."""

    def find(target: Target) -> AssetRef | None:
        ref = weights_of(model)(target)
        return ref if ref is not None and ref.data.get("modification") else None

    return find


def environment(name: str) -> Finder:
    """The environment of a tool."""

    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.environments if ref.data.get("name") == name)

    return find


def image(stack: str) -> Finder:
    """The image of this very stack: another one's is no use."""

    def find(target: Target) -> AssetRef | None:
        try:
            name = vacc_images.reference(STACKS[stack], vacc_site_of(target.facts))
        except (KeyError, ValueError):  # no folders told yet, or no registry: the form says so
            return None
        return _first(ref for ref in target.environments if ref.data.get("path") == name)

    return find


def dataset(name: str) -> Finder:
    """A data set, by its name in ``jobs.toolchains.vacc.vacc_datasets``."""

    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.datasets if ref.data.get("name") == name)

    return find


def _first(refs: Any) -> AssetRef | None:
    found: AssetRef | None = next(iter(refs), None)
    return found
