"""Texts of one point of a benchmark: numbers with intervals, command, environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.pages.shared.provenance import part_text, part_title
from dashboard.text.labels import metric_label, metric_text
from jobs.models import Result
from jobs.plans import step_script
from jobs.queries.results.points import PointPage
from jobs.statistics import Interval

_SHOWN = (
    *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    *("ttft_p50_ms", "ttft_p90_ms", "ttft_p99_ms", "tpot_p50_ms", "tpot_p90_ms", "tpot_p99_ms"),
    *("itl_p50_ms", "itl_p99_ms", "latency_p50_s", "latency_p99_s"),
    *("batch_latency_mean_s", "energy_per_token_j", "requests", "failed_requests"),
)
_GROUPS = ("measurement", "model", "engine", "host")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class PointRow:
    """Metric of a point: value of this run, mean over the runs, 95 % interval; "" without one."""

    label: str
    own: str
    mean: str
    interval: str


def point_rows(page: PointPage) -> list[PointRow]:
    """Return the measured metrics. With one run, a percentile has the interval of its requests."""
    return [
        PointRow(
            metric_label(name),
            _text(name, own),
            _text(name, page.all_runs.mean(name)) if len(page.all_runs.runs) > 1 else "",
            _bounds(name, page.all_runs.interval(name)),
        )
        for name in _SHOWN
        if (own := page.own.mean(name)) is not None
    ]


def point_command(page: PointPage) -> str:
    """Return the command of the point as bash; "" when the plan cannot be read."""
    if page.step is None or page.result.job is None:
        return ""
    return step_script(page.step, page.result.job.values or {})


def environment_rows(result: Result) -> Sequence[tuple[str, str | None]]:
    """Return tool, model, engine and host of the identity as (title, value); None: unknown."""
    parts = result.identity.get("parts") or {}
    return [
        (part_title(name), None if value is None else _short(name, part_text(name, value)))
        for group in _GROUPS
        for name, value in parts.get(group, {}).items()
    ]


def _short(name: str, text: str) -> str:
    if name.endswith("sha256"):
        return text[:12]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _text(name: str, value: float | None) -> str:
    return "" if value is None else " ".join(filter(None, metric_text(name, value)))


def _bounds(name: str, interval: Interval | None) -> str:
    if interval is None:
        return ""
    low, high = (metric_text(name, bound)[0] for bound in (interval.low, interval.high))
    return f"[{low}, {high}]"
