"""Points scraped during a job or a deployment's server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from jobs.models import PointBlock, ServedBlock

# Blocks before the cursor to reread, so that windowed rates are complete.
_CONTEXT_BLOCKS = 12
_AT_ONCE = 20  # blocks in memory
ROWS_MAX = 20_000  # of one watch: four times what a chart draws

Sample: TypeAlias = tuple[float, dict[str, float]]
Rows: TypeAlias = list[list[object]]


@dataclass(frozen=True, slots=True)
class Samples:
    """``(seconds since the epoch, {metric: value})`` of one watch, oldest first.

    ``context`` lies before the cursor, ``fresh`` after it.
    """

    context: Sequence[Sample] = ()
    fresh: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class News:
    """Samples by watch. ``after``: next cursor, the offset of the last read block, or the old
    cursor without new blocks.
    """

    after: int
    samples: Mapping[str, Samples]

    def of(self, watch: str) -> Samples:
        return self.samples.get(watch, Samples())


def samples_after(job_id: int, after: int, watches: Sequence[str]) -> News:
    """Return samples of ``watches`` after the block at offset ``after`` (bytes; -1: all)."""
    blocks = PointBlock.objects.filter(job=job_id, watch__in=watches)
    fresh: dict[str, _Thinned] = {}
    newer = blocks.filter(offset__gt=after).order_by("offset", "id")
    after_now = after
    triples = newer.values_list("offset", "watch", "rows")
    for offset, watch, rows in triples.iterator(chunk_size=_AT_ONCE):
        fresh.setdefault(watch, _Thinned()).add(rows)
        after_now = offset
    samples = {}
    for watch, thinned in fresh.items():
        before = blocks.filter(watch=watch, offset__lte=after).order_by("-offset", "-id")
        context = before.values_list("rows", flat=True)[:_CONTEXT_BLOCKS] if after >= 0 else ()
        samples[watch] = Samples(_flat(list(context)), _flat([thinned.rows()]))
    return News(after_now, samples)


class _Thinned:
    """Rows of one watch, evenly thinned to at most ``ROWS_MAX``; the last one is always kept.

    A job's live metrics may have 100 MB: only what a chart can show stays in memory. A short peak
    of a run that was scraped more often than that may be left out.
    """

    def __init__(self) -> None:
        self._kept: Rows = []
        self._every, self._count = 1, 0
        self._last: list[object] = []

    def add(self, rows: Rows) -> None:
        for row in rows:
            if self._count % self._every == 0:
                self._kept.append(row)
            self._count += 1
            if len(self._kept) > ROWS_MAX:
                self._kept = self._kept[::2]
                self._every *= 2
        self._last = rows[-1] if rows else self._last

    def rows(self) -> Rows:
        is_kept = not self._last or (self._kept and self._kept[-1] is self._last)
        return self._kept if is_kept else [*self._kept, self._last]


def all_samples(job_id: int, watch: str) -> list[Sample]:
    """Every sample of one watch, by the host's clock, oldest first."""
    blocks = PointBlock.objects.filter(job=job_id, watch=watch).order_by("offset", "id")
    return _flat(list(blocks.values_list("rows", flat=True)))


def has_points(job_id: int, watches: Sequence[str]) -> bool:
    return PointBlock.objects.filter(job=job_id, watch__in=watches).exists()


def served_samples(deployment_ids: Sequence[int], since: datetime) -> dict[int, list[Sample]]:
    """Return server samples since then, per deployment with points; in one query."""
    blocks = ServedBlock.objects.filter(deployment__in=deployment_ids, until__gte=since)
    by_deployment: dict[int, list[Rows]] = {}
    for deployment_id, rows in blocks.order_by("until", "id").values_list("deployment_id", "rows"):
        by_deployment.setdefault(deployment_id, []).append(rows)
    return {deployment_id: _flat(blocks) for deployment_id, blocks in by_deployment.items()}


def _flat(blocks: list[Rows]) -> list[Sample]:
    rows = [(float(row[0]), dict(row[1])) for rows in blocks for row in rows]  # type: ignore[arg-type, call-overload]
    return sorted(rows, key=lambda row: row[0])
