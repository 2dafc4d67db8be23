"""Tokens that the answers of an evaluation took.

Of answers whose output tokens the tool reports. Where it does not count the reasoning apart, the
lengths of both texts share the total: an estimate.
"""

from __future__ import annotations

from jobs.metrics.base import Metric

TOKENS = (
    Metric("reasoning_tokens_mean", "Reasoning tokens, mean", "tokens", ""),
    Metric("answer_tokens_mean", "Answer tokens, mean", "tokens", ""),
    Metric("reasoning_share", "Reasoning, share of output tokens", "%", ""),
    # All output tokens, also of incorrect answers, over the correct answers.
    Metric("tokens_per_correct", "Tokens per correct answer", "tokens", "lower"),
)
