"""Requested matrix: workload, lengths, concurrency, repeats, and other fields of its jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS
from jobs.catalog.workloads import WORKLOADS, Concurrency
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target
from jobs.kinds.lib.lengths import has_chosen_length
from jobs.launch.matrices.cells import Cell, Limits, cells_of

# Fields of a kind's Params that a cell sets.
AXES = ("input_tokens", "output_tokens", "concurrency", "requests")
MOST_CELLS = 240
MOST_RUNS = 600
_Length = Annotated[int, Field(ge=1, le=1048576)]


class MatrixSpec(BaseModel):
    """A matrix as requested. ``params``: values of the other fields of ``kind``, as in its form.

    ``warm_up``: the first run is done once before all others, and does not count.
    ``requests`` counts per run; with ``requests_each`` it is multiplied by the concurrency.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    workload: str = "own"
    params: dict[str, Any] = {}
    input_tokens: tuple[_Length, ...] = Field((), max_length=32)
    output_tokens: tuple[_Length, ...] = Field(min_length=1, max_length=32)
    concurrency: tuple[Concurrency, ...] = Field(min_length=1, max_length=32)
    requests: int = Field(4, ge=1, le=10000)
    requests_each: bool = True
    repeats: int = Field(1, ge=1, le=100)
    shuffled: bool = False
    warm_up: bool = False
    order_seed: int = Field(1, ge=0, le=2147483647)
    stops_early: bool = False

    def requests_at(self, concurrency: int) -> int:
        """Return the requests of a run at ``concurrency``."""
        return self.requests * concurrency if self.requests_each else self.requests

    def raw(self, cell: Cell) -> dict[str, Any]:
        """Return the values of the form of a cell's job, on an exclusive host by default."""
        own = {name: value for name, value in self.params.items() if name not in AXES}
        values: dict[str, Any] = {"exclusive": True, **own}
        if cell.input_tokens is not None:
            values["input_tokens"] = cell.input_tokens
        return values | {
            "output_tokens": cell.output_tokens,
            "concurrency": (cell.concurrency,),
            "requests": self.requests_at(cell.concurrency),
        }

    def has_input(self) -> bool:
        """True if prompts can have a chosen length."""
        return has_input(KINDS[self.kind], self.params)

    def cells(self, target: Target) -> tuple[Cell, ...]:
        """Return all cells with the reasons of those that cannot run on ``target``."""
        inputs: Sequence[int | None] = self.input_tokens if self.has_input() else (None,)
        return cells_of(inputs, self.output_tokens, self.concurrency, limits_of(self, target))


def check(spec: MatrixSpec) -> None:
    """Refuse a matrix that cannot be planned.

    Raises:
        LaunchError: at the field.
    """
    if spec.kind not in {kind.name for kind in kinds()}:
        raise LaunchError(_("This job type has no matrix. Choose another."), "kind")
    if spec.workload not in WORKLOADS or WORKLOADS[spec.workload].commands:
        raise LaunchError(_("Unknown workload. Choose one from the list."), "workload")
    if spec.has_input() and not spec.input_tokens:
        raise LaunchError(_("Enter at least one prompt length."), "input_tokens")
    for name in AXES[:3]:
        values = getattr(spec, name)
        if len(set(values)) < len(values):
            raise LaunchError(_("Enter each value only once."), name)
    lengths = len(spec.input_tokens) if spec.has_input() else 1
    cells = lengths * len(spec.output_tokens) * len(spec.concurrency)
    if cells > MOST_CELLS:
        message = _("A matrix has at most %(most)d cells; requested: %(cells)d.")
        raise LaunchError(message % {"most": MOST_CELLS, "cells": cells}, "concurrency")
    if cells * spec.repeats > MOST_RUNS:
        message = _("A matrix has at most %(most)d runs; requested: %(runs)d.")
        raise LaunchError(message % {"most": MOST_RUNS, "runs": cells * spec.repeats}, "repeats")


def kinds() -> list[Kind]:
    """Return the kinds that measure a deployment at chosen lengths and concurrency."""
    needed = {"deployment", "output_tokens", "concurrency", "requests"}
    return [kind for kind in KINDS.values() if needed <= set(kind.Params.model_fields)]


def has_input(kind: Kind, params: Mapping[str, Any]) -> bool:
    """True if prompts of ``kind`` have a chosen length: not those of a fixed set.

    ``params``: values of other fields than defaults.
    """
    fields = kind.Params.model_fields
    values: dict[str, Any] = {}
    for name in ("dataset", "prompts"):
        if name in fields:
            values[name] = params.get(name) or fields[name].default
    return "input_tokens" in fields and has_chosen_length(values)


def limits_of(spec: MatrixSpec, target: Target) -> Limits:
    """Return the limits of the deployment, its stack, its model and the workload."""
    try:
        served = target.asset("deployment", str(spec.params.get("deployment", ""))).data
    except LaunchError:  # reported at the field
        served = {}
    published = WORKLOADS[spec.workload].limits
    stack = STACKS.get(str(served.get("stack", "")))
    engine = str(served.get("engine") or served.get("toolchain") or "")
    model = MODELS.get(str(served.get("model_id", "")))
    return Limits(
        max_input=_least(served.get("max_input"), published.max_input),
        max_total=_least(served.get("max_total")),
        max_concurrency=stack.vllm.max_concurrency if stack and engine == "vllm" else None,
        total_tokens=published.total_tokens,
        context=model.context_tokens if model else None,
    )


def _least(*values: Any) -> int | None:
    known = [int(value) for value in values if value]
    return min(known) if known else None
