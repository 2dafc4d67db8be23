"""``sonnet.txt``: as many lines as the real file has, of no poem at all."""

from functools import lru_cache

from simulator.lib import questions

LINES = 518


@lru_cache(maxsize=1)
def text() -> str:
    """The file."""
    return "".join(questions.prose(f"sonnet {n}", 8) + "\n" for n in range(LINES))
