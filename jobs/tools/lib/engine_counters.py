"""Counters of an engine (Prometheus), and metrics of them over a time window: vLLM, llama.cpp.

A sample is a name with a value summed over all labels, as in points, including ``engine``. A server
with several engines (data parallel, not on VACC) shows the sum of their KV cache shares.

Names changed between versions of vLLM: KV cache ``gpu_cache_usage_perc`` (0.7.2) and
``kv_cache_usage_perc`` (0.9.2 has both); prefix cache ``gpu_prefix_cache_*`` and
``prefix_cache_*``. 0.7.2 counts no hits: it has a gauge of their share since the start, useless for
a time window (:func:`hits_since_start`). llama.cpp reports neither KV cache nor queue time. Means
come from sum and count: the highest bucket of 0.7.2 ends at 60 s, but reasoning takes minutes.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeAlias

from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import WarmUp

Values: TypeAlias = Mapping[str, float]
# (seconds since the epoch, scraped values), oldest first.
Samples: TypeAlias = Sequence[tuple[float, Values]]

# Names of each metric across engines and versions, newest first.
_KV_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
_RUNNING = ("vllm:num_requests_running", "llamacpp:requests_processing")
_WAITING = ("vllm:num_requests_waiting", "llamacpp:requests_deferred")
_PROMPT = ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total")
_OUTPUT = ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total")
_DECODES = ("llamacpp:n_decode_total", "llamacpp:n_busy_slots_per_decode")
_QUEUE = "vllm:request_queue_time_seconds"
_TTFT = "vllm:time_to_first_token_seconds"
_TTFT_SUM, _TTFT_COUNT = f"{_TTFT}_sum", f"{_TTFT}_count"
_TTFT_PARTS = {_TTFT_SUM, _TTFT_COUNT}
_PREEMPTIONS = "vllm:num_preemptions_total"
_HIT_RATE = "vllm:gpu_prefix_cache_hit_rate"
# (tokens found, all tokens searched)
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

# Metrics that a Plan's Watch reads.
VLLM: tuple[str, ...] = (
    *(_RUNNING[0], _WAITING[0], _OUTPUT[0], _PROMPT[0], *_KV_CACHE),
    *(f"{name}_{part}" for name in (_QUEUE, _TTFT) for part in ("sum", "count")),
    *(_PREEMPTIONS, _HIT_RATE, *_ACCEPTED),
    *(name for hits, searched in _HITS[:2] for name in (hits, *searched)),
)
LLAMA_CPP: tuple[str, ...] = (
    *(_OUTPUT[1], _PROMPT[1], _RUNNING[1], _WAITING[1], *_DECODES, _HITS[2][0]),
)


def _first(values: Values, names: Sequence[str]) -> float | None:
    return next((values[name] for name in names if name in values), None)


# Of the scraped values; None: not reported.
kv_cache = partial(_first, names=_KV_CACHE)  # used share, from 0 to 1
running = partial(_first, names=_RUNNING)
waiting = partial(_first, names=_WAITING)
prompt_tokens = partial(_first, names=_PROMPT)


def output_tokens(values: Values) -> float | None:
    """Return the tokens generated so far; None: not reported. llama.cpp counts tokens only at the
    end of a request. Decode calls times busy slots per call equals the same number (1736 x 1.88249
    = 3268 in our capture) and grows during a request."""
    decodes, busy = (values.get(name) for name in _DECODES)
    if decodes is not None and busy is not None:
        return decodes * busy
    return _first(values, _OUTPUT)


def during(samples: Samples, begin: float, end: float) -> dict[str, float]:
    """Return the engine's metrics between ``begin`` and ``end`` (seconds since the epoch).

    ``engine_prefix_hits`` is the share of prompt tokens in the prefix cache,
    ``engine_kv_cache_peak`` the peak share of the KV cache in use. Unreported metrics are left out;
    after a restart in the window all are left out, because the counters restart.
    """
    metrics: dict[str, float] = {}
    inside = [values for at, values in samples if begin <= at <= end]
    used = [value for values in inside if (value := kv_cache(values)) is not None]
    if used:
        metrics["engine_kv_cache_peak"] = max(used)
    before, after = _edges(samples, begin, end)
    grown = {name: after[name] - before[name] for name in after if name in before}
    if any(value < 0 for name, value in grown.items() if name.endswith(("_total", "_count"))):
        return {}
    if grown.get(f"{_QUEUE}_count") and f"{_QUEUE}_sum" in grown:
        mean_s = grown[f"{_QUEUE}_sum"] / grown[f"{_QUEUE}_count"]
        metrics["engine_queue_mean_ms"] = MS_PER_S * mean_s
    if _PREEMPTIONS in grown:
        metrics["engine_preemptions"] = grown[_PREEMPTIONS]
    accepted, drafted = (grown.get(name) for name in _ACCEPTED)
    if drafted and accepted is not None:
        metrics["acceptance_rate"] = accepted / drafted
    for name, wanted in _HITS:
        whole = sum(grown.get(one, 0.0) for one in wanted)
        if name in grown and whole > 0:
            metrics["engine_prefix_hits"] = min(1.0, grown[name] / whole)
            break
    return metrics


def _edges(samples: Samples, begin: float, end: float) -> tuple[Values, Values]:
    """Return the last sample before each time, else the first after it."""
    before = [row for row in samples if row[0] <= begin][-1:] or samples[:1]
    after = [row for row in samples if row[0] <= end][-1:]
    # A window shorter than the scrape interval ends with the next scrape.
    if not after or after[0][0] <= begin:
        after = [row for row in samples if row[0] > end][:1]
    return (before[0][1] if before else {}), (after[0][1] if after else {})


def served(
    samples: Samples,
    begin: float,
    end: float,
    *,
    until: float = math.inf,
    warm_up: WarmUp | None = None,
) -> dict[str, float]:
    """Return what the engine served between ``begin`` and ``end``: tokens, requests, mean TTFT,
    without those of ``warm_up``.

    The first sample after the end counts, because tokens of the last second are in no earlier one;
    not past ``until``, when the next requests begin. ``engine_gap_s`` is the time at the end
    without a sample, if any. Empty after a restart in the window, or where nothing is reported.
    """
    before = [row for row in samples if row[0] <= begin][-1:]
    before = before or [row for row in samples if begin < row[0] < end][:1]
    after = [row for row in samples if end <= row[0] <= until][:1]
    after = after or [row for row in samples if begin < row[0] <= end][-1:]
    if not before or not after or before[0][0] >= after[0][0]:
        return {}
    (first, old), (at, new) = before[0], after[0]
    metrics: dict[str, float] = {}
    left_out = warm_up or WarmUp(0, 0.0)
    tokens_before, tokens = output_tokens(old), output_tokens(new)
    if tokens_before is not None and tokens is not None:
        metrics["engine_output_tokens"] = round(tokens - tokens_before - left_out.tokens)
    if old.keys() >= _TTFT_PARTS and new.keys() >= _TTFT_PARTS:
        warmed = old[_TTFT_COUNT] + left_out.requests
        metrics["engine_requests"] = new[_TTFT_COUNT] - warmed
        # From the reading at which all warm-ups had their first token.
        inside = (row for one_at, row in samples if first <= one_at <= at)
        rows = (row for row in inside if row.keys() >= _TTFT_PARTS)
        base = next((row for row in rows if row[_TTFT_COUNT] >= warmed), new)
        requests = new[_TTFT_COUNT] - base[_TTFT_COUNT]
        if requests > 0:
            total_s = new[_TTFT_SUM] - base[_TTFT_SUM]
            metrics["engine_ttft_mean_ms"] = MS_PER_S * total_s / requests
    if any(value < 0 for value in metrics.values()):
        return {}
    if metrics and at < end:
        metrics["engine_gap_s"] = end - at
    return metrics


def running_peak(samples: Samples, begin: float, end: float) -> float | None:
    """Return the peak concurrency of the engine between ``begin`` and ``end``, both exclusive
    because other windows touch there. None: not reported, or no sample in the window."""
    counts = [running(values) for at, values in samples if begin < at < end]
    return max((value for value in counts if value is not None), default=None)


def hits_since_start(samples: Samples, end: float) -> float | None:
    """Return the share of prompt tokens in the prefix cache from the server's start to ``end``.

    Only for vLLM 0.7.2, which weighs by blocks of 16 tokens and has -1 for a disabled cache. None:
    disabled, not scraped, or the engine counts hits and :func:`during` has those of the window.
    With pipeline parallelism this is the share of the first of several schedulers.
    """
    last: Values = next((values for at, values in reversed(samples) if at <= end), {})
    if any(name in last for name, _ in _HITS):
        return None
    rate = last.get(_HIT_RATE, -1.0)
    return min(1.0, rate) if rate >= 0 else None
