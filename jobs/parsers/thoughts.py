"""What a model thought before it answered, where a tool wrote both as one text."""

from __future__ import annotations

_OPEN, _CLOSE = "<think>", "</think>"


def split(text: str) -> tuple[str, str]:
    """``(reasoning, answer)`` of a text with think tags, the open one included: of a text that was
    cut in the thought nothing is the answer. The tags themselves are left out.
    """
    before, close, after = text.partition(_CLOSE)
    if close:
        return before.strip().removeprefix(_OPEN).strip(), after.strip()
    if text.lstrip().startswith(_OPEN):
        return text.lstrip().removeprefix(_OPEN).strip(), ""
    return "", text
