"""Tokens of an output, shared between reasoning and answer."""

from __future__ import annotations


def shared(
    total: int,
    lengths: tuple[int, int],
    *,
    counted: int | None = None,
    measured: tuple[int, int] | None = None,
) -> tuple[int, int, bool]:
    """Return tokens of reasoning and of answer, and True where they are estimated.

    ``lengths``: characters of reasoning and answer; an output without one of them is all of the
    other. ``counted``: tokens of the reasoning by the engine or its stream; 0 beside a text of
    reasoning is no count. ``measured``: both texts by the engine's tokenizer, which share the
    total. Else their lengths share it: an estimate.
    """
    reasoning, answer = lengths
    if not reasoning:
        return 0, total, False
    if not answer:
        return total, 0, False
    if counted:
        thought = min(total, counted)
        return thought, total - thought, False
    thought_size, answer_size = measured or lengths
    thought = round(total * thought_size / max(1, thought_size + answer_size))
    return thought, total - thought, measured is None
