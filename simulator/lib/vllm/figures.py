"""Figures of a serving benchmark, computed and printed in the forms of both generations."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.lib.client import Reply

NAMES = {
    "ttft": ("TTFT", "Time to First Token"),
    "tpot": ("TPOT", "Time per Output Token (excl. 1st token)"),
    "itl": ("ITL", "Inter-token Latency"),
    "e2el": ("E2EL", "End-to-end Latency"),
}


def percentile(values: Sequence[float], share: float) -> float:
    """numpy's own: linear between the two nearest; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    at = (len(ordered) - 1) * share / 100
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def mean(values: Sequence[float]) -> float:
    """0 for none."""
    return sum(values) / len(values) if values else 0.0


def deviation(values: Sequence[float]) -> float:
    """numpy's ``std``: over all of them."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values]))


@dataclass(frozen=True)
class Figures:
    """All that one run gave. ``seconds`` is its whole duration, ours."""

    replies: tuple[Reply, ...]
    prompt_tokens: int
    seconds: float
    goodput: tuple[tuple[str, float], ...] = ()  # (metric, ms)

    @property
    def good(self) -> list[Reply]:
        """The requests that were answered."""
        return [reply for reply in self.replies if reply.ok]

    @property
    def output_tokens(self) -> int:
        """Of all answers."""
        return sum(reply.output_tokens for reply in self.good)

    def ms(self, name: str) -> list[float]:
        """One metric's values, in milliseconds."""
        if name == "ttft":
            return [1000 * reply.ttft for reply in self.good]
        if name == "tpot":
            return [tpot for reply in self.good if (tpot := _tpot(reply)) is not None]
        if name == "itl":
            return [1000 * gap for reply in self.good for gap in reply.itl]
        return [1000 * reply.latency for reply in self.good]

    def goodput_rate(self) -> float | None:
        """Requests a second that met every limit; None when there is none."""
        if not self.goodput:
            return None
        met = [reply for reply in self.good if all(_of(reply, n) <= ms for n, ms in self.goodput)]
        return len(met) / self.seconds

    def peak_tokens(self) -> float:
        """The most pieces in one second of the run."""
        buckets: dict[int, int] = {}
        for stamp in (stamp for reply in self.good for stamp in reply.stamps):
            buckets[int(stamp)] = buckets.get(int(stamp), 0) + 1
        return float(max(buckets.values(), default=0))

    def peak_requests(self) -> int:
        """The most requests under way in one second of the run."""
        buckets: dict[int, int] = {}
        for reply in self.good:
            for second in range(int(reply.start), int(reply.start + reply.latency) + 1):
                buckets[second] = buckets.get(second, 0) + 1
        return max(buckets.values(), default=0)

    def statistics(self, names: Iterable[str], percentiles: Sequence[float]) -> dict[str, float]:
        """``mean_ttft_ms`` and the like, in the file's order."""
        stats = {}
        for name in names:
            values = self.ms(name)
            stats[f"mean_{name}_ms"] = mean(values)
            stats[f"median_{name}_ms"] = percentile(values, 50)
            stats[f"std_{name}_ms"] = deviation(values)
            for share in percentiles:
                stats[f"p{_number(share)}_{name}_ms"] = percentile(values, share)
        return stats


def _tpot(reply: Reply) -> float | None:
    if reply.output_tokens < 2:
        return None
    return 1000 * (reply.latency - reply.ttft) / (reply.output_tokens - 1)


def _of(reply: Reply, name: str) -> float:
    if name == "ttft":
        return 1000 * reply.ttft
    return (_tpot(reply) or 0.0) if name == "tpot" else 1000 * reply.latency


def _number(share: float) -> str:
    return str(int(share)) if int(share) == share else str(share)


def row(label: str, value: float | int) -> str:
    """One row: label to 40, value to 10; decimals for what is no count."""
    shown = f"{value:<10}" if isinstance(value, int) else f"{value:<10.2f}"
    return f"{label:<40} {shown}"


def block(
    rows: Sequence[tuple[str, Any]],
    figures: Figures,
    names: Iterable[str],
    percentiles: Sequence[float],
) -> str:
    """The block that ends a run."""
    lines = [f"{' Serving Benchmark Result ':=^50}"]
    lines += [row(label, value) for label, value in rows]
    for name, (short, title) in NAMES.items():
        if name not in names:
            continue
        values = figures.ms(name)
        lines.append(f"{title:-^50}")
        lines.append(row(f"Mean {short} (ms):", mean(values)))
        lines.append(row(f"Median {short} (ms):", percentile(values, 50)))
        for share in percentiles:
            lines.append(row(f"P{_number(share)} {short} (ms):", percentile(values, share)))
    return "\n".join([*lines, "=" * 50])
