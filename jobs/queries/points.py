"""Points: what was scraped while a job or a deployment's server ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from jobs.models import PointBlock, ServedBlock

# Blocks before the cursor that are read again, so that a rate over a window has its beginning.
_CONTEXT_BLOCKS = 12

Sample: TypeAlias = tuple[float, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Samples:
    """``(seconds since the epoch, {metric: value})``, oldest first.

    ``context`` lies before the cursor, ``fresh`` after it. ``after`` is the next cursor: the
    offset of the last block that was read, or the old cursor when there was none.
    """

    context: list[Sample]
    fresh: list[Sample]
    after: int


def samples_after(job_id: int, after: int) -> Samples:
    """What arrived behind the block at offset ``after`` (bytes; -1: everything)."""
    blocks = PointBlock.objects.filter(job=job_id)
    fresh = list(
        blocks.filter(offset__gt=after).order_by("offset", "id").values_list("offset", "rows")
    )
    if not fresh:
        return Samples([], [], after)
    context: list[list[list[object]]] = []
    if after >= 0:
        before = blocks.filter(offset__lte=after).order_by("-offset", "-id")
        context = [rows for (rows,) in before.values_list("rows")[:_CONTEXT_BLOCKS]]
    return Samples(
        _flat(context), _flat([rows for _, rows in fresh]), max(offset for offset, _ in fresh)
    )


def has_points(job_id: int) -> bool:
    """True when anything was scraped."""
    return PointBlock.objects.filter(job=job_id).exists()


def served_samples(deployment_ids: Sequence[int], since: datetime) -> dict[int, list[Sample]]:
    """What servers told since then, for each deployment that told anything; in one query."""
    blocks = ServedBlock.objects.filter(deployment__in=deployment_ids, until__gte=since)
    found: dict[int, list[list[list[object]]]] = {}
    for deployment_id, rows in blocks.order_by("until", "id").values_list("deployment_id", "rows"):
        found.setdefault(deployment_id, []).append(rows)
    return {deployment_id: _flat(blocks) for deployment_id, blocks in found.items()}


def _flat(blocks: list[list[list[object]]]) -> list[Sample]:
    rows = [(float(row[0]), dict(row[1])) for rows in blocks for row in rows]  # type: ignore[arg-type, call-overload]
    return sorted(rows, key=lambda row: row[0])
