"""Prompts of a chosen length in tokens, from a tokenizer and a seed.

    sized.py --tokens 512 --requests 20 --seeds 1=1701,4=1702 FOLDER

Writes JSON lines with the key "prompt" for each concurrency: prompts-20-at-1.jsonl. FOLDER is that
of a model and has tokenizer.json. A prompt is a row of random words that are one token each, made
by the seed, so it has exactly as many tokens as asked, without those of the chat template.
"""

import argparse
import json
import random
import re
import sys
from pathlib import Path

WORD = re.compile(r"[a-z]{3,12}")
FEWEST = 200  # words: with fewer, prompts would begin alike


def words_of(tokenizer):
    """Words that are one token behind a space, in the order of the alphabet."""
    texts = {tokenizer.decode([number]).strip() for number in range(tokenizer.get_vocab_size())}
    words = sorted(text for text in texts if WORD.fullmatch(text))
    alone = length(tokenizer, "of")
    return [word for word in words if length(tokenizer, f"of {word}") == alone + 1]


def length(tokenizer, text):
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def sized(tokenizer, words, tokens, chance):
    """A prompt of exactly so many tokens; of the next length where words cannot make it."""
    text = chance.choices(words, k=tokens)
    while len(text) > 1 and length(tokenizer, " ".join(text)) > tokens:
        text.pop()
    while length(tokenizer, " ".join(text)) < tokens:
        text.append(chance.choice(words))
    return " ".join(text)


def main():
    from cold import seeds_of  # noqa: PLC0415 -- beside this file, in the job's folder
    from tokenizers import Tokenizer  # noqa: PLC0415 -- of the tool's environment

    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seeds", type=seeds_of, required=True)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    path = args.folder / "tokenizer.json"
    if not path.is_file():
        sys.exit(f"tokenizer.json is missing in {args.folder}: choose other prompts")
    tokenizer = Tokenizer.from_file(str(path))
    words = words_of(tokenizer)
    if len(words) < FEWEST:
        sys.exit(f"{path} has {len(words)} whole words of English: choose other prompts")
    for concurrency, seed in args.seeds.items():
        chance = random.Random(seed)  # noqa: S311 -- repeatable
        prompts = [sized(tokenizer, words, args.tokens, chance) for _ in range(args.requests)]
        name = f"prompts-{args.requests}-at-{concurrency}.jsonl"
        Path(name).write_text(
            "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts), encoding="utf-8"
        )
        lengths = [length(tokenizer, prompt) for prompt in prompts]
        print(
            f"{name}: {args.requests} new prompts of {min(lengths)} to "
            f"{max(lengths)} tokens, seed {seed}",
            flush=True,
        )


if __name__ == "__main__":
    main()
