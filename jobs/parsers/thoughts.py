"""Reasoning of a model, split from answers that a tool wrote as one text."""

from __future__ import annotations

import re
from typing import Literal

_OPEN, _CLOSE = "<think>", "</think>"
# As in jobs.host.scoring: elsewhere a tag is spoken of.
_THOUGHT = re.compile(r"(?:\A|(?<=[.!?。！？:：>\n]))[ \t]*<think>(.*?)(?:</think>|\Z)", re.DOTALL)


def split(text: str) -> tuple[str, str]:
    """Return ``(reasoning, answer)`` of a text with think tags, which are left out; the first
    opening one may be missing. Several thoughts are joined, and so is what stands between them. A
    text cut off in its only thought has an empty answer.
    """
    if tagged(text) == "none":
        return "", text
    pieces = _THOUGHT.split(text.strip())
    answers, thoughts = pieces[::2], pieces[1::2]
    before, close, after = answers[0].partition(_CLOSE)
    if close:
        answers[0], thoughts = after, [before, *thoughts]
    return _joined(thoughts), _joined(answers)


def _joined(pieces: list[str]) -> str:
    return "\n\n".join(text for piece in pieces if (text := piece.strip()))


def tagged(text: str) -> Literal["open", "closed", "none"]:
    """Return whether the reasoning of such a text ended: "none" without tags."""
    if _CLOSE in text:
        return "closed"
    return "open" if text.lstrip().startswith(_OPEN) else "none"
