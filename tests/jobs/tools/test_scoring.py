"""Scoring rules for answers to the included questions (jobs.host.scoring)."""

import json
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs import reasoning
from jobs.catalog import QUESTION_SETS
from jobs.host import scoring
from jobs.host.scoring import RULES, score
from jobs.tools.evalscope.commands import question_line
from jobs.tools.evalscope.scripts import ask_and_score
from jobs.tools.evalscope.scripts.ask_and_score import full_question

ANSWERS = Path(__file__).parent.parent.parent / "data" / "scoring" / "answers.jsonl"
FRUIT = {"A": "Dog", "B": "Stone", "C": "Table", "D": "Cloud"}

SUM = ("What is 25 + 17?", "42", "forty-two")
QUOTIENT = ("What is 81 divided by 9?", "9", "nine")
HALF = ("8除以2等于多少？", "4", "四")
DAYS = ("How many days are in a week?", "7", "seven")
HOURS = ("How many hours are in a day?", "24", "twenty-four")
LEGS = ("How many legs does an insect have?", "6", "six")
ROOT = ("What is the square root of 49?", "7", "seven")
FIFTH = ("What is 10 divided by 2?", "5", "five")
MONTHS = ("一年有几个月？", "12", "十二")
LEAP = ("How many days are in a leap year?", "366")
FREEZES = ("At how many degrees Celsius does water freeze?", "0", "zero")
CAPITAL = ("What is the capital of France?", "Paris")
WALL = ("Which country built the Great Wall?", "China")


def asked(question, *accepted, **more):
    return {"question": question, "answers": list(accepted), **more}


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (SUM, "25 + 17 = **42**"),
        (SUM, "20 + 10 = 30\n5 + 7 = 12\n30 + 12 = 42\n\nSo the answer is 42."),
        (SUM, "First, 20 + 10 = 30. Then 5 + 7 = 12. Adding gives 42."),
        (SUM, "\\boxed{42}"),
        (SUM, "Forty two"),
        (SUM, "４２"),
        (("How much is 5 to the power of 1?", "5"), "5"),
        (("What is the absolute value of 5?", "5"), "The answer is 5."),
        (QUOTIENT, "9"),
        (QUOTIENT, "9.0"),
        (QUOTIENT, "81 divided by 9 is 9."),
        (QUOTIENT, "9 is the result of dividing 81 by 9."),
        (QUOTIENT, "9 × 9 = 81, so the answer is 9"),
        (QUOTIENT, "$81 \\div 9 = 9$"),
        (HALF, "8除以2等于4，因为4×2=8。"),
        (HALF, "答案是四。"),
        (DAYS, "1 week = 7 days"),
        (DAYS, "In one week there are seven days, Monday to Sunday."),
        (DAYS, "A week has 7 days. Each day has 24 hours."),
        (HOURS, "There are 24 hours in a day, so 7 days have 168 hours."),
        (LEGS, "Insects have three pairs of legs, totaling six legs."),
        (ROOT, "The square root of 49 is 7, because 7 × 7 = 49."),
        (ROOT, "The square root of 49 is 7 (or −7)."),
        (FIFTH, "Since 5 × 2 = 10, 10 divided by 2 is 5."),
        (MONTHS, "一年有十二个月。"),
        (LEAP, "three hundred and sixty-six"),
        (LEAP, "A leap year has 366 days, one more than the usual 365."),
        (FREEZES, "Water freezes at 0 °C (32 °F)."),
        (("How many?", "1234"), "There are 1,234 of them."),
    ],
)
def test_an_answer_that_concludes_with_the_number_is_right(question, answer):
    assert score(asked(*question), answer).right


