"""Where a model's thought ends: one splitter for chat, readings of tools, hosts and scoring.

:func:`parts` has a twin for the browser, ``static/js/lib/reasoning.js``. Both are held to
``tests/data/reasoning_vectors.json``. Standard library only, without an import of this project:
plans carry this file to the scripts that score answers on a host.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple

_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")
_FENCES = ("```", "~~~")
# No answer has so many tags; the rest is text.
_MOST_TAGS = 200
_SENTENCE_ENDS = ".!?:;…。！？：；)>*"
_SPACES = " \t"
_AFTER_A_WORD = " \t.,;:!?)\"'，。、；：！？”’）"


class Parts(NamedTuple):
    """A text taken apart. ``answer_at``: where in it the (last part of the) answer begins.
    ``thought``: whether the last thought has ended; "none" without a tag."""

    reasoning: str
    answer: str
    answer_at: int | None = None
    thought: Literal["open", "closed", "none"] = "none"


def parts(text: str, *, ended: bool, expected: bool = False, implicit: bool = True) -> Parts:
    """Take a text with think tags apart.

    The opening tag may be missing (the chat template wrote it into the prompt), unless ``implicit``
    is false; the closing tag may never come; there may be several thoughts, and an answer before
    one. A tag in code is text, as is one that a sentence speaks of. While the text has not
    ``ended``, what could be half a tag is held back. ``expected``: a text without any tag is a
    thought.
    """
    walk = _Walk(text, ended=ended, expected=expected, implicit=implicit)
    rest = text[walk.at : walk.until]
    if not ended:
        rest = _hold_back(rest)
    if walk.inside or (expected and not walk.has_tags):
        walk.thoughts.append(rest)
    else:
        walk.answers.append((walk.at, rest))
    answers = [each for each in walk.answers if each[1].strip()]
    at, last = answers[-1] if answers else (0, "")
    return Parts(
        _joined(walk.thoughts),
        "\n\n".join([*(_trimmed(piece).rstrip() for _, piece in answers[:-1]), _trimmed(last)]),
        at + len(last) - len(last.lstrip()) if answers else None,
        "open" if walk.inside else "closed" if walk.has_tags else "none",
    )


class _Walk:
    """From tag to tag, in one pass. ``at``: where the piece begins that no tag has ended."""

    def __init__(self, text: str, *, ended: bool, expected: bool, implicit: bool) -> None:
        self.thoughts: list[str] = []
        self.answers: list[tuple[int, str]] = []
        self.at, self.until = 0, len(text)
        self.inside = self.has_tags = self._is_spoken_of = False
        self._text, self._ended, self._implicit = text, ended, implicit
        self._expected, self._early = expected, ended or expected
        most = _MOST_TAGS + 1
        found = ((at, at + len(tag)) for tag in _TAGS for at in islice(_places(text, tag), most))
        tags = sorted(found)[:most]
        fences = (at for mark in _FENCES for at in _places(text, mark)) if tags else ()
        self._fences = sorted(at for at in fences if _begins_line(text, at))
        self._seen = self._line = self._ticks = 0  # last tag's end, line's begin, its backticks
        self._next = {"\n": -1, "`": -1}
        for number, (start, end) in enumerate(tags[:_MOST_TAGS]):
            self._go_to(start)
            self._earlier = tags[number - 1][0] if number else -1
            self._has_later = number + 1 < len(tags)
            if text[start + 1] == "/":
                self._close(start, end)
            elif not self.inside and not self._open(start, end):
                break
            self._seen = end

    def _go_to(self, start: int) -> None:
        """Read from the last tag to the next one."""
        self._gap = self._text[self._seen : start]
        line = self._gap.rfind("\n") + 1
        if line:
            self._line = self._seen + line
        if line or self._seen == self.at:
            self._ticks = 0
        self._ticks += self._gap.count("`", line)
        # What stands on the tag's line before it, and whether an earlier tag does.
        self._before = self._gap[line:]
        self._is_behind_tag = self._seen > max(self.at, self._line)

    def _open(self, start: int, end: int) -> bool:
        """Take an opening tag. False: more of the text must come first."""
        if self._open_fence(start) is not None or self._in_backticks(end):
            return True
        if self._is_in_a_sentence(end):
            if end == len(self._text) and not self._ended:
                self.until = start
                return False
            self._is_spoken_of = True
            return True
        self.answers.append((self.at, self._text[self.at : start]))
        self.inside = self.has_tags = True
        self._begin_piece(end)
        return True

    def _close(self, start: int, end: int) -> None:
        if self.inside or (self._implicit and not self.has_tags):
            stands_alone = not (self._is_behind_tag or self._before.strip())
            fence = self._open_fence(start)
            if self._in_backticks(end) or (
                fence is not None and not self._leaves_fence(fence, end, alone=stands_alone)
            ):
                return
            if not self.inside:
                self._is_spoken_of |= self._sentence_goes_on(end)
                if self._is_spoken_of and not stands_alone:
                    return
            self.thoughts.append(self._text[self.at : start])
        elif self._seen > self.at or self._gap.strip():
            return  # a word of the answer
        # Else one of those that some engines leave at the start of an answer.
        self.inside, self.has_tags = False, True
        self._begin_piece(end)

    def _is_in_a_sentence(self, end: int) -> bool:
        """Return True behind a word, before a space, a sign, or the text's end."""
        last = self._before.rstrip(_SPACES)[-1:]
        after = self._text[end : end + 1]
        return bool(last) and last not in _SENTENCE_ENDS and after in _AFTER_A_WORD

    def _sentence_goes_on(self, end: int) -> bool:
        """Return True for a closing tag between two words, of which the second is no new begin."""
        if self._expected or self._before[-1:] not in _SPACES or not self._is_in_a_sentence(end):
            return False
        after = self._text[end : end + 2].lstrip(_SPACES)[:1]
        return not after or "a" <= after <= "z" or after in _AFTER_A_WORD

    def _in_backticks(self, end: int) -> bool:
        if self._ticks % 2 == 0:
            return False
        line_end = self._place_of("\n", end)
        if line_end == len(self._text) and not self._ended:
            return True  # the line goes on
        return self._place_of("`", end) < line_end

    def _place_of(self, mark: str, at: int) -> int:
        """Return where the next mark is, the text's end without one."""
        if self._next[mark] < at:
            place = self._text.find(mark, at)
            self._next[mark] = len(self._text) if place < 0 else place
        return self._next[mark]

    def _open_fence(self, start: int) -> int | None:
        """Return where the block of code begins that the tag is in."""
        first, behind = bisect_left(self._fences, self.at), bisect_left(self._fences, start)
        return self._fences[behind - 1] if (behind - first) % 2 else None

    def _begin_piece(self, end: int) -> None:
        """Go on behind a tag, where a fence needs no line of its own."""
        self.at = end
        ahead = self._text[end : end + 6]
        mark = ahead.lstrip(" ")
        spaces = len(ahead) - len(mark)
        if spaces <= 3 and mark.startswith(_FENCES):
            insort(self._fences, end + spaces)

    def _leaves_fence(self, fence: int, end: int, *, alone: bool) -> bool:
        """Return True where the thought ends although a block of code in it stays open."""
        if self._earlier > fence:
            return False  # a sample with both tags
        if (len(self._fences) - bisect_left(self._fences, end)) % 2:
            return False  # the block is closed further on
        if alone:
            return self.inside or self._early
        return self.inside and self._ended and not self._has_later


