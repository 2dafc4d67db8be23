"""Export a matrix as CSV: one line per run, and one per skipped cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse

from dashboard.pages.shared.export import as_csv, fixed, unit_head
from dashboard.pages.shared.verdict import marks_of
from dashboard.text.messages import message
from jobs.queries.matrices import CellView, MatrixPage, RunView

_HEAD = (
    *("matrix", "input_tokens", "output_tokens", "concurrency", "repeat", "order"),
    *("last_job", "state", "reason"),
)


def matrix_csv(page: MatrixPage) -> HttpResponse:
    """Return every run with its state and cause, and of results the context and all metrics."""
    results = [run.result for run in page.runs if run.result is not None]
    marks = marks_of(results)
    facts = {result.pk: fixed(result, marks[result.pk]) for result in results}
    about = list(next(iter(facts.values()), ()))
    lines: list[Sequence[Any]] = [[*_HEAD, *about, *map(unit_head, page.metrics)]]
    for cell in page.cells:
        for run in cell.runs:
            lines.append([*_run(page, cell, run), *_result(run, facts, about, page.metrics)])
    response = as_csv(lines)
    name = f"matrix-{page.matrix.pk}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _run(page: MatrixPage, cell: CellView, run: RunView) -> list[Any]:
    return [
        page.matrix.pk,
        "" if cell.input_tokens is None else cell.input_tokens,
        cell.output_tokens,
        cell.concurrency,
        run.cell.repeat,
        run.cell.place + 1,
        run.job.pk if run.job is not None else "",
        *_state(run),
    ]


def _state(run: RunView) -> tuple[str, str]:
    if run.skip is not None:
        return "skipped", message(run.skip.id, run.skip.args)
    if run.job is None:
        return "", ""
    return run.job.state, message(run.job.message_id, run.job.message_args) if run.is_bad else ""


def _result(
    run: RunView,
    facts: Mapping[int, Mapping[str, Any]],
    about: Sequence[str],
    metrics: Sequence[str],
) -> list[Any]:
    if run.result is None:
        return [""] * (len(about) + len(metrics))
    own = facts[run.result.pk]
    return [*map(own.get, about), *(run.result.metrics.get(name, "") for name in metrics)]
