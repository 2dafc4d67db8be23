"""Questions with answers that can be worked out, and the made-up model that works them out.

Nothing here is a real data set: the questions only have the formats of the real ones. What the
"model" answers depends on the words of the question and on a seed, so that a score is the count of
what was really asked and answered.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from simulator.lib import world
from simulator.lib.mmlu import SUBSETS

CLUEWSC = {"dev_few_all": 159, "test_public": 976}
MATH = 500
MMLU_SUBSETS = {name: count for name, (count, _) in SUBSETS.items()}
ACCURACY = 0.92  # how often the made-up model is right

_NAMES = ("毛豆", "小明", "老王", "阿花", "李雷")
_FEELINGS = ("生气", "高兴", "累", "饿", "忙")
_WORDS = (
    *("river", "stone", "light", "morning", "engine", "garden", "letter", "winter", "copper"),
    *("a", "the", "under", "slowly", "between", "carries", "follows", "answers", "bright", "old"),
)
_MUSINGS = (
    "Let me read the question once more.",
    "Wait, I should check that before I go on.",
    "There are two ways to look at this.",
    "The first way is shorter, the second is safer.",
    "If I take the second way, I need one more step.",
    "So far nothing speaks against it.",
    "Hmm, that would mean that the first guess was wrong.",
    "Let me try a small example to be sure.",
    "The example agrees with what I had before.",
    "I must not forget the last part of the question.",
    "Alternatively, I could begin from the end.",
    "That leads to the same place, which is a good sign.",
    "Now I only have to say it in a few words.",
    "Okay, let me put it together.",
)
_SUM = re.compile(r"(-?\d+)\s*([+\-*×])\s*(\d+)")
_OPTION = re.compile(r"^\s*\(?([A-J])[.):]\s*(.+?)\s*$", re.M)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Question:
    """A question as it is asked, its right answer, and how its file holds it."""

    prompt: str
    gold: str
    row: dict[str, Any] = field(default_factory=dict)
    csv: str = ""


def prose(seed: object, count: int) -> str:
    """So many meaningless words; equal seeds give equal words."""
    dice = world.seeded("prose", seed)
    return " ".join(dice.choice(_WORDS) for _ in range(count)).capitalize() + "."


def musing(seed: object, sentences: int) -> str:
    """So many sentences of a person who thinks it over; equal seeds give equal sentences."""
    dice = world.seeded("musing", seed)
    return " ".join(dice.choice(_MUSINGS) for _ in range(sentences))


def cluewsc(split: str, number: int) -> Question:
    """A question if a pronoun means a name: yes when the sentence has "自己"."""
    dice = world.seeded("cluewsc", split, number)
    name, feeling = dice.choice(_NAMES), dice.choice(_FEELINGS)
    own = dice.random() < 0.5
    text = f"第{number}句话，{name}说他{'自己' if own else '们'}很{feeling}。"
    prompt = f"{text}\n此处，“他”是否指代“{name}“？\nA. 是\nB. 否\n请从”A“，”B“中进行选择。\n答："
    target = {
        "span1_text": name,
        "span1_index": text.index(name),
        "span2_text": "他",
        "span2_index": text.index("他"),
    }
    row = {"target": target, "idx": number, "label": str(own).lower(), "text": text}
    return Question(prompt, "A" if own else "B", row)


def math(number: int) -> Question:
    """A sum, asked for as MATH-500 is."""
    dice = world.seeded("math", number)
    left, right = dice.randrange(2, 90), dice.randrange(2, 90)
    sign = dice.choice("+-*")
    answer = {"+": left + right, "-": left - right, "*": left * right}[sign]
    problem = f"What is {left} {sign} {right}?"
    row = {
        "problem": problem,
        "solution": f"The answer is \\boxed{{{answer}}}.",
        "answer": str(answer),
        "subject": "Prealgebra",
        "level": 1,
        "unique_id": f"{world.MARK}/{number}.json",
    }
    prompt = f"{problem}\nPlease reason step by step, and put your final answer within \\boxed{{}}."
    return Question(prompt, str(row["solution"]), row)


def choices(topic: str, split: str, number: int) -> tuple[str, list[str], str]:
    """A sum with four answers to choose from: (question, the four, the right letter)."""
    dice = world.seeded("choices", topic, split, number)
    left, right, at = dice.randrange(2, 60), dice.randrange(2, 60), dice.randrange(4)
    options = [str(left + right + offset - at) for offset in range(4)]
    question = f"In a lesson on {topic.replace('_', ' ')}: what is {left} + {right}?"
    return question, options, "ABCD"[at]


def mmlu(subset: str, split: str, number: int) -> Question:
    """A question of four choices, as MMLU's files have them."""
    question, options, letter = choices(subset, split, number)
    lettered = "\n".join(f"{'ABCD'[i]}. {option}" for i, option in enumerate(options))
    prompt = (
        f"There is a single choice question about {subset.replace('_', ' ')}. Answer the question "
        f"by replying A, B, C or D.\nQuestion: {question}\n{lettered}\nAnswer: "
    )
    return Question(prompt, letter, csv=f'"{question}",{",".join(options)},{letter}\n')


def solve(prompt: str, seed: object) -> tuple[str, str]:
    """Return (thought, answer) of the made-up model."""
    dice = world.seeded("solve", prompt, seed)
    right = dice.random() < ACCURACY
    if "是否指代" in prompt:
        own = ("自己" in prompt.split("此处")[0]) == right
        letter = "A" if own else "B"
        return (
            f"先看代词“他”后面的词。{'有' if own else '没有'}“自己”，所以选{letter}。",
            f"答案是{letter}。",
        )
    sums = _SUM.findall(prompt)
    if not sums:
        return _talk(prompt, seed)
    left, sign, factor = sums[-1]
    a, b = int(left), int(factor)
    value = {"+": a + b, "-": a - b}.get(sign, a * b) + (0 if right else dice.choice((-1, 1)))
    thought = f"I have to work out {left} {sign} {factor}. Step by step, this gives {value}."
    letters = [key for key, text in _OPTION.findall(prompt) if text == str(value)]
    if _OPTION.search(prompt):
        letter = letters[-1] if letters else "A"
        if _CHINESE.search(prompt):
            return thought, f"答案是{letter}。"
        return thought, f"ANSWER: {letter}" if "ANSWER:" in prompt else f"The answer is {letter}."
    if "boxed" in prompt:
        return thought, f"The answer is \\boxed{{{value}}}."
    return thought, f"The answer is {value}."


def _talk(prompt: str, seed: object) -> tuple[str, str]:
    dice = world.seeded("talk", prompt, seed)
    about = " ".join(prompt.split()[:12])
    if _CHINESE.search(prompt):
        return (
            f"用户想知道：“{about}”。我只是一个模拟的模型，先想一想怎么说清楚，再简短地回答。",
            f"这是一个模拟的回答（第{dice.randrange(1000)}号）。真正的模型会在这里回答：{about}",
        )
    return (
        f'The question is "{about}". I am a simulated model, so I cannot know. '
        "I think about how to say that clearly, and then answer in a few words.",
        f"This is a simulated answer (number {dice.randrange(1000)}). "
        f"A real model would answer here: {about}",
    )
