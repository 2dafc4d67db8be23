"""Assets on a host that make a job of a pipeline unnecessary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs.catalog import STACKS, ZooModel
from jobs.kinds.lib.base import AssetRef, Target
from jobs.tools.vacc import images as vacc_images
from jobs.tools.vacc.site import vacc_site_of

Finder = Callable[[Target], AssetRef | None]


def weights_of(model: ZooModel) -> Finder:
    """Return the model's weights."""

    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.weights if ref.data.get("model_id") == model.id)

    return find


def small_weights(model: ZooModel, format: str) -> Finder:
    """Return weights of a packaged model: original (""), or in another format."""

    def find(target: Target) -> AssetRef | None:
        own = (ref for ref in target.weights if ref.data.get("model_id") == model.id)
        return _first(ref for ref in own if (ref.data.get("format") or "") == format)

    return find


def modified_weights(model: ZooModel) -> Finder:
    """Return the model's weights if the VACC patch is applied."""

    def find(target: Target) -> AssetRef | None:
        ref = weights_of(model)(target)
        return ref if ref is not None and ref.data.get("modification") else None

    return find


def environment(name: str) -> Finder:
    """Return the environment of a tool."""

    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.environments if ref.data.get("name") == name)

    return find


def image(stack: str) -> Finder:
    """Return the image of this stack; images of other stacks do not count."""

    def find(target: Target) -> AssetRef | None:
        try:
            name = vacc_images.reference(STACKS[stack], vacc_site_of(target.facts))
        except (KeyError, ValueError):  # no folders or no registry: the form shows the error
            return None
        return _first(ref for ref in target.environments if ref.data.get("path") == name)

    return find


def dataset(name: str) -> Finder:
    """Return a data set, by its name in ``jobs.tools.vacc.datasets``."""

    def find(target: Target) -> AssetRef | None:
        return _first(ref for ref in target.datasets if ref.data.get("name") == name)

    return find


def _first(refs: Any) -> AssetRef | None:
    ref: AssetRef | None = next(iter(refs), None)
    return ref
