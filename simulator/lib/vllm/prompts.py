"""Prompts for the benchmarks: of the sonnet, random words, or ShareGPT's conversations."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from simulator.lib import questions, world
from simulator.lib.vllm import tokens

BASE = "Pick as many lines as you can from these poem lines:\n"


@dataclass(frozen=True)
class Prompt:
    """A prompt, its length in tokens, and the tokens wanted back."""

    text: str
    tokens: int
    output: int


class DatasetError(Exception):
    """A data set that cannot be used; the text is the last line of the real traceback."""


def check_tokenizer(path: str) -> None:
    """See that a tokenizer can be read there.

    Raises:
        DatasetError: it cannot.
    """
    folder = world.real(path)
    names = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
    if not any((folder / name).is_file() for name in names):
        raise DatasetError(
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or "
            f"'namespace/repo_name': '{path}'. Use `repo_type` argument if needed."
            if path.startswith("/")
            else f"OSError: {path} is not a local folder and is not a valid model identifier "
            "listed on 'https://huggingface.co/models'"
        )


def exactly(count: int, seed: object) -> str:
    """Random words of so many tokens."""
    pieces: list[str] = []
    part = 0
    while len(pieces) < count:
        part += 1
        pieces += tokens.split(questions.prose((seed, part), 80) + " ")
    text = "".join(pieces[:count])
    # Cut in the middle of a word, a piece may join another way: end with whole ones.
    while tokens.count(text) > count:
        text = text[:-1]
    return text


def random_words(
    number: int, low: int, high: int, output: tuple[int, int], seed: int
) -> list[Prompt]:
    """``number`` prompts of ``low`` to ``high`` tokens."""
    dice = random.Random(seed)
    prompts = []
    for at in range(number):
        text = exactly(dice.randint(low, high), ("random", seed, at))
        prompts.append(Prompt(text, tokens.count(text), dice.randint(*output)))
    return prompts


def sonnet(path: str, number: int, sizes: tuple[int, int, int], seed: int) -> list[Prompt]:
    """Prompts of a poem's lines; ``sizes``: tokens of input, output and common beginning.

    Raises:
        DatasetError: no file, or lengths that cannot be.
    """
    size, output, prefix = sizes
    lines = _read(path).splitlines(keepends=True)
    base = tokens.count(BASE)
    if not size > prefix:
        raise DatasetError(
            "AssertionError: 'args.sonnet-input-len' must be greater than 'args.prefix-input-len'."
        )
    if not prefix > base:
        raise DatasetError(f"AssertionError: 'args.sonnet-prefix-len' must be higher than {base}.")
    average = sum(map(tokens.count, lines)) / len(lines)
    dice = random.Random(seed)
    first = lines[: round((prefix - base) / average)]
    wanted = round((size - base) / average)
    prompts = []
    for _ in range(number):
        rest = dice.choices(lines, k=max(0, wanted - len(first)))
        text = BASE + "".join(first + rest)
        prompts.append(Prompt(text, tokens.count(text), output))
    return prompts


def sharegpt(path: str, number: int, output: int | None, seed: int) -> list[Prompt]:
    """The first two turns of conversations, without those that are too short or too long.

    Raises:
        DatasetError: no file, or another format.
    """
    try:
        rows = json.loads(_read(path))
        pairs = [
            (row["conversations"][0]["value"], row["conversations"][1]["value"])
            for row in rows
            if len(row["conversations"]) >= 2
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"json.decoder.JSONDecodeError: {error}") from None
    random.Random(seed).shuffle(pairs)
    prompts = []
    for asked, answer in pairs:
        length, reply = tokens.count(asked), output or tokens.count(answer)
        if length < 4 or reply < 4 or length > 1024 or length + reply > 2048:
            continue
        prompts.append(Prompt(asked, length, reply))
        if len(prompts) == number:
            break
    return prompts


def custom(path: str, number: int, output: int) -> list[Prompt]:
    """Prompts of JSON lines, in their order.

    Raises:
        DatasetError: no file, another format, or lines without a prompt.
    """
    if not path.endswith(".jsonl"):
        raise DatasetError("NotImplementedError: Only JSONL format is supported for CustomDataset.")
    rows = [json.loads(line) for line in _read(path).splitlines()]
    if not all("prompt" in row for row in rows):
        raise DatasetError("ValueError: JSONL file must contain a 'prompt' column.")
    return [Prompt(row["prompt"], tokens.count(row["prompt"]), output) for row in rows[:number]]


def _read(path: str) -> str:
    real = Path(world.real(path))
    try:
        return real.read_text(encoding="utf-8")
    except OSError as error:
        raise DatasetError(
            f"{type(error).__name__}: [Errno {error.errno}] {error.strerror}: '{path}'"
        ) from None
