"""Curve of a benchmark: a point per concurrency, over one or several runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from jobs.kinds.lib.common import holds_load
from jobs.metrics.measured import RequestRow, RequestTimes
from jobs.statistics import Interval, mean, mean_interval, quantile_interval, relative_difference

RATE = "output_tokens_per_s"
# The knee: a rate this close to the best is as good as the best. Runs of one measurement differ by
# a few per cent, and 5 % of throughput never pays for a doubled latency.
CLOSE = 0.05
# Three or more runs of both may show that a larger gap is noise, but only up to here.
CLOSE_IF_NOISE = 0.10
# Percentiles of a latency that tools report.
PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class CurvePoint:
    """Point of a curve: the metrics of each run at this concurrency.

    ``requests``: the completed requests of all runs, where the tool wrote them.
    """

    concurrency: int
    runs: Sequence[Mapping[str, float]]
    requests: Sequence[RequestRow] = ()

    @cached_property
    def times(self) -> Mapping[str, Sequence[float]]:
        """Return the rising times of the requests, by field; without fields that a request lacks.

        The charts and the intervals of a page share them: a point may have thousands.
        """
        columns = zip(RequestTimes._fields, zip(*self.requests, strict=True), strict=False)
        return {name: sorted(values) for name, values in columns if None not in values}

    @cached_property
    def quantiles(self) -> Mapping[str, Interval]:
        """Return 95 % intervals of latency percentiles over all requests, by metric."""
        found = {}
        for field, values in self.times.items():
            family, unit = field.split("_")
            for percentile in PERCENTILES:
                interval = quantile_interval(values, percentile / 100)
                if interval is not None:
                    found[f"{family}_p{percentile}_{unit}"] = interval
        return found

    def values(self, metric: str) -> list[float]:
        """Return the metric of each run that measured it."""
        return [float(run[metric]) for run in self.runs if run.get(metric) is not None]

    def mean(self, metric: str) -> float | None:
        """Return the mean over the runs; None: not measured."""
        values = self.values(metric)
        return mean(values) if values else None

    def interval(self, metric: str) -> Interval | None:
        """Return the interval of the mean of three or more runs, else of the percentile over the
        requests; None without either."""
        return mean_interval(self.values(metric)) or self.quantiles.get(metric)

    @property
    def rate(self) -> float:
        """Return the mean output rate; 0 where no request completed."""
        return self.mean(RATE) or 0.0

    @property
    def noise(self) -> float | None:
        """Return half the interval of the mean rate as a share of it; None under three runs."""
        interval = mean_interval(self.values(RATE))
        return (interval.high - interval.low) / 2 / interval.value if interval else None

    @property
    def completed(self) -> int:
        """Return the completed requests of all runs; 0: none, or not reported."""
        return int(sum(self.values("requests")))

    @property
    def failed(self) -> int:
        """Return the failed requests of all runs."""
        return int(sum(self.values("failed_requests")))

    @property
    def failed_share(self) -> float:
        """Return failed requests as a share of all sent ones."""
        sent = self.completed + self.failed
        return self.failed / sent if sent else 0.0

    @property
    def is_usable(self) -> bool:
        """Return True where the rate is that of the requested load."""
        return self.rate > 0 and holds_load(self.completed, self.failed)

    def is_as_good_as(self, best: CurvePoint) -> bool:
        """Return True where the rate is close to that of ``best``, or apart only by noise."""
        if self.rate >= (1 - CLOSE) * best.rate:
            return True
        gap = relative_difference(best.values(RATE), self.values(RATE))
        return (
            gap is not None and gap.includes_zero and self.rate >= (1 - CLOSE_IF_NOISE) * best.rate
        )


def curve(
    runs: Sequence[Sequence[tuple[int, Mapping[str, float]]]],
    requests: Mapping[int, Sequence[RequestRow]] | None = None,
) -> list[CurvePoint]:
    """Return the curve of several runs, each ``(concurrency, metrics)``, by concurrency.

    Points without a limit of the concurrency (0) have no place on it.
    """
    rows: dict[int, list[Mapping[str, float]]] = {}
    for run in runs:
        for concurrency, metrics in run:
            rows.setdefault(concurrency, []).append(metrics)
    return [
        CurvePoint(
            concurrency,
            rows[concurrency],
            (requests or {}).get(concurrency, ()),
        )
        for concurrency in sorted(rows)
        if concurrency > 0
    ]
