"""Seeds of the requests that a benchmark sends: cold prompts, unless a person fixed the seed."""

from __future__ import annotations

from collections.abc import Sequence

COLD = "cold.py"  # makes prompts new by a seed
_DIGITS = 2  # of the place in the list of concurrencies, which holds twelve at most


def seed_word(fixed: int | None, place: int) -> str:
    """The seed at the ``place``-th concurrency, from 1, as an argument of a plan.

    ``fixed`` is used as it is. Without it the job's number and the place make one that no other
    concurrency of no other job has: two runs that send the same prompts to an engine with a prefix
    cache measure the cache. The number is a slot, so a retry has the same plan and other seeds.
    """
    return str(fixed) if fixed is not None else f"{{job}}{place:0{_DIGITS}d}"


def seed_words(fixed: int | None, concurrencies: Sequence[int]) -> str:
    """The seeds of all concurrencies, as cold.py reads them: "1=1701,4=1702"."""
    pairs = enumerate(concurrencies, start=1)
    return ",".join(f"{concurrency}={seed_word(fixed, place)}" for place, concurrency in pairs)
