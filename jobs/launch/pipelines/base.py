"""Pipeline: a chain of jobs from a model's weights to a chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.catalog import ZooModel
from jobs.kinds.lib.base import AssetRef, Target
from jobs.launch.pipelines.options import Options


@dataclass(frozen=True, slots=True)
class PipelineJob:
    """One job of a pipeline. A value ``@NAME`` is the product or existing asset of that job.

    ``there`` finds an asset that makes the job unnecessary. ``after`` names further jobs that come
    first: of a measurement the end is enough, any other must succeed.
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)
    there: Callable[[Target], AssetRef | None] | None = None
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Chain for some models, on hosts with or without dies.

    ``options`` names the fields of :class:`Options` that a person can set.
    """

    id: str
    title: str
    suits: Callable[[ZooModel], bool]
    jobs: Callable[[ZooModel, str, Options], Sequence[PipelineJob]]  # of a model, with a stack
    needs_dies: bool = True
    options: tuple[str, ...] = ()
