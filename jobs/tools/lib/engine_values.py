"""Values of an engine's metrics (Prometheus) by meaning: vLLM in all versions, llama.cpp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Values: TypeAlias = Mapping[str, float]

# Names of each metric across engines and versions, newest first.
KV_CACHE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
_RUNNING = ("vllm:num_requests_running", "llamacpp:requests_processing")
_WAITING = ("vllm:num_requests_waiting", "llamacpp:requests_deferred")
_PROMPT = ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total")
_OUTPUT = ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total")
_DECODES = ("llamacpp:n_decode_total", "llamacpp:n_busy_slots_per_decode")


def running(values: Values) -> float | None:
    """Return the engine's running requests; None: not reported."""
    return _first(values, _RUNNING)


def waiting(values: Values) -> float | None:
    """Return the engine's queued requests; None: not reported."""
    return _first(values, _WAITING)


def kv_cache(values: Values) -> float | None:
    """Return the used share of the KV cache, from 0 to 1; None: not reported."""
    return _first(values, KV_CACHE)


def prompt_tokens(values: Values) -> float | None:
    """Return the prompt tokens processed so far; None: not reported."""
    return _first(values, _PROMPT)


def output_tokens(values: Values) -> float | None:
    """Return the tokens generated so far; None: not reported.

    llama.cpp counts tokens only at the end of a request. Decode calls times busy slots per call
    equals the same number (1736 x 1.88249 = 3268 in our capture) and grows during a request.
    """
    decodes, busy = (values.get(name) for name in _DECODES)
    if decodes is not None and busy is not None:
        return decodes * busy
    return _first(values, _OUTPUT)


def _first(values: Values, names: Sequence[str]) -> float | None:
    return next((values[name] for name in names if name in values), None)
