"""Limits of the number of a point or of a cell, in words beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.models import Result
from jobs.queries.matrices import CellView


def point_marks(
    runs: Iterable[tuple[Result, Sequence[tuple[int, Mapping[str, Any]]]]],
) -> dict[int, tuple[str, ...]]:
    """Return what limits the number at each concurrency: other work, other load, failed requests.

    ``runs``: results with their points. A mean over runs has marks where each of its runs has one.
    """
    marks: dict[int, list[tuple[str, ...]]] = {}
    for result, points in runs:
        is_told = any(metrics.get("failed_requests") for _at, metrics in points)
        for at, metrics in points:
            failed = result.incomplete if not is_told else bool(metrics.get("failed_requests"))
            known = ((result.disturbed, _("disturbed")), (result.loaded, _("loaded host")))
            words = (word for has, word in (*known, (failed, _("failed requests"))) if has)
            marks.setdefault(at, []).append(tuple(words))
    return {
        at: tuple(dict.fromkeys(word for words in of_runs for word in words))
        for at, of_runs in marks.items()
        if all(of_runs)
    }


def cell_marks(cell: CellView) -> tuple[str, ...]:
    """Return what limits the number of a cell of a matrix."""
    runs = [(result, [(cell.concurrency, result.metrics)]) for result in cell.results]
    return point_marks(runs).get(cell.concurrency, ())
