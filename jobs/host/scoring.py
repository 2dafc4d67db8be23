"""Rules by which an answer to a question of the shipped sets is right.

One implementation for all who score: EvalScope and OpenCompass on the host run it as a file of the
plan (``ask_and_score.py``, ``opencompass_questions.py``). Standard library only, no import of this
project, because a plan's file stands alone.

:func:`score` takes a question as a plan's ``<subset>.jsonl`` has it, and an answer without its
thoughts (``reasoning.py``, which lies beside it).
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# Part of a result's tool: results that other rules scored are not repeats of each other.
VERSION = 5
LETTERS = "ABCDEFGHIJ"

_SPACES = re.compile(r"\s+")
_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?([^{}]*)\}")
# Where a sentence ends: every such place, hence the lookahead.
_SENTENCE_END = re.compile(r"(?=(?<=[!?])\s|\.(?:\s|$)|[。!?\n]|\bbecause\b|因为)")


class ScoreVerdict(NamedTuple):
    """``rule`` says why, see :data:`RULES`; ``taken`` is what was taken for the answer."""

    right: bool
    taken: str
    rule: str


RULES = (
    "number",  # it concludes with a number, which was compared as one
    "no_number",  # it has no number but those of the question
    "several_numbers",  # it names two for the same thing
    "text",  # an accepted text was looked for
    "letter",  # it names a letter
    "letter_by_text",  # it is the text of one choice
    "letter_contradicted",  # the letter stands with the text of another choice
    "no_letter",  # it names no letter, or only lists the choices
    "empty",  # nothing came after the thought
)


def score(question: Mapping[str, Any], answer: str, *, cut: bool = False) -> ScoreVerdict:
    """Whether ``answer`` is right. ``question`` has ``question``, ``answers`` and, of a choice, the
    text of each letter; ``not_in`` lists phrases in which an accepted text does not count. ``cut``:
    the answer ended at the limit of tokens. A number in its unfinished sentence counts then only as
    a conclusion: after "so", "the answer is", …, or as what an equation comes to."""
    text = unicodedata.normalize("NFKC", answer).strip()
    if not text:
        return ScoreVerdict(right=False, taken="", rule="empty")
    accepted = [str(one) for one in question["answers"]]
    choices = {letter: str(question[letter]) for letter in LETTERS if letter in question}
    if choices:
        return _choice(text, choices, accepted)
    wanted = {value for value in map(_whole_number, accepted) if value is not None}
    if wanted:
        return _number(text, str(question["question"]), wanted, cut=cut)
    return _text(text, str(question["question"]), accepted, question.get("not_in") or ())


def plain(text: str) -> str:
    """In the form in which texts are compared."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


# Texts

_ANSWER_IS = re.compile(r"\banswer is\b|^[^\w\n]*(?:final )?answer\W*:|答案是|答案\W*:", re.M)
# What is named so is denied, compared with, or one of several.
_DENIED = re.compile(
    r"(?:\bnot|n't|\bthan|\bcan also be|不是|并非|而非)\W*"
    r"(?:(?:an?|the|called|muted|shade|of)\W+)*$"
)
_NEAR = 200  # characters before a text or a number in which is looked for what bears on it


def _text(text: str, question: str, accepted: Sequence[str], not_in: Sequence[str]) -> ScoreVerdict:
    rest = plain(text).replace(plain(question).rstrip("? "), " ")
    for phrase in not_in:
        rest = rest.replace(plain(phrase), " ")
    cues = list(_ANSWER_IS.finditer(rest))
    concluded = rest[cues[-1].end() :] if cues else rest
    for one in accepted:
        for found in re.finditer(_as_word(plain(one)), concluded):
            near = max(0, found.start() - _NEAR)
            if not _DENIED.search(concluded, near, found.start()):
                return ScoreVerdict(right=True, taken=one, rule="text")
    return ScoreVerdict(right=False, taken="", rule="text")


