"""Reasoning of a model, split from answers that a tool wrote as one text."""

from __future__ import annotations

from typing import Literal

_OPEN, _CLOSE = "<think>", "</think>"
# As in jobs.host.scoring: elsewhere a tag is spoken of.
_BEFORE, _SPACES = ".!?。！？:：>\n", " \t"


def split(text: str) -> tuple[str, str]:
    """Return ``(reasoning, answer)`` of a text with think tags, which are left out; the first
    opening one may be missing. Several thoughts are joined, and so is what stands between them. A
    text cut off in its only thought has an empty answer.
    """
    if tagged(text) == "none":
        return "", text
    answers, thoughts = _pieces(text.strip())
    before, close, after = answers[0].partition(_CLOSE)
    if close:
        answers[0], thoughts = after, [before, *thoughts]
    return _joined(thoughts), _joined(answers)


def _pieces(text: str) -> tuple[list[str], list[str]]:
    """Return the texts around thoughts, and the thoughts between them."""
    answers, thoughts = [], []
    at = begin = 0  # end of the last thought, and of the last tag
    while (tag := text.find(_OPEN, begin)) >= 0:
        head = tag
        while head > at and text[head - 1] in _SPACES:
            head -= 1
        begin = tag + len(_OPEN)
        if head and text[head - 1] not in _BEFORE:
            continue
        end = text.find(_CLOSE, begin)
        end = len(text) if end < 0 else end
        answers.append(text[at:head])
        thoughts.append(text[begin:end])
        at = begin = min(len(text), end + len(_CLOSE))
    return [*answers, text[at:]], thoughts


def _joined(pieces: list[str]) -> str:
    return "\n\n".join(text for piece in pieces if (text := piece.strip()))


def tagged(text: str) -> Literal["open", "closed", "none"]:
    """Return whether the reasoning of such a text ended: "none" without tags."""
    if _CLOSE in text:
        return "closed"
    return "open" if text.lstrip().startswith(_OPEN) else "none"
