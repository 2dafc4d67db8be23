"""Requested matrix: workload, lengths, concurrency; its cells, limits and order of runs."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, STACKS
from jobs.catalog.presets import WORKLOADS, Concurrency
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target
from jobs.kinds.lib.load import has_chosen_length

# Fields of a kind's Params that a cell sets.
AXES = ("input_tokens", "output_tokens", "concurrency", "requests")
MOST_CELLS = 240
MOST_RUNS = 600
_Length = Annotated[int, Field(ge=1, le=1048576)]


@dataclass(frozen=True, slots=True)
class Limits:
    """Known limits before a cell runs; None: unknown, or no limit. ``max_input``, ``max_total``: of
    one request. ``max_concurrency``: of the engine. ``total_tokens``: of all concurrent requests.
    ``context``: of the model."""

    max_input: int | None = None
    max_total: int | None = None
    max_concurrency: int | None = None
    total_tokens: int | None = None
    context: int | None = None

    def skip(self, prompt: int | None, output: int, level: int) -> Message | None:
        if self.max_concurrency and level > self.max_concurrency:
            return Message("matrix:max_concurrency", {"most": self.max_concurrency})
        if prompt is None:  # the kind knows the lengths of its own prompts
            return None
        if self.max_input and prompt > self.max_input:
            return Message("matrix:max_input", {"most": self.max_input})
        total = prompt + output
        if self.context and total > self.context:
            return Message("matrix:context", {"asked": total, "most": self.context})
        if self.max_total and total > self.max_total:
            return Message("matrix:max_total", {"asked": total, "most": self.max_total})
        if self.total_tokens and level * total > self.total_tokens:
            args = {"concurrency": level, "asked": total, "most": self.total_tokens}
            return Message("matrix:total_tokens", args)
        return None


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. ``input_tokens`` None: the prompts have their own lengths. ``skip``: reason
    why it does not run."""

    row: int
    column: int
    input_tokens: int | None
    output_tokens: int
    concurrency: int
    skip: Message | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement of a cell. ``repeat`` counts from 1; 0 is a warm-up that does not count."""

    cell: Cell
    repeat: int


def cells_of(
    inputs: Sequence[int | None],
    outputs: Sequence[int],
    concurrency: Sequence[int],
    limits: Limits,
) -> tuple[Cell, ...]:
    """All combinations, row by row: a row has one pair of lengths, a column one concurrency."""
    pairs = [(prompt, output) for output in outputs for prompt in inputs]
    return tuple(
        Cell(row, column, prompt, output, level, limits.skip(prompt, output, level))
        for row, (prompt, output) in enumerate(pairs)
        for column, level in enumerate(concurrency)
    )


def runs_of(
    cells: Sequence[Cell],
    repeats: int,
    *,
    shuffled: bool = False,
    seed: int = 0,
    stops_early: bool = False,
    warm_up: bool = False,
) -> tuple[Run, ...]:
    """The runs of all cells without a skip, in the order of their start. Each repeat is a block
    with every cell once, so drift affects all cells alike. ``shuffled``: each block has its own
    order, from ``seed``. With ``stops_early`` whole rows are shuffled, and concurrency rises in
    each. ``warm_up``: the cell of the first run comes first, once more."""
    draw = random.Random(seed)  # noqa: S311 -- an order that can be repeated, no secret
    open_cells = [cell for cell in cells if cell.skip is None]
    if stops_early:
        open_cells.sort(key=lambda cell: (cell.row, cell.concurrency))
    runs: list[Run] = []
    for repeat in range(1, repeats + 1):
        block = list(open_cells)
        if shuffled and stops_early:
            rows = sorted({cell.row for cell in block})
            draw.shuffle(rows)
            block.sort(key=lambda cell: rows.index(cell.row))
        elif shuffled:
            draw.shuffle(block)
        runs += [Run(cell, repeat) for cell in block]
    return (*(Run(run.cell, 0) for run in runs[:1] if warm_up), *runs)


class MatrixSpec(BaseModel):
    """A matrix as requested. ``params``: values of the other fields of ``kind``, as in its form.
    ``warm_up``: the first run is done once before all others, and does not count. ``requests``
    counts per run; with ``requests_each`` it is multiplied by the concurrency."""

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

    def raw(self, cell: Cell) -> dict[str, Any]:
        """Values of the form of a cell's job, on an exclusive host by default."""
        own = {name: value for name, value in self.params.items() if name not in AXES}
        values: dict[str, Any] = {"exclusive": True, **own}
        if cell.input_tokens is not None:
            values["input_tokens"] = cell.input_tokens
        return values | {
            "output_tokens": cell.output_tokens,
            "concurrency": (cell.concurrency,),
            "requests": self.requests * (cell.concurrency if self.requests_each else 1),
        }

    def cells(self, target: Target) -> tuple[Cell, ...]:
        """All cells, with the reasons of those that cannot run on ``target``: limits of the
        deployment, its stack, its model and the workload."""
        try:
            served = target.asset("deployment", str(self.params.get("deployment", ""))).data
        except LaunchError:  # reported at the field
            served = {}
        published = WORKLOADS[self.workload].limits
        stack = STACKS.get(str(served.get("stack", "")))
        engine = str(served.get("engine") or served.get("toolchain") or "")
        model = MODELS.get(str(served.get("model_id", "")))
        inputs = [int(most) for most in (served.get("max_input"), published.max_input) if most]
        limits = Limits(
            max_input=min(inputs, default=None),
            max_total=int(served.get("max_total") or 0) or None,
            max_concurrency=stack.vllm.max_concurrency if stack and engine == "vllm" else None,
            total_tokens=published.total_tokens,
            context=model.context_tokens if model else None,
        )
        prompts = self.input_tokens if has_input(KINDS[self.kind], self.params) else (None,)
        return cells_of(prompts, self.output_tokens, self.concurrency, limits)

    def check(self) -> None:
        """Raise ``LaunchError``, at the field, for a matrix that cannot be planned."""
        if self.kind not in {kind.name for kind in kinds()}:
            raise LaunchError(_("This job type has no matrix. Choose another."), "kind")
        if self.workload not in WORKLOADS or WORKLOADS[self.workload].commands:
            raise LaunchError(_("Unknown workload. Choose one from the list."), "workload")
        has_prompts = has_input(KINDS[self.kind], self.params)
        if has_prompts and not self.input_tokens:
            raise LaunchError(_("Enter at least one prompt length."), "input_tokens")
        for name in AXES[:3]:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise LaunchError(_("Enter each value only once."), name)
        lengths = len(self.input_tokens) if has_prompts else 1
        cells = lengths * len(self.output_tokens) * len(self.concurrency)
        runs = cells * self.repeats
        if cells > MOST_CELLS:
            message = _("A matrix has at most %(most)d cells; requested: %(cells)d.")
            raise LaunchError(message % {"most": MOST_CELLS, "cells": cells}, "concurrency")
        if runs > MOST_RUNS:
            message = _("A matrix has at most %(most)d runs; requested: %(runs)d.")
            raise LaunchError(message % {"most": MOST_RUNS, "runs": runs}, "repeats")


def kinds() -> list[Kind]:
    needed = {"deployment", "output_tokens", "concurrency", "requests"}
    return [kind for kind in KINDS.values() if needed <= set(kind.Params.model_fields)]


def has_input(kind: Kind, params: Mapping[str, Any]) -> bool:
    """True if prompts of ``kind`` have a chosen length: not those of a fixed set. ``params``:
    values of other fields than defaults."""
    fields = kind.Params.model_fields
    names = [name for name in ("dataset", "prompts") if name in fields]
    values: dict[str, Any] = {n: params.get(n) or fields[n].default for n in names}
    return "input_tokens" in fields and has_chosen_length(values)
