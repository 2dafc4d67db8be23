"""``/metrics`` in Prometheus text, with the names and buckets of V0 and V1; it really counts."""

import bisect
from collections.abc import Iterable, Sequence

_TTFT = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_TPOT = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_E2E = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)
_LONG = (120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)
_TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)
_ITERATION = (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8096)
_TIMES = (
    "e2e_request_latency",
    "request_queue_time",
    "request_inference_time",
    "request_prefill_time",
    "request_decode_time",
)
REASONS = {
    "old": ("stop", "length", "abort"),
    "new": ("stop", "length", "abort", "error", "repetition"),
}


class Histogram:
    """Counts what falls below each bound."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = [float(bound) for bound in bounds]
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str) -> Iterable[str]:
        """Its samples, buckets first."""
        running = 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            running += count
            yield f'{name}_bucket{{le="{bound}",{labels}}} {float(running)}'
        yield f"{name}_count{{{labels}}} {float(running)}"
        yield f"{name}_sum{{{labels}}} {self.total}"


class Metrics:
    """All that the engine counts. Times are in our seconds, not those of the made-up world."""

    def __init__(
        self, version: str, model: str, config: dict[str, str], *, caches: bool = False
    ) -> None:
        self._caches = caches
        self.is_old = version.startswith("0.7")
        self._labels = (
            f'model_name="{model}"' if self.is_old else f'engine="0",model_name="{model}"'
        )
        self._config = config
        self.running = self.waiting = 0
        self.kv_share = 0.0
        self.prompt_tokens = self.generation_tokens = self.preemptions = self.prefix_hits = 0
        self.drafts = self.draft_tokens = self.accepted_tokens = 0
        self.finished = dict.fromkeys(REASONS["old" if self.is_old else "new"], 0)
        self.histograms = self._new_histograms()

    def _new_histograms(self) -> dict[str, Histogram]:
        long = () if self.is_old else _LONG
        itl = "time_per_output_token" if self.is_old else "inter_token_latency"
        histograms = {
            "time_to_first_token_seconds": Histogram(
                _TTFT if self.is_old else (*_TTFT, 20, 40, 80, 160, 640, 2560)
            ),
            f"{itl}_seconds": Histogram(_TPOT if self.is_old else (*_TPOT, 5, 7.5, 10, 20, 40, 80)),
            "request_prompt_tokens": Histogram(_TOKENS),
            "request_generation_tokens": Histogram(_TOKENS),
            "request_params_max_tokens": Histogram(_TOKENS),
            "request_params_n": Histogram((1, 2, 5, 10, 20)),
            "iteration_tokens_total": Histogram(_ITERATION),
            **{f"{name}_seconds": Histogram((*_E2E, *long)) for name in _TIMES},
        }
        if not self.is_old:
            bounds = (*_TPOT, 5, 7.5, 10, 20, 40, 80)
            histograms["request_time_per_output_token_seconds"] = Histogram(bounds)
        return histograms

    @property
    def itl(self) -> Histogram:
        """Gaps between tokens, under the generation's own name."""
        name = "time_per_output_token" if self.is_old else "inter_token_latency"
        return self.histograms[f"{name}_seconds"]

    def observe(self, name: str, value: float) -> None:
        """One more value for a histogram."""
        self.histograms[name].add(value)

    def text(self) -> str:
        """The whole page."""
        lines: list[str] = []
        for name, value in self._gauges():
            lines += self._one(name, "gauge", [(f"vllm:{name}", "", value)])
        for name, samples in self._counters():
            rows = [(f"vllm:{name}_total", more, value) for more, value in samples]
            lines += self._one(f"{name}_total" if self.is_old else name, "counter", rows)
        for name, histogram in self.histograms.items():
            lines += [f"# HELP vllm:{name} {name}", f"# TYPE vllm:{name} histogram"]
            lines += histogram.lines(f"vllm:{name}", self._labels)
        config = ",".join(f'{key}="{value}"' for key, value in self._config.items())
        lines += [
            "# HELP vllm:cache_config_info cache_config_info",
            "# TYPE vllm:cache_config_info gauge",
            f"vllm:cache_config_info{{{config}}} 1.0",
        ]
        return "\n".join(lines) + "\n"

    def _one(self, name: str, sort: str, rows: Sequence[tuple[str, str, float]]) -> list[str]:
        head = [f"# HELP vllm:{name} {name.replace('_', ' ')}", f"# TYPE vllm:{name} {sort}"]
        return head + [f"{row}{{{more}{self._labels}}} {float(value)}" for row, more, value in rows]

    def _gauges(self) -> list[tuple[str, float]]:
        both: list[tuple[str, float]] = [
            ("num_requests_running", self.running),
            ("num_requests_waiting", self.waiting),
        ]
        if not self.is_old:
            return [*both, ("kv_cache_usage_perc", self.kv_share)]
        return [
            *both,
            ("num_requests_swapped", 0),
            ("gpu_cache_usage_perc", self.kv_share),
            ("cpu_cache_usage_perc", 0),
            ("gpu_prefix_cache_hit_rate", self._hit_rate),
            ("cpu_prefix_cache_hit_rate", -1),
        ]

    @property
    def _hit_rate(self) -> float:
        """Since its start, as V0 has it: -1 without a prefix cache."""
        return self.prefix_hits / max(1, self.prompt_tokens) if self._caches else -1

    def _counters(self) -> list[tuple[str, list[tuple[str, float]]]]:
        counters: list[tuple[str, list[tuple[str, float]]]] = [
            ("num_preemptions", [("", self.preemptions)]),
            ("prompt_tokens", [("", self.prompt_tokens)]),
            ("generation_tokens", [("", self.generation_tokens)]),
            (
                "request_success",
                [(f'finished_reason="{name}",', count) for name, count in self.finished.items()],
            ),
        ]
        if self.is_old:
            counters.append(("tokens", [("", self.prompt_tokens + self.generation_tokens)]))
        else:
            counters += [
                ("prefix_cache_queries", [("", self.prompt_tokens)]),
                ("prefix_cache_hits", [("", self.prefix_hits)]),
            ]
        if self.drafts and self.is_old:
            counters += [
                ("spec_decode_num_accepted_tokens", [("", self.accepted_tokens)]),
                ("spec_decode_num_draft_tokens", [("", self.draft_tokens)]),
                ("spec_decode_num_emitted_tokens", [("", self.generation_tokens)]),
            ]
        elif self.drafts:
            counters += [
                ("spec_decode_num_drafts", [("", self.drafts)]),
                ("spec_decode_num_draft_tokens", [("", self.draft_tokens)]),
                ("spec_decode_num_accepted_tokens", [("", self.accepted_tokens)]),
                (
                    "spec_decode_num_accepted_tokens_per_pos",
                    [('position="0",', self.accepted_tokens)],
                ),
            ]
        return counters