def _as_word(item: str) -> str:
    """No letter or digit beside it; Chinese has no spaces between words, there the text counts."""
    before = r"(?<![a-z0-9])" if item[:1].isascii() and item[:1].isalnum() else ""
    after = r"(?![a-z0-9])" if item[-1:].isascii() and item[-1:].isalnum() else ""
    return before + re.escape(item) + after


# Numbers

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: value for value, word in enumerate(_ONES)}
_WORDS.update({word: 10 * tens for tens, word in enumerate(_TENS, 2)})
_TIMES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_WORD = "|".join(sorted([*_WORDS, *_TIMES], key=len, reverse=True))
_SMALL = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_ONES[1:10])}))?|{'|'.join(reversed(_ONES))})"
)
_SPOKEN = rf"{_SMALL}(?:(?:[ -](?:{'|'.join(_TIMES)}))+(?:(?: and |,? |-){_SMALL})?)*"
_HAN = {"两": 2, **{han: value for value, han in enumerate("零一二三四五六七八九")}}
_HAN_TIMES = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_NUMBER = re.compile(
    # A minus right before a digit is its own, unless another number ends there ("10-4").
    r"(?P<digits>(?<![a-z\d.])(?<!\d-)-?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)"
    r"|(?<![a-z\d.])(?:(?<![\d)])-)?\d+(?:\.\d+)?)(?!\d|st\b|nd\b|rd\b|th\b)"
    rf"|\b(?P<words>{_SPOKEN})\b"
    rf"|(?P<han>[{''.join(_HAN)}{''.join(_HAN_TIMES)}]+)"
)
# Begun at the first of several empty lines alone: from each of them would take their square.
_LISTED = re.compile(r"^(?<!\n\n)\s*\d{1,2}[.)][ \t]+(?=\S)", re.M)
_CUE = re.compile(
    rf"{_ANSWER_IS.pattern}|\banswer:|\btherefore\b|\bthus\b|\bhence\b|\btotal(?:s|ing|ling)?\b"
    r"|^so\b|(?<=[.!?] )so\b|\bso,? (?:the|he|she|it|we|you|there|tom)\b|所以|因此|一共|总共|共有",
    re.M,
)
# The answer itself calls the number before it wrong.
_WRONG = re.compile(
    r"\W*(?:which )?(?:is(?:n't| not) (?:possible|correct|right)|is (?:incorrect|wrong))\b"
)
_UNIT = re.compile(r"\W*([a-z]+)")
_OR = re.compile(r"(?:\bor|或者?)\W*$")
# Numbers of the question with one of these between them are not its restatement.
_BETWEEN = re.compile(rf"=|{_CUE.pattern}|\bequals?\b|等于", re.M)
# Directly before a number: the number is the answer, although the question has it too.
_CONCLUDES = re.compile(rf"(?:{_ANSWER_IS.pattern}|\banswer:)\W*$", re.M)


class _Found(NamedTuple):
    value: float
    start: int
    end: int


class _Sentences:
    """The numbers of a text by its sentences. Answers of thousands of lines are real: a sentence is
    looked up, not searched for among all numbers."""

    def __init__(self, text: str, left: list[_Found]) -> None:
        self._left = left
        self._starts = [one.start for one in left]
        self._number_ends = [one.end for one in left]
        self._ends = [match.start() for match in _SENTENCE_END.finditer(text)]
        self._length = len(text)

    def numbers(self, start: int) -> list[_Found]:
        """Numbers from ``start`` to the end of the sentence."""
        found = bisect_left(self._ends, start)
        end = self._ends[found] if found < len(self._ends) else self._length
        first, last = bisect_left(self._starts, start), bisect_right(self._number_ends, end)
        return self._left[first:last]


