"""Where a model's thought ends: in a stream, and in a whole text that a tool wrote.

:func:`parts` has a twin for the browser, ``static/js/lib/reasoning.js``. Both are held to
``tests/data/reasoning_vectors.json``.
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
_AFTER_A_WORD = " \t.,;:!?)\"'，。、；：！？”’）"
_OPEN, _CLOSE = "<think>", "</think>"
# As in jobs.host.scoring: elsewhere in a whole text a tag is spoken of.
_BEFORE, _SPACES = ".!?。！？:：>\n", " \t"


class Parts(NamedTuple):
    """A text taken apart. ``answer_at``: where in it the (last part of the) answer begins."""

    reasoning: str
    answer: str
    answer_at: int | None = None


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
    )


class _Walk:
    """From tag to tag, in one pass. ``at``: where the piece begins that no tag has ended."""

    def __init__(self, text: str, *, ended: bool, expected: bool, implicit: bool) -> None:
        self.thoughts: list[str] = []
        self.answers: list[tuple[int, str]] = []
        self.at, self.until = 0, len(text)
        self.inside = self.has_tags = self._is_spoken_of = False
        self._text, self._ended, self._implicit = text, ended, implicit
        self._early = ended or expected
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
        after = self._text[end : end + 1]
        last = self._before.rstrip(" \t")[-1:]
        if last and last not in _SENTENCE_ENDS:
            if not after and not self._ended:
                self.until = start
                return False
            if after and after in _AFTER_A_WORD:
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
            if not self.inside and self._is_spoken_of and not stands_alone:
                return
            self.thoughts.append(self._text[self.at : start])
        elif self._seen > self.at or self._gap.strip():
            return  # a word of the answer
        # Else one of those that some engines leave at the start of an answer.
        self.inside, self.has_tags = False, True
        self._begin_piece(end)

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


def split_text(text: str) -> tuple[str, str]:
    """Return ``(reasoning, answer)`` of a whole text with think tags, which are left out; the first
    opening one may be missing. Several thoughts are joined, and so is what stands between them. A
    text cut off in its only thought has an empty answer."""
    if tagged(text) == "none":
        return "", text
    answers, thoughts = _pieces(text.strip())
    before, close, after = answers[0].partition(_CLOSE)
    if close:
        answers[0], thoughts = after, [before, *thoughts]
    return _joined(thoughts), _joined(answers)


def _pieces(text: str) -> tuple[list[str], list[str]]:
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
    """Return whether the reasoning of a whole text ended: "none" without tags."""
    if _CLOSE in text:
        return "closed"
    return "open" if text.lstrip().startswith(_OPEN) else "none"
