"""vLLM's own counters (Prometheus), whichever generation serves, as our metrics.

A sample is a name with a value that is summed over its labels, as points hold them: over the label
``engine`` too. A server with several engines (data parallel, which VACC does not have) so shows the
sum of their shares of KV cache.

Names that changed: KV cache ``gpu_cache_usage_perc`` (0.7.2) and ``kv_cache_usage_perc`` (0.9.2 has
both); time between tokens ``time_per_output_token_seconds`` and ``inter_token_latency_seconds``.
Means come from sum and count: the highest bucket of 0.7.2 ends at 60 s, where answers with
reasoning go on for minutes.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobs.units import MS_PER_S

Samples = Mapping[str, float]

# Each: the names that it has had, the newest first.
_GAUGES = {
    "engine_running": ("vllm:num_requests_running",),
    "engine_waiting": ("vllm:num_requests_waiting",),
    "engine_kv_cache": ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
}
_COUNTERS = {
    "engine_output_tokens_per_s": ("vllm:generation_tokens_total",),
    "engine_prompt_tokens_per_s": ("vllm:prompt_tokens_total",),
}
_PREEMPTIONS = "vllm:num_preemptions_total"
_HISTOGRAMS = {
    "engine_ttft_mean_ms": ("vllm:time_to_first_token_seconds",),
    "engine_itl_mean_ms": (
        "vllm:inter_token_latency_seconds",
        "vllm:time_per_output_token_seconds",
    ),
}
_SHARES = {
    "engine_prefix_hits": (
        ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"),
        ("vllm:gpu_prefix_cache_hits_total", "vllm:gpu_prefix_cache_queries_total"),
    ),
    "acceptance_rate": (
        ("vllm:spec_decode_num_accepted_tokens_total", "vllm:spec_decode_num_draft_tokens_total"),
    ),
}

# What a Plan's Watch reads of a vLLM server.
WATCHED: tuple[str, ...] = (
    *(name for names in (*_GAUGES.values(), *_COUNTERS.values()) for name in names),
    _PREEMPTIONS,
    *(
        f"{name}_{part}"
        for names in _HISTOGRAMS.values()
        for name in names
        for part in ("sum", "count")
    ),
    *(name for pairs in _SHARES.values() for pair in pairs for name in pair),
)


def state(samples: Samples) -> dict[str, float]:
    """What holds at one moment: requests running and waiting, KV cache in use (0 to 1)."""
    found = {}
    for metric, names in _GAUGES.items():
        value = next((samples[name] for name in names if name in samples), None)
        if value is not None:
            found[metric] = value
    return found


def between(before: Samples, after: Samples, seconds: float) -> dict[str, float]:
    """What happened between two moments ``seconds`` apart: rates, means, shares.

    A mean or share of nothing is left out; after a restart (a counter went back) all is.
    """
    grown = {name: after[name] - before.get(name, 0.0) for name in after if name in before}
    if not seconds > 0 or any(
        grown.get(name, 0.0) < 0 for names in _COUNTERS.values() for name in names
    ):
        return {}
    found = {
        metric: grown[name] / seconds
        for metric, names in _COUNTERS.items()
        for name in names
        if name in grown
    }
    if _PREEMPTIONS in grown:
        found["engine_preemptions"] = grown[_PREEMPTIONS]
    for metric, names in _HISTOGRAMS.items():
        for name in names:
            if grown.get(f"{name}_count") and f"{name}_sum" in grown:
                found[metric] = MS_PER_S * grown[f"{name}_sum"] / grown[f"{name}_count"]
                break
    for metric, pairs in _SHARES.items():
        for part, whole in pairs:
            if grown.get(whole) and part in grown:
                found[metric] = grown[part] / grown[whole]
                break
    return found
