"""The parser ``deepseek_r1`` of vLLM: which part of an answer is thought, by generation."""

from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"


def field(version: str) -> str:
    """Name of the thought's field in the API, renamed between 0.9.2 and 0.17."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return "reasoning" if (major, minor) >= (0, 12) else "reasoning_content"


@dataclass
class Splitter:
    """Splits one answer. ``parser`` "": nothing is split.

    0.7.2 needs both tags in the text; later ones take what comes before the closing tag for
    thought, and everything when it never closes.
    """

    parser: str
    old: bool
    _state: str = "start"

    def whole(self, text: str) -> tuple[str | None, str | None]:
        """(thought, content) of a whole answer; None where there is none."""
        if not self.parser:
            return None, text
        if self.old and not (OPEN in text and CLOSE in text):
            return None, text
        thought, closed, content = text.partition(CLOSE)
        thought = thought.replace(OPEN, "", 1)
        if not closed:
            return thought, None
        return thought, content or None

    def feed(self, piece: str) -> list[tuple[bool, str]]:
        """(is thought, text) of the next piece. Tags are tokens of their own and never split."""
        if not self.parser:
            return [(False, piece)] if piece else []
        if self._state == "start":
            self._state = "answer" if self.old and OPEN not in piece else "thought"
            piece = piece.replace(OPEN, "", 1)
        if self._state == "answer":
            return [(False, piece)] if piece else []
        thought, closed, content = piece.partition(CLOSE)
        parts = [(True, thought)] if thought else []
        if closed:
            self._state = "answer"
            parts += [(False, content)] if content else []
        return parts
