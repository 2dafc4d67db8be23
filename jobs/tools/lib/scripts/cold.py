"""Prompts that no engine has seen before, from lines and a seed.

    cold.py --requests 20 --seeds 1=1701,4=1702 LINES

A prefix cache keeps what prompts have in common from their beginning. So each line is sent behind a
short mark of its own ("k3f9q2: Why is the sky …"), in an order of its own; both come from the seed
of a concurrency. The program writes a file for each concurrency into the working folder, with as
many prompts as requests: prompts-20-at-1.txt, prompts-20-at-4.txt. LINES with the suffix .jsonl are
objects with the key "prompt", and so are the files then: prompts-20-at-1.jsonl.
"""

import argparse
import json
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
    """The prompts of a file: its lines without empty ones, or those of its JSON lines."""
    text = Path(path).read_text(encoding="utf-8")
    if is_json(path):
        return [json.loads(line)["prompt"] for line in text.split("\n") if line]
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_json(path):
    return Path(path).suffix == ".jsonl"


def cold(lines, seed):
    """Prompts without an end, none like another."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable
    while True:
        for line in chance.sample(lines, len(lines)):
            yield f"{''.join(chance.choices(LETTERS, k=MARK))}: {line}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seeds", type=seeds_of, required=True)
    parser.add_argument("lines", type=Path)
    args = parser.parse_args()
    lines, as_json = lines_of(args.lines), is_json(args.lines)
    for concurrency, seed in args.seeds.items():
        prompts = islice(cold(lines, seed), args.requests)
        name = f"prompts-{args.requests}-at-{concurrency}{'.jsonl' if as_json else '.txt'}"
        written = (json.dumps({"prompt": one}) if as_json else one for one in prompts)
        Path(name).write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
        print(f"{name}: {args.requests} new prompts, seed {seed}", flush=True)


if __name__ == "__main__":
    main()
