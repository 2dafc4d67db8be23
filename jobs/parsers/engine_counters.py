"""An engine's own counters (Prometheus) over a stretch of time, as our metrics: vLLM, llama.cpp.

A sample is a name with a value that is summed over its labels, as points hold them: over the label
``engine`` too. A server with several engines (data parallel, which VACC does not have) so shows the
sum of their shares of KV cache.

Names changed between versions of vLLM: KV cache ``gpu_cache_usage_perc`` (0.7.2) and
``kv_cache_usage_perc`` (0.9.2 has both); prefix cache ``gpu_prefix_cache_*`` and
``prefix_cache_*``. 0.7.2 counts no hits: it has a gauge of their share since its start, which tells
nothing of one stretch (:func:`hits_since_start`). llama.cpp tells neither KV cache nor queue time.
Means come from sum and count: the highest bucket of 0.7.2 ends at 60 s, where answers with
reasoning go on for minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from jobs.units import MS_PER_S

Values: TypeAlias = Mapping[str, float]
# (seconds since the epoch, what was scraped then), oldest first.
Samples: TypeAlias = Sequence[tuple[float, Values]]

# Each: the names that it has had, the newest first.
_KV_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
_RUNNING = ("vllm:num_requests_running", "llamacpp:requests_processing")
_QUEUE = "vllm:request_queue_time_seconds"
_PREEMPTIONS = "vllm:num_preemptions_total"
_HIT_RATE = "vllm:gpu_prefix_cache_hit_rate"
# (tokens that were found, all tokens that were looked for)
_HITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("vllm:prefix_cache_hits_total", ("vllm:prefix_cache_queries_total",)),
    ("vllm:gpu_prefix_cache_hits_total", ("vllm:gpu_prefix_cache_queries_total",)),
    (
        "llamacpp:prompt_tokens_cached_total",
        ("llamacpp:prompt_tokens_cached_total", "llamacpp:prompt_tokens_total"),
    ),
)
_ACCEPTED = (
    "vllm:spec_decode_num_accepted_tokens_total",
    "vllm:spec_decode_num_draft_tokens_total",
)

# What a Plan's Watch reads for this, beside what is drawn.
VLLM: tuple[str, ...] = (
    *_KV_CACHE,
    *(f"{_QUEUE}_{part}" for part in ("sum", "count")),
    *(_PREEMPTIONS, _HIT_RATE, *_ACCEPTED),
    *(name for found, wanted in _HITS[:2] for name in (found, *wanted)),
)
LLAMA_CPP: tuple[str, ...] = ("llamacpp:prompt_tokens_cached_total",)


def during(samples: Samples, begin: float, end: float) -> dict[str, float]:
    """What the engine did between ``begin`` and ``end`` (seconds since the epoch), as metrics.

    ``engine_prefix_hits`` is the share of prompt tokens that its prefix cache held,
    ``engine_kv_cache_peak`` the highest share of its KV cache in use. What it does not tell is left
    out; all is where it was started again meanwhile: its counters begin anew.
    """
    found: dict[str, float] = {}
    inside = [values for at, values in samples if begin <= at <= end]
    used = [value for values in inside if (value := _first(values, _KV_CACHE)) is not None]
    if used:
        found["engine_kv_cache_peak"] = max(used)
    before, after = _edges(samples, begin, end)
    grown = {name: after[name] - before[name] for name in after if name in before}
    if any(value < 0 for name, value in grown.items() if name.endswith(("_total", "_count"))):
        return {}
    if grown.get(f"{_QUEUE}_count") and f"{_QUEUE}_sum" in grown:
        mean_s = grown[f"{_QUEUE}_sum"] / grown[f"{_QUEUE}_count"]
        found["engine_queue_mean_ms"] = MS_PER_S * mean_s
    if _PREEMPTIONS in grown:
        found["engine_preemptions"] = grown[_PREEMPTIONS]
    accepted, drafted = (grown.get(name) for name in _ACCEPTED)
    if drafted and accepted is not None:
        found["acceptance_rate"] = accepted / drafted
    hits = _hits(grown)
    if hits is not None:
        found["engine_prefix_hits"] = hits
    return found


def running_peak(samples: Samples, begin: float, end: float) -> float | None:
    """Most requests that the engine worked on at once between ``begin`` and ``end``, both left
    out: there another stretch touches. None: it does not tell, or nothing was scraped meanwhile.
    """
    found = [_first(values, _RUNNING) for at, values in samples if begin < at < end]
    return max((value for value in found if value is not None), default=None)


def hits_since_start(samples: Samples, end: float) -> float | None:
    """Share of prompt tokens that the prefix cache held from the server's start until ``end``.

    Of vLLM 0.7.2, which weighs it by blocks of 16 tokens and has -1 where the cache is off. None:
    off, not scraped, or the engine counts hits, so that :func:`during` has those of a stretch.
    With pipeline parallelism it is the share of the first of several schedulers.
    """
    last: Values = next((values for at, values in reversed(samples) if at <= end), {})
    if any(name in last for name, _ in _HITS):
        return None
    rate = last.get(_HIT_RATE, -1.0)
    return min(1.0, rate) if rate >= 0 else None


def _hits(grown: Values) -> float | None:
    for name, wanted in _HITS:
        whole = sum(grown.get(one, 0.0) for one in wanted)
        if name in grown and whole > 0:
            return min(1.0, grown[name] / whole)
    return None


def _edges(samples: Samples, begin: float, end: float) -> tuple[Values, Values]:
    """What was scraped last before each moment, else first behind it."""
    earlier = [values for at, values in samples if at <= begin][-1:]
    before = earlier or [values for at, values in samples if at > begin][:1]
    until = [(at, values) for at, values in samples if at <= end][-1:]
    # A stretch that is shorter than a scrape's interval ends with the scrape behind it.
    if not until or until[0][0] <= begin:
        until = [(at, values) for at, values in samples if at > end][:1]
    return (before[0] if before else {}), (until[0][1] if until else {})


def _first(values: Values, names: Sequence[str]) -> float | None:
    return next((values[name] for name in names if name in values), None)
