"""Prompts that no engine has seen before, from lines and a seed.

    cold.py --requests 20 --seeds 1=1701,4=1702 LINES

An engine with a prefix cache keeps what prompts have in common from their beginning. So each line
is sent behind a short mark of its own ("k3f9q2: Why is the sky …"), in an order of its own. Both
come from the seed of a concurrency: the same seed makes the same prompts. As a program it writes a
file for each concurrency into the working folder, with as many prompts as there are requests:
prompts-20-at-1.txt, prompts-20-at-4.txt.
"""

import argparse
import random
from itertools import islice
from pathlib import Path

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
MARK = 6  # letters: a mark is met again once in a billion times


def seeds_of(text):
    """Concurrency -> seed, from "1=1701,4=1702"."""
    pairs = (pair.split("=") for pair in text.split(","))
    return {int(concurrency): int(seed) for concurrency, seed in pairs}


def lines_of(path):
    """The lines of a file, without empty ones."""
    text = Path(path).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def cold(lines, seed):
    """Prompts without an end, none like another."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable
    while True:
        for line in chance.sample(lines, len(lines)):
            yield f"{''.join(chance.choices(LETTERS, k=MARK))}: {line}"


def main():
    """Write a file for each concurrency."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seeds", type=seeds_of, required=True)
    parser.add_argument("lines", type=lines_of)
    args = parser.parse_args()
    for concurrency, seed in args.seeds.items():
        prompts = islice(cold(args.lines, seed), args.requests)
        Path(f"prompts-{args.requests}-at-{concurrency}.txt").write_text(
            "".join(f"{prompt}\n" for prompt in prompts), encoding="utf-8"
        )
        print(f"concurrency {concurrency}: {args.requests} new prompts, seed {seed}", flush=True)


if __name__ == "__main__":
    main()
