"""Seeds of benchmark requests: cold prompts, unless the seed is fixed."""

from __future__ import annotations

from collections.abc import Sequence

COLD = "cold.py"  # makes prompts unique by a seed
_DIGITS = 2  # for the index in the list of concurrencies, at most twelve


def seed_word(fixed: int | None, place: int) -> str:
    """Return the seed of the ``place``-th concurrency, from 1, as an argument of a plan.

    ``fixed`` is used unchanged. Otherwise job id and place give a unique seed: repeated prompts
    would measure the engine's prefix cache. The id is a slot, so a retry has the same plan but new
    seeds.
    """
    return str(fixed) if fixed is not None else f"{{job}}{place:0{_DIGITS}d}"


def seeds_text(fixed: int | None, concurrencies: Sequence[int]) -> str:
    """Return the seeds of all concurrencies for cold.py: "1=1701,4=1702"."""
    pairs = enumerate(concurrencies, start=1)
    return ",".join(f"{concurrency}={seed_word(fixed, place)}" for place, concurrency in pairs)