def _number(text: str, question: str, wanted: set[float], *, cut: bool) -> ScoreVerdict:
    text = plain_lines(text)
    boxed = [_whole_number(one) for one in _BOXED.findall(text)]
    if boxed and boxed[-1] is not None:
        return ScoreVerdict(boxed[-1] in wanted, _shown(boxed[-1]), "number")
    if _LISTED.match(text) and text.lstrip().startswith("1"):
        text = _LISTED.sub("", text)
    asked, left = _without_question(text, question, wanted)
    if cut:
        left = _without_unfinished(text, left)
    sentences = _Sentences(text, left)
    concluded = _concluded(text, left, asked, sentences)
    if concluded is None:
        return ScoreVerdict(right=False, taken="", rule="no_number")
    other = _alternative(text, concluded, sentences)
    if other is not None:
        taken = f"{_shown(concluded.value)}, {_shown(other)}"
        return ScoreVerdict(right=False, taken=taken, rule="several_numbers")
    return ScoreVerdict(concluded.value in wanted, _shown(concluded.value), "number")


def plain_lines(text: str) -> str:
    """As :func:`plain`, with the lines kept, and no emphasis of Markdown."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("**", "").replace("−", "-")
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.splitlines())


def numbers(text: str) -> list[_Found]:
    """The numbers of a text in :func:`plain_lines`' form: digits, English and Chinese words."""
    found = []
    for match in _NUMBER.finditer(text):
        if match["digits"]:
            value: float | None = float(match["digits"].replace(",", ""))
        elif match["words"]:
            value = _of_words(match["words"])
        else:
            value = _of_han(match["han"])
        if value is not None:
            found.append(_Found(value, match.start(), match.end()))
    return found


def _without_question(
    text: str, question: str, wanted: set[float]
) -> tuple[list[float], list[_Found]]:
    """Numbers of the question, and those of the answer without them where it is restated. "One",
    which is an article or a unit ("1 week") more often than a count, is left out unless it is
    wanted."""
    keep_one = 1.0 in wanted
    asked = [one.value for one in numbers(plain_lines(question)) if keep_one or one.value != 1]
    left = [one for one in numbers(text) if keep_one or one.value != 1]
    left = [one for one in left if not _WRONG.match(text, one.end)]
    if _whole_number(text) is not None:  # the answer says nothing else
        return asked, left
    kept, index = list[_Found](), 0
    while asked and index + len(asked) <= len(left):
        span = left[index : index + len(asked)]
        between = text[span[0].end : span[-1].start]
        is_said = _CONCLUDES.search(text, max(0, span[0].start - _NEAR), span[0].start)
        if [one.value for one in span] == asked and not (is_said or _BETWEEN.search(between)):
            index += len(asked)
        else:
            kept.append(left[index])
            index += 1
    return asked, kept + left[index:]


def _without_unfinished(text: str, left: list[_Found]) -> list[_Found]:
    """Of a text that was cut off: numbers that were said to their end and conclude something."""
    begin = max((match.start() for match in _SENTENCE_END.finditer(text)), default=0)
    cue = _CUE.search(text, begin)
    return [
        one
        for one in left
        if one.start < begin
        or (one.end < len(text) and (_is_result(text, one) or (cue and cue.end() <= one.start)))
    ]


def _concluded(
    text: str, left: list[_Found], asked: Sequence[float], by_sentence: _Sentences
) -> _Found | None:
    """The number after the last "the answer is", "so", …; else of the last sentence where the
    answer calculates in several, else of the first with a number. There it is what an equation
    comes to, else the first."""
    for cue in reversed(list(_CUE.finditer(text))):
        sentence = by_sentence.numbers(cue.end())
        if sentence:
            return _result(text, sentence, asked)
    sentences: list[list[_Found]] = []
    for one in left:
        if not sentences or not sentences[-1] or one.start > sentences[-1][-1].start:
            sentences.append(by_sentence.numbers(one.start))
    if not sentences:
        return None
    calculates = sum(any(_is_result(text, one) for one in each) for each in sentences)
    return _result(text, sentences[-1 if calculates > 1 else 0], asked)


def _result(text: str, sentence: list[_Found], asked: Sequence[float]) -> _Found:
    """What the last equation comes to, unless that is a number of the question: then it is a check
    ("9 * 9 = 81"). Without one the first number."""
    for one in reversed(sentence):
        if one.value not in asked and _is_result(text, one):
            return one
    return sentence[0]


