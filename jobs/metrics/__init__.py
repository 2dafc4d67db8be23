"""Metrics of results: name, unit, better direction.
Here: a metric is a line in one of these files.
Not here: parsing (`tools`), how a number is written (`dashboard.text`).
"""

from __future__ import annotations

from jobs.metrics.base import Metric
from jobs.metrics.counts import COUNTS
from jobs.metrics.energy import ENERGY
from jobs.metrics.engine import ENGINE
from jobs.metrics.latency import LATENCY
from jobs.metrics.quality import QUALITY
from jobs.metrics.speculation import SPECULATION
from jobs.metrics.speed import SPEED
from jobs.metrics.tokens import TOKENS

METRICS: dict[str, Metric] = {
    metric.name: metric
    for family in (SPEED, LATENCY, QUALITY, TOKENS, COUNTS, SPECULATION, ENGINE, ENERGY)
    for metric in family
}

__all__ = ["METRICS", "Metric"]
