"""The questions of a set, read from the files on the disk, and how an answer is judged."""

import csv
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.lib import world
from simulator.lib.opencompass import config

MOST = 24  # questions of one set
FEW = 2  # of a subset
_RANGE = re.compile(r"\[(\d*):(\d*)\]")
_ROWS = re.compile(r"\[:0\] or (\[[\d, ]+\])")
_LETTER = re.compile(r"[A-Z]")
_OPTION = re.compile(r"(?:answer is|ANSWER:|Answer:|答案是)\s*\(?([A-J])")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


@dataclass(frozen=True)
class Item:
    """One question as it is sent, and the answer that is right."""

    prompt: str
    gold: str


class MissingError(Exception):
    """The files of a set are not there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def budget(abbr: str) -> int:
    """Number of questions asked of a set: few, and the fewest of one of many subsets."""
    if abbr.startswith(("lukaemon_mmlu_", "ceval-")):
        return FEW
    return int(os.environ.get("STANDIN_QUESTIONS") or MOST)


def items(dataset: Mapping[str, Any]) -> list[Item]:
    """All questions of a set that its ``test_range`` leaves.

    Raises:
        MissingError: its files are not there.
    """
    rows = _read(dataset)
    text = str((dataset.get("reader_cfg") or {}).get("test_range", ""))
    if chosen := _ROWS.fullmatch(text):
        return [rows[index] for index in json.loads(chosen[1]) if index < len(rows)]
    if bounds := _RANGE.fullmatch(text):
        low, high = (int(text) if text else None for text in bounds.groups())
        rows = rows[low:high]
    return rows


def _read(dataset: Mapping[str, Any]) -> list[Item]:
    path = str(dataset.get("path", ""))
    abbr = str(dataset["abbr"])
    real = _find(path)
    if abbr.startswith("cluewsc"):
        return [_cluewsc(row) for row in _rows(real)]
    if abbr == "math-500":
        return [_math(row) for row in _rows(real / "test_prm800k_500.jsonl")]
    if abbr.startswith("lukaemon_mmlu_"):
        return _mmlu(real / "test" / f"{dataset['name']}_test.csv", str(dataset["name"]))
    if real.suffix in (".jsonl", ".csv") and dataset.get("data_type"):
        return [_custom(row) for row in _rows(real)]
    return _invented(abbr)


def _find(path: str) -> Path:
    """A path as written, or below ``COMPASS_DATA_CACHE``.

    Raises:
        MissingError: it is at neither place.
    """
    places = [world.real(path)]
    cache = os.environ.get("COMPASS_DATA_CACHE")
    if cache:
        places.append(Path(cache) / path)
    for place in places:
        if place.exists():
            return place
    raise MissingError(path)


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        raise MissingError(str(path)) from None
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _cluewsc(row: Mapping[str, Any]) -> Item:
    target = row["target"]
    prompt = (
        f"{row['text']}\n此处，“{target['span2_text']}”是否指代“{target['span1_text']}“？\n"
        "A. 是\nB. 否\n请从”A“，”B“中进行选择。\n答："
    )
    return Item(prompt, "A" if str(row["label"]).lower() == "true" else "B")


def _math(row: Mapping[str, Any]) -> Item:
    tail = "Please reason step by step, and put your final answer within \\boxed{}."
    return Item(f"{row['problem']}\n{tail}", str(row["solution"]))


def _mmlu(path: Path, subset: str) -> list[Item]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 6]
    except OSError:
        raise MissingError(str(path)) from None
    topic = subset.replace("_", " ")
    return [
        Item(
            f"There is a single choice question about {topic}. Answer the question by replying A, "
            f"B, C or D.\nQuestion: {row[0]}\n"
            + "".join(f"{letter}. {text}\n" for letter, text in zip("ABCD", row[1:5], strict=True))
            + "Answer: ",
            row[5],
        )
        for row in rows
    ]


def _custom(row: Mapping[str, Any]) -> Item:
    letters = [letter for letter in "ABCDEFGHIJ" if row.get(letter)]
    options = "".join(f"{letter}. {row[letter]}\n" for letter in letters)
    question = str(row.get("question", ""))
    if letters:
        return Item(f"Question: {question}\n{options}Answer: ", str(row.get("answer", "")))
    return Item(question, str(row.get("answer", "")))


def _invented(abbr: str) -> list[Item]:
    """Sums, for a set whose true format is not known here."""
    rows = []
    for number in range(MOST):
        dice = world.seeded(abbr, number)
        left, right = dice.randrange(2, 90), dice.randrange(2, 90)
        rows.append(
            Item(f"What is {left} + {right}? Put it in \\boxed{{}}.", f"\\boxed{{{left + right}}}")
        )
    return rows


def without_thought(text: str) -> str:
    """``extract_non_reasoning_content`` of 0.4.1."""
    if "<think>" not in text and "</think>" in text:
        return text.rpartition("</think>")[2].strip()
    return re.sub(r"<think>.*?</think>", "", text, flags=re.S).strip()


def is_right(abbr: str, prediction: str, gold: str) -> bool:
    """Return true if an answer is correct, as the evaluator of its set judges."""
    if abbr.startswith("cluewsc"):
        first = _LETTER.search(prediction)
        return first is not None and first[0] == gold
    if _BOXED.search(gold):
        boxed = _BOXED.findall(prediction)
        return bool(boxed) and boxed[-1].strip() == _BOXED.findall(gold)[-1].strip()
    if re.fullmatch(r"[A-J]", gold):
        option = _OPTION.search(prediction) or _LETTER.search(prediction)
        return option is not None and option[option.lastindex or 0] == gold
    return gold.strip().lower() in prediction.lower()


def metric(dataset: Mapping[str, Any]) -> tuple[str, str, str]:
    """(version, name of the metric, mode) of a set."""
    return config.version_of(dataset), "accuracy", "gen"
