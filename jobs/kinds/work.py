"""How much a job does, so that what earlier ones took tells what another amount would take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jobs.catalog import QUESTION_SETS

# An engine reads some twenty tokens of a prompt in the time of one that it writes.
_READ = 0.05
# Batches that vLLM's latency benchmark runs before it measures.
_WARM_UP = 10
# Public sets: (questions, subsets; a limit counts for each subset).
_SETS: Mapping[str, tuple[int, int]] = {
    **{"gsm8k": (1319, 1), "math_500": (500, 5), "aime24": (30, 1), "aime25": (30, 1)},
    **{"gpqa_diamond": (198, 1), "mmlu": (14042, 57), "mmlu_pro": (12032, 14)},
    **{"ceval": (1346, 52), "cluewsc": (1135, 2), "gpqa": (198, 1), "aime2024": (30, 1)},
    "ifeval": (541, 1),
}
_TEN_OF_MMLU = (1369, 10)


def work(kind: str, params: Mapping[str, Any]) -> float | None:
    """Requests × lengths / concurrency of a job, in units of its kind; None where nothing tells.

    Times of two jobs of one kind, model and host are as their works. That is rough: an engine does
    more in a second the more it has at once.
    """
    reads = _WORKS.get(kind)
    try:
        amount = reads(params) if reads else None
    except (LookupError, TypeError, ValueError, ZeroDivisionError):  # of an older version
        return None
    return amount if amount and amount > 0 else None


def work_done(kind: str, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> float | None:
    """The same of a job that ended, with the answers as long as its result measured them."""
    name = "output_tokens"
    mean = metrics.get(f"{name}_mean")
    if mean is None and metrics.get("requests") and len(params.get("concurrency") or ()) < 2:
        mean = metrics.get(name, 0) / metrics["requests"]
    return work(kind, {**params, name: mean} if mean and name in params else params)


def did_all(params: Mapping[str, Any], metrics: Mapping[str, Any]) -> bool:
    """False where a request failed or was never sent: its time tells nothing of a whole run."""
    asked, done = params.get("requests"), metrics.get("requests")
    if metrics.get("failed_requests"):
        return False
    if not isinstance(asked, int) or done is None:
        return True
    return bool(done >= asked * len(params.get("concurrency") or (0,)))


def _tokens(params: Mapping[str, Any]) -> float:
    """Of one request."""
    return float(params["output_tokens"]) + _READ * float(params.get("input_tokens") or 0)


def _over_http(params: Mapping[str, Any]) -> float:
    requests = int(params["requests"])
    rounds = sum(requests / min(requests, int(at_once)) for at_once in params["concurrency"])
    return rounds * _tokens(params)


def _throughput(params: Mapping[str, Any]) -> float:
    return int(params["requests"]) * _tokens(params)


def _latency(params: Mapping[str, Any]) -> float:
    return (int(params["iterations"]) + _WARM_UP) * _tokens(params)


def _shipped(params: Mapping[str, Any]) -> float:
    questions = QUESTION_SETS[params["questions"]].first(int(params["limit"]))
    return len(questions) / int(params["batch"])


def questions_of_largest(datasets: Iterable[str]) -> int:
    """Questions of the largest of public sets: a limit above it leaves none out."""
    return max(_SETS[name][0] for name in datasets)


def _public(params: Mapping[str, Any]) -> float:
    asked, limit = 0, int(params["limit"])
    for name in params["datasets"]:
        ten = name == "mmlu" and params.get("mmlu") == "ten"
        questions, subsets = _TEN_OF_MMLU if ten else _SETS[name]
        asked += min(questions, limit * subsets) if limit else questions
    return asked / int(params["batch"])


_WORKS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "benchmark": _over_http,
    "benchmark-online": _over_http,
    "benchmark-throughput": _throughput,
    "benchmark-latency": _latency,
    "evaluate": _shipped,
    "evaluate-evalscope": _public,
    "evaluate-opencompass": _public,
}