def _is_result(text: str, number: _Found) -> bool:
    before = text[max(0, number.start - _NEAR) : number.start]
    return before.rstrip().endswith(("=", "equals", "等于"))


def _alternative(text: str, taken: _Found, sentences: _Sentences) -> float | None:
    """Another number that the same sentence offers for the same thing: "7 days, or 10 days"."""
    unit = _UNIT.match(text, taken.end)
    if unit is None:
        return None
    same = re.compile(rf"\W*{unit[1]}\b")
    for one in sentences.numbers(taken.end):
        is_other = _OR.search(text, max(0, one.start - _NEAR), one.start)
        if is_other and one.value != taken.value and same.match(text, one.end):
            return one.value
    return None


def _whole_number(text: str) -> float | None:
    """The value of a text that is one number and nothing else."""
    text = plain_lines(text).strip(" .。")
    found = _NUMBER.fullmatch(text)
    return numbers(text)[0].value if found and numbers(text) else None


def _of_words(words: str) -> float:
    total = part = 0.0  # a model in a loop says "hundred" hundreds of times
    for word in re.findall(_WORD, words):
        if word in _WORDS:
            part += _WORDS[word]
        elif word == "hundred":
            part = max(1.0, part) * 100
        else:
            total, part = total + max(1.0, part) * _TIMES[word], 0.0
    return total + part


def _of_han(text: str) -> float | None:
    """三百五十, 二十四, 两; None for what is no number, such as 一二三."""
    total, digit = 0, None
    for han in text:
        if han in _HAN_TIMES:
            total += (1 if digit is None else digit) * _HAN_TIMES[han]
            digit = None
        elif digit in (None, 0):
            digit = _HAN[han]
        else:
            return None
    return float(total + (digit or 0))


def _shown(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e15 else f"{value:.0f}"


# Choices

_NAMED = re.compile(r"(?<![A-Za-z0-9])([A-J])(?=[)\]}.:,;*。、]|\s*$)", re.M)
_LETTER_AFTER_CUE = re.compile(
    r"(?:[Aa]nswer is|[Aa]nswer\W*:|答案是|答案\W*:|选择?|\\boxed\{)"
    r"[\s*(\"'“{]*([A-J])(?![A-Za-z0-9])"
)
_LIST_LINE = re.compile(r"^[\s*(]*([A-J])[\s*]*(?:[).:、].*)?$")


def _choice(text: str, choices: Mapping[str, str], accepted: Sequence[str]) -> ScoreVerdict:
    left = _without_lists(text)
    named = [m for m in _LETTER_AFTER_CUE.finditer(left) if m[1] in choices]
    named = named or [m for m in _NAMED.finditer(left) if m[1] in choices]
    if not named:
        whole = plain(text).strip(" .。!")
        by_text = [letter for letter, choice in choices.items() if plain(choice) == whole]
        if len(by_text) == 1:
            return ScoreVerdict(by_text[0] in accepted, by_text[0], "letter_by_text")
        return ScoreVerdict(right=False, taken="", rule="no_letter")
    letter = named[-1][1]
    line = left[named[-1].end() :].partition("\n")[0]
    beside = plain(re.sub(r"^[)\]}.:,;*。、\s]+", "", line)).strip(" .。")
    others = {plain(choice) for name, choice in choices.items() if name != letter}
    if beside and beside in others and beside != plain(choices[letter]):
        taken = f"{letter}) {beside}"
        return ScoreVerdict(right=False, taken=taken, rule="letter_contradicted")
    return ScoreVerdict(right=letter in accepted, taken=letter, rule="letter")


def _without_lists(text: str) -> str:
    """The text without runs of lines that name three letters or more: the choices, repeated."""
    kept: list[str] = []
    run: list[tuple[str, str]] = []
    for line in [*text.splitlines(), ""]:
        listed = _LIST_LINE.match(line)
        if listed:
            run.append((listed[1], line))
            continue
        if len({letter for letter, _line in run}) < 3:
            kept += [each for _letter, each in run]
        run = []
        kept.append(line)
    return "\n".join(kept).strip()
