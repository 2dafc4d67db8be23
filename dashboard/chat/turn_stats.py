"""Statistics of a turn: speed of the answer, and its reasoning tokens."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from jobs.completions.completions import Reply
from jobs.metrics.measured import token_shares

# Tokens that no piece shows: of the end, and of a think tag that the engine takes out.
SILENT_TOKENS = 3


def time_at(offset: int, sizes: Sequence[int], times: Sequence[float]) -> float | None:
    """Return the arrival time of the byte behind ``offset``: ``sizes[i]`` bytes at ``times[i]``."""
    if not sizes:
        return None
    return times[min(bisect_right(sizes, offset), len(sizes) - 1)]


def shares(
    reply: Reply, measured: tuple[int, int] | None = None
) -> tuple[int | None, int | None, bool]:
    """Tokens of thought and of answer, and True where they are estimated.

    The engine's own counts, else one token a piece where that comes to its total, else its total
    shared as its tokenizer ``measured`` both texts, else shared by their lengths. An engine without
    a total has its pieces counted, which may be of several tokens each.
    """
    total, pieces = reply.completion_tokens, reply.deltas
    if total is None:
        if not pieces:
            return None, None, True
        return reply.reasoning_deltas, pieces - reply.reasoning_deltas, True
    counted = reply.reasoning_tokens
    if counted is None and pieces <= total <= pieces + SILENT_TOKENS:
        counted = reply.reasoning_deltas
    lengths = len(reply.reasoning), len(reply.answer)
    return token_shares(total, lengths, counted=counted, measured=measured)


def needs_tokenizer(reply: Reply) -> bool:
    """True when only the engine's tokenizer knows how its total is shared."""
    return shares(reply)[2] and reply.completion_tokens is not None


def stats(
    reply: Reply,
    sizes: Sequence[int],
    times: Sequence[float],
    *,
    measured: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Times in milliseconds, tokens, and tokens a second of a reply.

    ``counted``: the engine returned no number of tokens (a stopped answer), and pieces were
    counted in place of it. ``estimated``: so were the shares of thought and answer.
    """
    thought, answer_tokens, estimated = shares(reply, measured)
    tokens = reply.completion_tokens or reply.deltas
    figures: dict[str, Any] = {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": tokens,
        "reasoning_tokens": thought or 0,
        "answer_tokens": answer_tokens or 0,
        "counted": reply.completion_tokens is None,
        "estimated": estimated,
    }
    if times and reply.answer and not reply.deltas:  # one object, all at once
        figures["total_ms"] = times[-1] * 1000
    if reply.first_token_at is None or reply.last_token_at is None or not times:
        return figures
    first = time_at(reply.first_token_at, sizes, times) or 0.0
    last = time_at(reply.last_token_at, sizes, times) or first
    answer = None
    if reply.first_answer_at is not None:
        answer = time_at(reply.first_answer_at, sizes, times)
        figures["first_answer_ms"] = (answer or first) * 1000
    figures["ttft_ms"] = first * 1000
    figures["total_ms"] = times[-1] * 1000
    figures["thinking_ms"] = ((last if answer is None else answer) - first) * 1000
    if reply.deltas > 1 and last > first:
        # The first piece had come when the clock of the rate began, with its share of the tokens.
        figures["tokens_per_s"] = tokens * (1 - 1 / reply.deltas) / (last - first)
    return figures
