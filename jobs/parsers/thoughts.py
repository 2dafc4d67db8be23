"""Reasoning of a model, split from answers that a tool wrote as one text."""

from __future__ import annotations

from typing import Literal

_OPEN, _CLOSE = "<think>", "</think>"


def split(text: str) -> tuple[str, str]:
    """Return ``(reasoning, answer)`` of a text with think tags, the opening one included; the tags
    are left out. A text cut off in the reasoning has an empty answer.
    """
    before, close, after = text.partition(_CLOSE)
    if close:
        return before.strip().removeprefix(_OPEN).strip(), after.strip()
    if text.lstrip().startswith(_OPEN):
        return text.lstrip().removeprefix(_OPEN).strip(), ""
    return "", text


def tagged(text: str) -> Literal["open", "closed", "none"]:
    """Return whether the reasoning of such a text ended: "none" without tags."""
    if _CLOSE in text:
        return "closed"
    return "open" if text.lstrip().startswith(_OPEN) else "none"
