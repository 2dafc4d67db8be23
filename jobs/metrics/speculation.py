"""Speculative decoding: proposed and accepted draft tokens."""

from __future__ import annotations

from jobs.metrics.base import Metric

SPECULATION = (
    Metric("acceptance_rate", "Draft tokens accepted", "%", "higher"),
    Metric("acceptance_length_tokens", "Tokens per step", "tokens", "higher"),
    Metric("drafts", "Drafts", "", "", is_count=True),
    Metric("draft_tokens", "Draft tokens", "tokens", "", is_count=True),
    Metric("accepted_tokens", "Accepted draft tokens", "tokens", "", is_count=True),
)
