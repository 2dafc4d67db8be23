"""Amount of work of a job, to scale durations of earlier jobs.

Requests × lengths / concurrency. This is rough: throughput rises with concurrency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.catalog import QUESTION_SETS
from jobs.catalog.data_sets import BY_EVALSCOPE, BY_OPENCOMPASS
from jobs.kinds.lib.lengths import has_chosen_length

# An engine reads about twenty prompt tokens in the time of one output token.
_READ = 0.05
# Warm-up batches of vLLM's latency benchmark.
_WARM_UP = 10
# Public sets by the names of both tools: (questions, subsets; a limit counts for each subset).
_SETS: Mapping[str, tuple[int, int]] = {
    **{name: (one.questions, one.subsets) for name, one in BY_OPENCOMPASS.items()},
    **{name: (one.questions, one.subsets) for name, one in BY_EVALSCOPE.items()},
}
_TEN_OF_MMLU = (1369, 10)


def _tokens(params: Mapping[str, Any]) -> float:
    """Of one request."""
    prompt = params.get("input_tokens") if has_chosen_length(params) else 0
    return float(params["output_tokens"]) + _READ * float(prompt or 0)


def over_http(params: Mapping[str, Any]) -> float:
    """Work of a benchmark at several concurrencies, in sequence."""
    requests = int(params["requests"])
    rounds = sum(requests / min(requests, int(at_once)) for at_once in params["concurrency"])
    return rounds * _tokens(params)


def all_at_once(params: Mapping[str, Any]) -> float:
    """Work of requests that are all sent at the start."""
    return int(params["requests"]) * _tokens(params)


def batches(params: Mapping[str, Any]) -> float:
    """Work of batches in sequence."""
    return (int(params["iterations"]) + _WARM_UP) * _tokens(params)


def shipped_questions(params: Mapping[str, Any]) -> float:
    """Work of an included question set, or one of the team."""
    asked = len(QUESTION_SETS[params["questions"]].spoken(params.get("language", "all")))
    asked = min(asked, int(params["limit"]) or asked)
    return asked * int(params.get("samples") or 1) / int(params["batch"])


def questions_of_largest(datasets: Iterable[str]) -> int:
    """Return the size of the largest public set: a higher limit has no effect."""
    return max(_SETS[name][0] for name in datasets)


def left_questions_out(metrics: Mapping[str, Any]) -> bool:
    """Return True if an evaluation stopped early, before all planned questions."""
    return bool((metrics.get("planned_questions") or 0) > (metrics.get("questions") or 0))


def did_all(params: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """Return False if a request failed or was not sent, or an evaluation stopped early: the
    duration is then no reference."""
    if left_questions_out(metrics):
        return False
    asked = params.get("requests")
    done = metrics.get("requests_all", metrics.get("requests"))
    if metrics.get("failed_requests_all", metrics.get("failed_requests")):
        return False
    if not isinstance(asked, int) or done is None:
        return True
    return bool(done >= asked * len(params.get("concurrency") or (0,)))


def public_questions(params: Mapping[str, Any]) -> float:
    """Work of public sets, by name."""
    asked, limit = 0, int(params["limit"])
    for name in params["datasets"]:
        ten = name == "mmlu" and params.get("mmlu") == "ten"
        questions, subsets = _TEN_OF_MMLU if ten else _SETS[name]
        asked += min(questions, limit * subsets) if limit else questions
    return asked * int(params.get("samples") or 1) / int(params["batch"])