@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        (QUOTIENT, "81 divided by 9", "no_number"),
        (QUOTIENT, "To solve this, 81 is divided by 9.", "no_number"),
        (HALF, "1. 8\n2. 2\n3. 2\n4. 1\n5. 1", "number"),
        (SUM, "25 + 17 = 32", "number"),
        (SUM, "It is 425.", "number"),
        (SUM, "It is 42.5.", "number"),
        (SUM, "It is -42.", "number"),
        (SUM, "two and three", "number"),
        (SUM, "", "empty"),
        (("What is 5 squared?", "25"), "5", "number"),
        (("What is 5 squared?", "25"), "The answer is 5.", "number"),
        (("What is 5 squared?", "25"), "5 squared is easy.", "no_number"),
        (FREEZES, "At 0.0001 degrees", "number"),
        (DAYS, "A week has 7 days, or 10 days.", "several_numbers"),
        (LEGS, "The answer is 6, which is incorrect.", "no_number"),
        (LEAP, "It occurs every 4 years.", "number"),
    ],
)
def test_an_echo_or_another_number_is_wrong(question, answer, rule):
    verdict = score(asked(*question), answer)

    assert (verdict.right, verdict.rule) == (False, rule)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (CAPITAL, "The capital of France is Paris."),
        (CAPITAL, "It is PARIS!"),
        (CAPITAL, "Not Lyon but Paris."),
        (("Which?", "H2O"), "H₂O"),
        (("Which?", "New Delhi"), "New\n  Delhi"),
        (("中国的首都是哪里？", "北京"), "中国的首都是北京。"),
        (WALL, "The Great Wall of China was built by China."),
    ],
)
def test_an_answer_that_names_an_accepted_text_is_right(question, answer):
    assert score(asked(*question, not_in=["Great Wall of China"]), answer).right


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (CAPITAL, "The Parisians"),
        (CAPITAL, "It is not Paris."),
        (CAPITAL, "Paris is nice, but the answer is Lyon."),
        (("What is a baby dog called?", "puppy"), "An animal smaller than a puppy."),
        (("Which?", "Au"), "Audi"),
        (("“大”和小，哪个大？", "小"), "“大”和小，哪个大？"),
        (WALL, "The Great Wall of China was built by the Romans."),
    ],
)
def test_a_text_that_is_denied_or_part_of_the_question_is_wrong(question, answer):
    assert not score(asked(*question, not_in=["Great Wall of China"]), answer).right


@pytest.mark.parametrize(
    ("answer", "taken", "rule"),
    [
        ("B", "B", "letter"),
        ("(D)", "D", "letter"),
        ("The answer is **C**.", "C", "letter"),
        ("A) Dog\n\nThe correct answer is D) Cloud.", "D", "letter"),
        ("答案：C", "C", "letter"),
        ("选B。", "B", "letter"),
        ("A) Dog\nB) Stone\nC) Table\nD) Cloud\n\nA", "A", "letter"),
        ("Table.", "C", "letter_by_text"),
        ("A) Stone", "A) stone", "letter_contradicted"),
        ("A) Dog\nB) Stone\nC) Table\nD) Cloud", "", "no_letter"),
        ("A: A\nB: B\nC: C\nD", "", "no_letter"),
        ("A river is wide", "", "no_letter"),
        ("I choose E.", "", "no_letter"),
    ],
)
def test_the_letter_that_is_chosen_is_taken(answer, taken, rule):
    verdict = score(asked("Which?", "C", **FRUIT), answer)

    assert (verdict.taken, verdict.rule) == (taken, rule)
    assert verdict.right == (taken == "C")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (asked(*LEGS), "It has one" + " hundred" * 400),  # no float holds that number
        (asked(*LEGS), "twenty-" * 20_000),
        (asked("What colour is the sky?", "blue"), "not blue " * 15_000),
    ],
)
def test_a_looping_answer_is_incorrect(question, answer):
    assert not score(question, answer).right


REMAINDER = (
    "To solve this problem, we need to find the remainder when 81 is divided by 9. To do this, we "
    "can use the fact that when dividing a number by 9,"
)


@pytest.mark.parametrize(
    "answer",
    [
        REMAINDER,
        "Dividing 81 by 9 gives 9",  # perhaps of 90
        "To divide a number by 9 we first",
    ],
)
def test_an_answer_that_was_cut_before_it_concluded_is_wrong(answer):
    verdict = score(asked(*QUOTIENT), answer, cut=True)

    assert (verdict.right, verdict.rule) == (False, "no_number")


