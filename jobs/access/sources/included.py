"""Sources that the catalogue and its tools name: always permitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from jobs.access.sources.addresses import permits
from jobs.catalog import STACKS
from jobs.models import Source
from jobs.tools.lib.hub import HF_MIRROR
from jobs.tools.opencompass.environment import INDEX
from jobs.tools.vacc.datasets import CORE_URL, MATH_URL, SONNET_URL

_GUIDE = "guide"
# Suffixes of the vendor's tags for processors, see jobs.tools.vacc.images.
_VARIANTS = ("", "_noavx", "_arm")
_HUGGING_FACE = _("default of huggingface_hub")
_MODELSCOPE = _("default of modelscope")


@dataclass(frozen=True, slots=True)
class Included:
    """An included source. ``origin``: what names it.

    ``is_typed`` False: forms choose it by a name, so no field takes its address. An image has no
    registry: that of each host counts.
    """

    type: str
    address: str
    origin: str | Promise
    is_typed: bool = True


@cache
def included() -> tuple[Included, ...]:
    """Return all included sources, sorted by type; of each type in the order of the stacks."""
    guide = STACKS[_GUIDE].name
    return (
        *_repositories(),
        Included(Source.Type.INDEX, INDEX.rstrip("/"), _(guide)),
        Included(Source.Type.HUB, HF_MIRROR, _(guide)),
        Included(Source.Type.HUB, "https://huggingface.co", _HUGGING_FACE),
        Included(Source.Type.HUB, "https://www.modelscope.cn", _MODELSCOPE, is_typed=False),
        *_images(),
        Included(Source.Type.DATA, CORE_URL, _(guide), is_typed=False),
        Included(Source.Type.DATA, MATH_URL, _(guide), is_typed=False),
        Included(Source.Type.DATA, SONNET_URL, "vLLM 0.7.2", is_typed=False),
    )


def is_included(source_type: str, address: str, facts: Mapping[str, Any]) -> bool:
    """Return True if ``address`` is an included source for a host with ``facts``."""
    mine = [one for one in included() if one.type == source_type and one.is_typed]
    if source_type == Source.Type.IMAGE:
        registry = facts.get("registry")
        names = (f"{registry}/{one.address}{end}" for one in mine for end in _VARIANTS)
        return bool(registry) and address in names
    return any(permits(source_type, one.address, address) for one in mine)


def _repositories() -> Iterator[Included]:
    for stack in STACKS.values():
        image = stack.vllm.image
        named = [build.repository for build in image.build] if image else []
        for address in (*named, stack.evaluation.opencompass_repository):
            if address:
                yield Included(Source.Type.GIT, address, _(stack.name))


def _images() -> Iterator[Included]:
    for stack in STACKS.values():
        image = stack.vllm.image
        if image and image.in_registry:
            for tag in image.tags:
                origin = format_lazy(_("stack “{name}”"), name=_(stack.name))
                yield Included(Source.Type.IMAGE, f"{image.name}:{tag}", origin)
