"""Where a model's thought ends: in a stream, and in a whole text that a tool wrote.

:func:`parts` has a twin for the browser, ``static/js/lib/reasoning.js``. Both are held to
``tests/data/reasoning_vectors.json``.
"""

import re
from itertools import islice
from typing import Literal, NamedTuple

_TAG = re.compile(r"<(/?)think(?:ing)?>")
_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)+")
# Each tag costs a look at the text before it. No answer has so many; the rest is text.
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
    answers = [(at, answer) for at, piece in walk.answers if (answer := _trimmed(piece))]
    at, last = answers[-1] if answers else (0, "")
    return Parts(
        _joined(walk.thoughts),
        "\n\n".join([*(answer.rstrip() for _, answer in answers[:-1]), last]),
        text.index(last.lstrip(), at) if answers else None,
    )


class _Walk:
    """From tag to tag. ``at``: where the piece begins that no tag has ended."""

    def __init__(self, text: str, *, ended: bool, expected: bool, implicit: bool) -> None:
        self.thoughts: list[str] = []
        self.answers: list[tuple[int, str]] = []
        self.at, self.until = 0, len(text)
        self.inside = self.has_tags = self._is_spoken_of = False
        self._text, self._ended, self._implicit = text, ended, implicit
        self._early = ended or expected
        for tag in islice(_TAG.finditer(text), _MOST_TAGS):
            if tag[1]:
                self._close(tag)
            elif not self.inside and not self._open(tag):
                break

    def _open(self, tag: re.Match[str]) -> bool:
        """Take an opening tag. False: more of the text must come first."""
        before = self._text[self.at : tag.start()]
        if _in_fence(before) or self._in_backticks(tag):
            return True
        after = self._text[tag.end() : tag.end() + 1]
        line = before[before.rfind("\n") + 1 :].rstrip(" \t")
        if line and line[-1] not in _SENTENCE_ENDS:
            if not after and not self._ended:
                self.until = tag.start()
                return False
            if after and after in _AFTER_A_WORD:
                self._is_spoken_of = True
                return True
        self.answers.append((self.at, before))
        self.inside = self.has_tags = True
        self.at = tag.end()
        return True

    def _close(self, tag: re.Match[str]) -> None:
        before = self._text[self.at : tag.start()]
        if self.inside or (self._implicit and not self.has_tags):
            stands_alone = not before[before.rfind("\n") + 1 :].strip()
            if self._in_backticks(tag) or (
                _in_fence(before) and not self._leaves_fence(tag, before, alone=stands_alone)
            ):
                return
            if not self.inside and self._is_spoken_of and not stands_alone:
                return
            self.thoughts.append(before)
        elif before.strip():
            return  # a word of the answer
        # Else one of those that some engines leave at the start of an answer.
        self.inside, self.has_tags = False, True
        self.at = tag.end()

    def _in_backticks(self, tag: re.Match[str]) -> bool:
        begin = max(self.at, self._text.rfind("\n", self.at, tag.start()) + 1)
        if self._text.count("`", begin, tag.start()) % 2 == 0:
            return False
        end = self._text.find("\n", tag.end())
        if end < 0 and not self._ended:
            return True  # the line goes on
        return self._text.find("`", tag.end(), end if end >= 0 else len(self._text)) >= 0

    def _leaves_fence(self, tag: re.Match[str], before: str, *, alone: bool) -> bool:
        """Return True where the thought ends although a block of code in it stays open."""
        fences = list(_FENCE.finditer(before))
        if _TAG.search(before, fences[-1].end()):
            return False  # a sample with both tags
        if len(_FENCE.findall(self._text, tag.end())) % 2:
            return False  # the block is closed further on
        if alone:
            return self.inside or self._early
        return self.inside and self._ended and not _TAG.search(self._text, tag.end())


def _in_fence(before: str) -> bool:
    return len(_FENCE.findall(before)) % 2 == 1


def _trimmed(piece: str) -> str:
    """Return an answer without what stands empty before it; four spaces are code and stay."""
    lines = _BLANK_LINES.match(piece)
    rest = piece[lines.end() :] if lines else piece
    if not rest.strip():
        return ""
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
