"""A way: a chain of jobs that takes a model from its weights to a chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.catalog import ZooModel
from jobs.kinds.lib.base import AssetRef, Target
from jobs.pipelines.options import Options


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
    """A chain that can be launched for some models, on hosts with dies or on those without.

    ``options`` names what of :class:`Options` a person chooses.
    """

    id: str
    title: str
    suits: Callable[[ZooModel], bool]
    links: Callable[[ZooModel, str, Options], Sequence[Link]]  # of a model, with a stack
    needs_dies: bool = True
    options: tuple[str, ...] = ()
