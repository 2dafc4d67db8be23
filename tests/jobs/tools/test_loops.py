"""Loops in texts of models, and repetition that is none."""

import json
import random
from functools import cache

import pytest

from jobs.tools.outputs.loops import MOST, loops
from tests.jobs.lib.target import DATA

SENTENCE = (
    "so the value of this term is therefore not equal to what we had before and we must check each "
    "case again with care since both sides have a factor which was lost when the sum was taken"
)
STEP = "Wait, let me check that again. If x is 3, then 2x + 1 is 7, so the answer is 7. "


@cache
def thought(characters, seed=1):
    """A text of sentences that differ, as a model that works writes it."""
    pick, words = random.Random(seed), SENTENCE.split()
    text = ""
    while len(text) < characters:
        text += " ".join(pick.choices(words, k=12)).capitalize() + f" {pick.randint(1, 99)}. "
    return text


TABLE = "\n".join(f"| {a} | {b} | {a and b} |" for a in range(40) for b in range(9))
ZEROS = "\n".join(["| x | 0 | 0 | 0 | 0 |"] * 12)
CODE = "\n".join(
    f"    def test_case_{n}(self):\n        result = add({n}, {n})\n"
    f"        self.assertEqual(result, {2 * n})\n        self.assertTrue(result)\n"
    for n in range(60)
)
COUNT = ", ".join(str(n) for n in range(3000))
STEPS = "\n".join(f"Step {n}: {n} + {n} = {2 * n}, so f({n}) is {2 * n}." for n in range(400))
FIZZ = "\n".join(
    "FizzBuzz" if n % 15 == 0 else "Fizz" if n % 3 == 0 else "Buzz" if n % 5 == 0 else str(n)
    for n in range(1, 500)
)
REFRAIN = thought(3000) + "\n".join(["Hallelujah, hallelujah, hallelujah!"] * 4)


@pytest.mark.parametrize(
    "text", [TABLE, ZEROS, CODE, COUNT, STEPS, FIZZ, REFRAIN, thought(120_000), "-" * 300, ""]
)
def test_legitimate_repetition_is_no_loop(text):
    assert not loops(text)


def test_two_checks_of_a_step_are_no_loop():
    assert not loops(thought(3000) + STEP * 2 + thought(3000, seed=2) + STEP)


@pytest.mark.parametrize("text", [STEP, "我再检查一遍，答案是七。", "1 ", "the ", "\n"])
def test_a_sentence_that_repeats_to_the_end_is_a_loop(text):
    looping = thought(2000) + text * (600 // len(text) + 4)

    assert loops(looping)
    assert loops(looping[:-3])  # cut anywhere


def test_a_shuffled_loop_is_one():
    pick = random.Random(3)
    steps = [f"Hmm, so case {name} has to be looked at once more" for name in "abcdefgh"]

    assert loops(thought(4000) + ". ".join(pick.choice(steps) for _ in range(150)))


def test_a_loop_in_the_middle_of_a_thought_is_found():
    assert loops(thought(20_000) + STEP * 100 + thought(20_000, seed=2))


def test_a_long_stretch_that_repeats_is_a_loop():
    stretch = thought(9000)

    assert loops(stretch * 5)
    assert not loops(stretch * 2)


def test_only_the_end_of_a_huge_text_is_read():
    assert not loops(STEP * 1000 + thought(MOST))
    assert loops(thought(MOST) + STEP * 100)


# Of SmolLM2-135M with llama.cpp; two ended in a loop at their limit of 900 tokens.
REAL = json.loads((DATA / "loops" / "smollm2-135m.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("answer", REAL, ids=[one["name"] for one in REAL])
def test_real_answers_loop_or_do_not(answer):
    assert loops(answer["text"]) == (answer["name"] in ("proof", "zh"))
