"""The questions of EvalScope's benchmarks: local files of the general ones, sums for the others."""

import csv
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.lib import questions, world
from simulator.lib.mmlu import SUBSETS

# Name -> (pretty name, its subsets, letters to choose from)
KNOWN: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "aime24": ("AIME-2024", ("default",), False),
    "aime25": ("AIME-2025", ("default",), False),
    "ceval": ("C-Eval", ("computer_network", "operating_system", "computer_architecture"), True),
    "cluewsc": ("CLUEWSC", ("default",), True),
    "drop": ("DROP", ("default",), False),
    "gpqa": ("GPQA", ("gpqa_diamond",), True),
    "gpqa_diamond": ("GPQA-Diamond", ("default",), True),
    "gsm8k": ("GSM8K", ("main",), False),
    "ifeval": ("IFEval", ("default",), False),
    "live_code_bench": ("Live-Code-Bench", ("release_latest",), False),
    "math_500": ("MATH-500", ("Level 1", "Level 2", "Level 3", "Level 4", "Level 5"), False),
    "mmlu": ("MMLU", tuple(SUBSETS)[:10], True),
    "mmlu_pro": ("MMLU-Pro", ("computer science", "math", "chemistry", "law", "biology"), True),
    "general_mcq": ("General-MCQ", (), True),
    "general_qa": ("General-QA", (), False),
}
MOST = 12  # questions of one subset, whatever is asked for
_LETTER = re.compile(r"ANSWER:\s*([A-J])|(?:answer is|答案是)\s*\(?([A-J])")


@dataclass(frozen=True)
class Item:
    """One question and its correct answer."""

    prompt: str
    gold: str
    is_choice: bool


def subsets_of(name: str, given: Mapping[str, Any]) -> list[str]:
    """The subsets to ask."""
    wanted = (given.get("subset_list") or []) if given else []
    if wanted:
        return [str(subset) for subset in wanted]
    if KNOWN[name][1]:
        return list(KNOWN[name][1])
    folder = world.real(str(given.get("local_path", ".")))
    return sorted({re.sub(r"_(val|dev|test)$", "", path.stem) for path in folder.glob("*.*")})


def items(
    name: str, subset: str, given: Mapping[str, Any], limit: float | None, seed: int
) -> list[Item]:
    """The questions of one subset, a few of them; ``shuffle`` in ``given`` orders them by ``seed``.

    Raises:
        FileNotFoundError: the files of a general benchmark are not there.
    """
    _, _, is_choice = KNOWN[name]
    if name.startswith("general"):
        chosen = _local(world.real(str(given["local_path"])), subset, is_choice)
    else:
        chosen = [_sum(name, subset, number, is_choice) for number in range(MOST)]
    if given.get("shuffle"):
        random.Random(seed).shuffle(chosen)
    if limit is not None:
        chosen = chosen[: int(limit) if limit >= 1 else max(1, int(len(chosen) * limit))]
    return chosen[:MOST]


def _sum(name: str, subset: str, number: int, is_choice: bool) -> Item:
    if name == "cluewsc":
        one = questions.cluewsc("evalscope", number)
        return Item(one.prompt, one.gold, True)
    text, options, letter = questions.choices(f"{name} {subset}", "test", number)
    if not is_choice:
        gold = options["ABCD".index(letter)]
        tail = "Please reason step by step, and put your final answer within \\boxed{}."
        return Item(f"{text}\n{tail}", gold, False)
    return Item(_ask(text, dict(zip("ABCD", options, strict=True))), letter, True)


def _ask(question: str, options: Mapping[str, str]) -> str:
    letters = ",".join(options)
    lines = "\n".join(f"{letter}) {text}" for letter, text in options.items())
    return (
        "Answer the following multiple choice question. The last line of your response should be "
        f"of the following format: 'ANSWER: [LETTER]' (without quotes) where [LETTER] is one of "
        f"{letters}.\n\n{question}\n\n{lines}"
    )


def _local(folder: Path, subset: str, is_choice: bool) -> list[Item]:
    for path in sorted(folder.glob(f"{subset}*.*")):
        rows = _rows(path)
        if path.stem.endswith("_dev"):
            continue
        if is_choice:
            return [
                Item(
                    _ask(
                        str(row["question"]), {k: str(row[k]) for k in "ABCDEFGHIJ" if row.get(k)}
                    ),
                    str(row["answer"]),
                    True,
                )
                for row in rows
            ]
        return [
            Item(
                str(row.get("query") or row.get("question")),
                str(row.get("response") or row.get("answer") or ""),
                False,
            )
            for row in rows
        ]
    raise FileNotFoundError(2, "No such file or directory", f"{folder}/{subset}_val.csv")


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            return [dict(row) for row in csv.DictReader(file)]
        return [json.loads(line) for line in file if line.strip()]


def extracted(item: Item, text: str) -> str:
    """Return what counts of an answer: the letter, the content of the box, or the last number."""
    answer = text.rpartition("</think>")[2].strip()
    if item.is_choice:
        match = _LETTER.search(answer)
        return (match[1] or match[2]) if match else ""
    boxed = re.findall(r"\\boxed\{([^{}]*)\}", answer)
    if boxed:
        return str(boxed[-1]).strip()
    numbers = re.findall(r"-?\d+", answer)
    return str(numbers[-1]) if numbers and re.fullmatch(r"-?\d+", item.gold) else answer


def is_right(item: Item, answer: str) -> bool:
    """Return true if the answer counts as correct."""
    if item.is_choice or re.fullmatch(r"-?\d+", item.gold):
        return answer == item.gold
    return bool(item.gold) and item.gold.lower() in answer.lower()
