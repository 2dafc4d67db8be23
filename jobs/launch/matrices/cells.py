"""Cells of a matrix, their limits and their order. Pure: no clock, no database."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from jobs.base.messages import Message


@dataclass(frozen=True, slots=True)
class Limits:
    """Known limits before a cell runs; None: unknown, or no limit.

    ``max_input``, ``max_total``: of one request. ``max_concurrency``: of the engine.
    ``total_tokens``: of all concurrent requests. ``context``: of the model.
    """

    max_input: int | None = None
    max_total: int | None = None
    max_concurrency: int | None = None
    total_tokens: int | None = None
    context: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. ``input_tokens`` None: the prompts have their own lengths.

    ``skip``: reason why it does not run.
    """

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
    """Return all combinations, row by row: a row has one pair of lengths, a column one
    concurrency."""
    pairs = [(prompt, output) for output in outputs for prompt in inputs]
    return tuple(
        Cell(row, column, prompt, output, level, _skipped(prompt, output, level, limits))
        for row, (prompt, output) in enumerate(pairs)
        for column, level in enumerate(concurrency)
    )


def _skipped(prompt: int | None, output: int, level: int, limits: Limits) -> Message | None:
    if limits.max_concurrency and level > limits.max_concurrency:
        return Message("matrix:max_concurrency", {"most": limits.max_concurrency})
    if prompt is None:  # the kind knows the lengths of its own prompts
        return None
    if limits.max_input and prompt > limits.max_input:
        return Message("matrix:max_input", {"most": limits.max_input})
    total = prompt + output
    if limits.context and total > limits.context:
        return Message("matrix:context", {"asked": total, "most": limits.context})
    if limits.max_total and total > limits.max_total:
        return Message("matrix:max_total", {"asked": total, "most": limits.max_total})
    if limits.total_tokens and level * total > limits.total_tokens:
        args = {"concurrency": level, "asked": total, "most": limits.total_tokens}
        return Message("matrix:total_tokens", args)
    return None


def runs_of(
    cells: Sequence[Cell],
    repeats: int,
    *,
    shuffled: bool = False,
    seed: int = 0,
    stops_early: bool = False,
    warm_up: bool = False,
) -> tuple[Run, ...]:
    """Return the runs of all cells without a skip, in the order of their start.

    Each repeat is a block with every cell once, so drift affects all cells alike. ``shuffled``:
    each block has its own order, from ``seed``. With ``stops_early`` whole rows are shuffled, and
    concurrency rises in each. ``warm_up``: the cell of the first run comes first, once more.
    """
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