def _places(text: str, mark: str) -> Iterator[int]:
    at = text.find(mark)
    while at >= 0:
        yield at
        at = text.find(mark, at + len(mark))


def _begins_line(text: str, at: int) -> bool:
    """Return True where a line begins, at most three spaces before."""
    line = text.rfind("\n", max(0, at - 4), at) + 1
    return at - line <= 3 and not text[line:at].strip(" ")


def _trimmed(piece: str) -> str:
    """Return an answer without what stands empty before it; four spaces are code and stay."""
    begin = 0
    while (end := piece.find("\n", begin)) >= 0:
        if piece[begin:end].removesuffix("\r").strip(" \t"):
            break
        begin = end + 1
    rest = piece[begin:]
    return rest if rest.startswith(("    ", "\t")) else rest.lstrip()


def _hold_back(text: str) -> str:
    for length in range(min(max(map(len, _TAGS)) - 1, len(text)), 0, -1):
        if any(tag.startswith(text[-length:]) and tag != text[-length:] for tag in _TAGS):
            return text[:-length]
    return text


def _joined(pieces: list[str]) -> str:
    return "\n\n".join(text for piece in pieces if (text := piece.strip()))


def tagged(reasoning: str, answer: str) -> str:
    """Return one text of both, as an engine without a field for reasoning sends it."""
    # In lines of its own: a backtick of the thought does not make the tag code.
    end = f"\n</think>\n\n{answer}" if answer else ""
    return f"<think>{reasoning}{end}"