@pytest.mark.parametrize(
    "answer",
    [
        "81 divided by 9 is 9. This is because",
        "81 divided by 9 is 9 because 9 times",
        "81 / 9 = 9, as every child",
        "We divide, so the answer is 9, which we",
        "\\boxed{9} and then",
    ],
)
def test_an_answer_that_was_cut_after_its_conclusion_counts(answer):
    assert score(asked(*QUOTIENT), answer, cut=True).right


def test_the_rules_agree_with_people_on_real_answers():
    """426 answers of SmolLM2-135M-Instruct (int8), at three temperatures, labelled by hand."""
    questions = {q.id: json.loads(question_line(q)) for q in QUESTION_SETS["basics"].questions}
    rows = [json.loads(line) for line in ANSWERS.read_text(encoding="utf-8").splitlines()]
    labels = Counter(row["right"] for row in rows)
    verdicts = [score(questions[row["id"]], row["answer"], cut=was_cut(row)) for row in rows]
    others = [
        (row["id"], row["answer"])
        for row, verdict in zip(rows, verdicts, strict=True)
        if verdict.right != row["right"]
    ]

    assert min(labels.values()) > 160
    agreement = 1 - len(others) / len(rows)
    print(f"the rules agree with people on {agreement:.2%} of {len(rows)} answers")  # noqa: T201 -- shown by -rP
    assert agreement >= 0.98, others
    assert {verdict.rule for verdict in verdicts} <= set(RULES)


def was_cut(row):
    """Return True for a cut answer, by length and end: labelled answers have no finish reason."""
    return len(row["answer"]) > 120 and not row["answer"].endswith((".", "!", "?", "。"))


def test_a_question_is_shown_with_its_choices():
    record = {"question": "Which?", "A": "one", "B": "two", "answers": ["A"]}

    assert full_question(record) == "Which?\nA) one\nB) two"


def steps_of(question, answer):
    """Return the interpreter instructions of scoring: equal on any machine."""
    counted = 0

    def trace(frame, event, _arg):
        nonlocal counted
        frame.f_trace_opcodes = True
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        score(question, answer)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize(
    "line",
    [
        "{n}\n",  # a number a line
        "{n} ",  # one sentence
        "2 + 3 = {n}\n",
        "25 + 17, ",  # the question, restated
        "therefore ",  # cues without a number
        "7 days or ",
    ],
)
def test_scoring_steps_grow_with_the_answer_length(line):
    question = asked("What is 25 + 17 days?", "42")

    def steps(count):
        return steps_of(question, "5 days. " + "".join(line.format(n=n) for n in range(count)))

    steps(1)  # warm up cached values
    none, short, long = steps(0), steps(60), steps(240)

    assert (long - none) < 4.5 * (short - none)


def test_evalscope_scores_what_follows_the_thought(monkeypatch):
    """EvalScope's modules, in small."""
    adapters = {}
    modules = {
        "api.benchmark": {"BenchmarkMeta": SimpleNamespace, "DefaultDataAdapter": object},
        "api.dataset": {"Sample": SimpleNamespace},
        "api.metric": {"Score": SimpleNamespace},
        "api.registry": {
            "register_benchmark": lambda meta: partial(adapters.setdefault, meta.name)
        },
    }
    for name, members in modules.items():
        monkeypatch.setitem(sys.modules, f"evalscope.{name}", SimpleNamespace(**members))
    monkeypatch.setitem(sys.modules, "reasoning", reasoning)
    monkeypatch.setitem(sys.modules, "scoring", scoring)
    ask_and_score.register()
    state = SimpleNamespace(
        metadata={"record": asked(*CAPITAL)}, output=SimpleNamespace(stop_reason="stop")
    )

    scored = adapters["short_answers"]().match_score("<think>Paris</think>Rome", "", "", state)

    assert (scored.value, scored.metadata["rule"]) == ({"accuracy": 0.0}, "text")
    assert scored.prediction == "<think>Paris</think>Rome"
