"""Metrics of results: name, unit, better direction.
Here: a metric is a line of `_ALL`; what readers measure is typed in `measured`.
Not here: parsing (`tools`), how a number is written (`dashboard.text`).
"""

from dataclasses import dataclass
from typing import Literal, get_args


@dataclass(frozen=True, slots=True)
class Metric:
    """Number stored in results. ``unit``: shown unit ("%" for a ratio stored from 0 to 1).
    ``better``: better direction, "" for none. ``is_count``: a whole number."""

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower", ""]
    is_count: bool = False


Unit = Literal["total", "die", "card", "server", "watt"]
# Units of an output rate by choice; "total": of the whole engine.
UNITS: tuple[Unit, ...] = get_args(Unit)


def rate_in(unit: Unit) -> str:
    """Return the name of the output rate in a unit."""
    return "output_tokens_per_s" + (f"_per_{unit}" if unit != "total" else "")


STATISTICS = {
    **{"mean": "mean", "std": "standard deviation"},
    **{name: name for name in ("p25", "p50", "p75", "p90", "p95", "p99")},
}
FAMILIES = (
    ("ttft", "ms", "TTFT"),
    ("tpot", "ms", "TPOT"),
    ("itl", "ms", "ITL"),
    ("latency", "s", "Latency"),
    ("queue", "ms", "Queue"),
    ("latency_with_queue", "s", "Latency with queue"),
)

