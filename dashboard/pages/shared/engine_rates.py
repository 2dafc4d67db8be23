"""Current rates of deployments from their engines: output rate, requests, KV cache."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from jobs.models import Deployment
from jobs.queries.jobs.progress import Sample, served_samples
from jobs.tools.lib import engine_counters

MINUTES = 30
BIN_S = 30.0
NOW_S = 10.0  # window of the current rate: shorter windows show single requests as spikes
# An idle engine reports every 30 s: see jobs.host.run.scraper.
STALE_S = 75.0


class Rates(NamedTuple):
    """Rates of one engine; None: not reported. ``output``: tokens/s; ``history``: of half an hour,
    oldest first; ``kv_cache``: per cent; ``heard``: time of the last report."""

    output: float | None
    running: float | None
    waiting: float | None
    kv_cache: float | None
    history: tuple[float | None, ...]
    heard: datetime
    is_stale: bool


def rates(deployments: Iterable[Deployment], *, at: float | None = None) -> dict[int, Rates]:
    """Return the rates of deployments with reports in the last half hour. ``at``: now, in s."""
    moment = time.time() if at is None else at
    skews = {deployment.pk: deployment.host.clock_skew_s for deployment in deployments}
    since = datetime.fromtimestamp(moment, tz=UTC) - timedelta(minutes=MINUTES)
    samples_by_server = served_samples(list(skews), since) if skews else {}
    return {
        pk: _rates([(t - skews[pk], values) for t, values in samples], moment)
        for pk, samples in samples_by_server.items()
    }


def _rates(samples: Sequence[Sample], moment: float) -> Rates:
    heard, last = samples[-1]
    is_stale = moment - heard > STALE_S
    grown = _grown(samples)
    kv_cache = engine_counters.kv_cache(last)
    now = _rate(grown, heard - NOW_S, heard)
    first_bin = moment - MINUTES * 60
    bins = [first_bin + number * BIN_S for number in range(round(MINUTES * 60 / BIN_S))]
    history = [_rate(grown, start, start + BIN_S) for start in bins]
    return Rates(
        output=None if is_stale else now,
        running=None if is_stale else engine_counters.running(last),
        waiting=None if is_stale else engine_counters.waiting(last),
        kv_cache=None if is_stale or kv_cache is None else 100 * kv_cache,
        history=(*history[:-1], history[-1] if is_stale else now),
        heard=datetime.fromtimestamp(heard, tz=UTC),
        is_stale=is_stale,
    )


def _grown(samples: Sequence[Sample]) -> list[tuple[float, float, float]]:
    """Return ``(from, to, tokens)`` between samples; a restarted server counts from zero."""
    grown = []
    before: tuple[float, float] | None = None
    for at, values in samples:
        total = engine_counters.output_tokens(values)
        if total is None:
            continue
        if before is not None and at > before[0] and at - before[0] <= STALE_S:
            more = total - before[1]
            # Decode calls times busy slots: rounded factors, so the product may decrease slightly.
            is_new = more < -0.001 * before[1]
            grown.append((before[0], at, max(0.0, total if is_new else more)))
        before = (at, total)
    return grown


def _rate(grown: Sequence[tuple[float, float, float]], start: float, end: float) -> float | None:
    """Return tokens/s from ``start`` to ``end``; None without data in that time."""
    tokens, known = 0.0, 0.0
    for since, until, more in grown:
        overlap = min(until, end) - max(since, start)
        if overlap > 0:
            tokens += more * overlap / (until - since)
            known += overlap
    return tokens / known if known else None
