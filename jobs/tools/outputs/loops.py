"""Loops in a model's text: the same words again and again, until a limit ends them.

Two signs, both of *verbatim* repetition. Lines of a table, of code or of a count are alike but not
equal, so they are none.

- A run: one stretch of text follows itself at least :data:`TIMES` times, at the end of the text or
  at the end of one of its windows. Holtzman et al. (2020, arXiv 1904.09751) call a generation
  repetitive from three repeats of a phrase at its end; one more here, because a thought states a
  step two or three times when it checks itself.
- A window, or the whole text, that consists mostly of sentences which occur :data:`TIMES` times in
  it. Sampling at temperature 0.6 shuffles the sentences of a loop, so that no run is exact. In
  human text 0.02 % of sentences follow themselves (Xu et al. 2022, arXiv 2206.02369); a reasoning
  text that works repeats a fifth of a window at most ("Wait, let me check that").

Each character is read a fixed number of times: linear in the length of the text.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

MOST = 2_000_000  # characters that are read, from the end
TIMES = 4
# A run of fewer characters may be meant: a refrain, a row of a matrix, a line of dashes.
SHORTEST_RUN = 400
# A window has about 1,000 tokens: a loop of a minute fills several.
WINDOW = 4_000
MOSTLY = 0.7  # of a window
MOSTLY_ALL = 0.5  # of a whole text of several windows: the stretch that repeats is long
# Shorter sentences repeat by nature: "}", "Yes.", "x = 2".
SHORTEST = 12
_LEAST = 800  # characters of repeated sentences
_PROBE = 32
_TRIES = 64
_SENTENCE_ENDS = (". ", "! ", "? ", "; ", "。", "！", "？", "；")


def loops(text: str) -> bool:
    text = text[-MOST:]
    if len(text) < SHORTEST_RUN:
        return False
    ends = range(len(text), 0, -WINDOW)
    return any(_ends_in_run(text[max(0, end - 2 * WINDOW) : end]) for end in ends) or _repeats(text)


def _ends_in_run(text: str) -> bool:
    """Return True if a text ends in equal stretches, the last one cut anywhere."""
    probe, at = text[-_PROBE:], len(text) - _PROBE
    for _ in range(_TRIES):
        at = text.rfind(probe, 0, at + _PROBE - 1)
        period = len(text) - _PROBE - at
        span = max(TIMES * period, SHORTEST_RUN)
        if at < 0 or span > len(text):
            return False
        run = text[-span:]
        if run[period:] == run[:-period]:
            return True
    return False


def _repeats(text: str) -> bool:
    """Return True if a window or the whole text consists mostly of repeated sentences."""
    for end in _SENTENCE_ENDS:
        text = text.replace(end, "\n")
    sentences = [one.strip() for one in text.split("\n")]
    windows = list(_windows(sentences))
    if len(windows) > 1 and _share(sentences) >= MOSTLY_ALL:
        return True
    return any(_share(window) >= MOSTLY for window in windows)


def _windows(sentences: Sequence[str]) -> Iterator[Sequence[str]]:
    """Return windows of sentences; each begins in the middle of the one before."""
    halves: list[list[str]] = [[]]
    length = 0
    for sentence in sentences:
        halves[-1].append(sentence)
        length += len(sentence)
        if length >= WINDOW / 2:
            halves.append([])
            length = 0
    if len(halves) == 1:
        yield halves[0]
    for first, second in pairwise(halves):
        yield [*first, *second]


def _share(sentences: Sequence[str]) -> float:
    """Return the share of characters in sentences that occur :data:`TIMES` times; 0 for few."""
    counts = Counter(sentences)
    repeated = sum(n * len(one) for one, n in counts.items() if n >= TIMES and len(one) >= SHORTEST)
    if repeated < _LEAST:
        return 0.0
    return repeated / sum(map(len, sentences))