_ALL = (
    # Throughput of a deployment. Goodput counts only requests within all requested latency limits.
    Metric("output_tokens_per_s", "Output tokens/s", "tokens/s", "higher"),
    Metric("total_tokens_per_s", "Total tokens/s", "tokens/s", "higher"),
    Metric("requests_per_s", "Requests/s", "requests/s", "higher"),
    Metric("goodput_requests_per_s", "Goodput, requests/s", "requests/s", "higher"),
    Metric("peak_output_tokens_per_s", "Peak output tokens/s", "tokens/s", "higher"),
    *(
        Metric(rate_in(unit), f"Output tokens/s per {unit}", f"tokens/s per {unit}", "higher")
        for unit in UNITS[1:]
    ),
    # Latencies of requests: first token (TTFT), further tokens (TPOT, ITL), end to end. Queue is
    # the wait in the load generator, because of its concurrency limit. Batch latency is that of a
    # whole batch without a server.
    *(
        Metric(f"{family}_{statistic}_{unit}", f"{label} {name}", unit, "lower")
        for family, unit, label in FAMILIES
        for statistic, name in STATISTICS.items()
    ),
    *(
        Metric(f"batch_latency_{statistic}_s", f"Batch latency {statistic}", "s", "lower")
        for statistic in ("mean", "p10", "p25", "p50", "p75", "p90", "p99")
    ),
    # Accuracy of answers. "accuracy" weights all questions equally. Over several sets two means
    # exist, of sets (macro) and of questions (weighted), always shown with their names.
    Metric("accuracy", "Accuracy", "%", "higher"),
    Metric("accuracy_macro", "Accuracy, mean of sets", "%", "higher"),
    Metric("accuracy_weighted", "Accuracy, mean of questions", "%", "higher"),
    # Of several answers to a question: variance relative to one answer each.
    Metric("accuracy_effect", "Design effect of the samples", "", ""),
    Metric("accuracy_short", "Accuracy, short answers", "%", "higher"),
    Metric("accuracy_choice", "Accuracy, multiple choice", "%", "higher"),
    Metric("accuracy_en", "Accuracy, English", "%", "higher"),
    Metric("accuracy_zh", "Accuracy, Chinese", "%", "higher"),
    # Tokens of an evaluation's answers whose output tokens the tool reports. Where it does not
    # count the reasoning apart, the lengths of both texts share the total: an estimate.
    Metric("reasoning_tokens_mean", "Reasoning tokens, mean", "tokens", ""),
    Metric("answer_tokens_mean", "Answer tokens, mean", "tokens", ""),
    Metric("reasoning_share", "Reasoning, share of output tokens", "%", ""),
    # All output tokens, also of incorrect answers, over the correct answers.
    Metric("tokens_per_correct", "Tokens per correct answer", "tokens", "lower"),
    # Counts of requests, questions and tokens, and of failures.
    Metric("concurrency", "Concurrency", "requests", "", is_count=True),
    # Of requests that arrive at a rate, as asked; their concurrency has no limit.
    Metric("request_rate", "Request rate", "requests/s", ""),
    Metric("requests", "Requests completed", "requests", "", is_count=True),
    Metric("failed_requests", "Failed requests", "requests", "lower", is_count=True),
    # Totals over all concurrencies; the other metrics are of the best concurrency.
    Metric("requests_all", "Requests completed, all concurrencies", "requests", "", is_count=True),
    Metric(
        *("failed_requests_all", "Failed requests, all concurrencies", "requests", "lower"),
        is_count=True,
    ),
    Metric("duration_s", "Duration", "s", ""),
    Metric("peak_requests", "Peak concurrency", "requests", "", is_count=True),
    Metric("input_tokens", "Input tokens", "tokens", "", is_count=True),
    Metric("output_tokens", "Output tokens", "tokens", "", is_count=True),
    Metric("input_tokens_mean", "Input tokens, mean", "tokens", ""),
    Metric("output_tokens_mean", "Output tokens, mean", "tokens", ""),
    Metric("iterations", "Iterations", "", "", is_count=True),
    Metric("questions", "Questions", "questions", "", is_count=True),
    # Of an evaluation that may stop early.
    Metric("planned_questions", "Planned questions", "questions", "", is_count=True),
    Metric("correct", "Correct answers", "questions", "higher", is_count=True),
    Metric("unanswered", "Unanswered questions", "questions", "lower", is_count=True),
    # Flags of answers: jobs.queries.results.answer_flags. An answer may have several.
    Metric("answers_total", "Answers", "answers", "", is_count=True),
    Metric("answers_faulty", "Faulty answers", "answers", "lower", is_count=True),
    Metric("answers_cut", "Answers cut off", "answers", "lower", is_count=True),
    Metric(
        *("answers_open_thought", "Answers with unfinished reasoning", "answers", "lower"),
        is_count=True,
    ),
    Metric(*("answers_not_extracted", "Answers not extracted", "answers", "lower"), is_count=True),
    Metric("answers_empty", "Empty answers", "answers", "lower", is_count=True),
    Metric("answers_failed", "Answers of failed requests", "answers", "lower", is_count=True),
    Metric("answers_looping", "Answers in a loop", "answers", "lower", is_count=True),
    Metric("answers_no_score", "Answers without a score", "answers", "lower", is_count=True),
    Metric("answers_reasoned", "Answers with reasoning", "answers", "", is_count=True),
    # Only of runs that chose thinking on or off.
    Metric(
        *("answers_unswitched", "Answers that ignore the thinking setting", "answers", "lower"),
        is_count=True,
    ),
    # Speculative decoding.
    Metric("acceptance_rate", "Draft tokens accepted", "%", "higher"),
    Metric("acceptance_length_tokens", "Tokens per step", "tokens", "higher"),
    Metric("drafts", "Drafts", "", "", is_count=True),
    Metric("draft_tokens", "Draft tokens", "tokens", "", is_count=True),
    Metric("accepted_tokens", "Accepted draft tokens", "tokens", "", is_count=True),
    # Counters of the engine during a benchmark.
    Metric("engine_prefix_hits", "Prefix cache hits", "%", ""),
    # For engines without a hit counter: includes earlier runs on the server.
    Metric("engine_prefix_hits_since_start", "Prefix cache hits since server start", "%", ""),
    Metric("engine_kv_cache_peak", "KV cache usage, peak", "%", ""),
    Metric("engine_queue_mean_ms", "Queue time in the engine, mean", "ms", "lower"),
    Metric("engine_output_tokens", "Output tokens by the engine", "tokens", "", is_count=True),
    Metric("engine_requests", "Requests by the engine", "requests", "", is_count=True),
    Metric("engine_ttft_mean_ms", "TTFT by the engine, mean", "ms", "lower"),
    Metric("engine_gap_s", "Time without readings at the end", "s", ""),
    Metric("engine_preemptions", "Preemptions", "", "lower", is_count=True),
    # Power and energy of the dies during a benchmark, where the host reports power.
    Metric("power_mean_w", "Power of all dies, mean", "W", ""),
    Metric("energy_per_token_j", "Energy per output token", "J", "lower"),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
