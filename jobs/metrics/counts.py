"""Counts of requests, questions and tokens, and of failures."""

from __future__ import annotations

from jobs.metrics.base import Metric

COUNTS = (
    Metric("concurrency", "Concurrency", "requests", "", is_count=True),
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
    # Flags of answers: jobs.queries.answers.answer_flags. An answer may have several.
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
        "answers_unswitched",
        "Answers that ignore the thinking setting",
        "answers",
        "lower",
        is_count=True,
    ),
)
