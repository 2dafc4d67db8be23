"""When an answer is right: the rules of ask_and_score.py."""

from __future__ import annotations

import pytest

from jobs.toolchains.scripts.ask_and_score import contains, full_question, letter_of


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("The capital of France is Paris.", ["Paris"]),
        ("It is PARIS!", ["paris"]),
        ("It is 4.", ["4"]),
        ("10 - 4 = 6", ["4"]),
        ("10-4", ["4"]),
        ("There are 1,234 of them.", ["1234"]),
        ("H₂O", ["H2O"]),
        ("The 26-letter alphabet", ["26"]),
        ("New\n  Delhi", ["New Delhi"]),
        ("中国的首都是北京。", ["北京"]),
        ("答案是12个", ["12"]),
        ("１２", ["12"]),
        ("It is four", ["4", "four"]),
        ("<think>Rome? No.</think>Paris", ["Paris"]),
        ("Rome? No.</think>Paris", ["Paris"]),
    ],
)
def test_an_answer_that_contains_an_accepted_one_is_right(answer, accepted):
    assert contains(answer, accepted)


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("", ["4"]),
        ("It is 14.", ["4"]),
        ("It is 4.5.", ["4"]),
        ("It is 3.4.", ["4"]),
        ("x = -4", ["4"]),
        ("The Parisians", ["Paris"]),
        ("Audi", ["Au"]),
        ("1,234", ["234"]),
        ("<think>Paris</think>Rome", ["Paris"]),
        ("Paris</think>Rome", ["Paris"]),
        ("<think>It must be Paris", ["Paris"]),
        ("anything", [""]),
    ],
)
def test_an_answer_that_only_looks_like_it_is_wrong(answer, accepted):
    assert not contains(answer, accepted)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(D)", "D"),
        ("The answer is **C**.", "C"),
        ("A) Banana\n\nThe correct answer is D) Bus.", "D"),
        ("答案：C", "C"),
        ("选B。", "B"),
        ("A river is wide", ""),
        ("A bus", ""),
        ("I choose E.", ""),
        ("<think>A)</think>B", "B"),
        ("", ""),
    ],
)
def test_the_last_letter_named_as_a_choice_is_the_choice(answer, letter):
    assert letter_of(answer, "ABCD") == letter


def test_a_question_is_shown_with_its_choices():
    record = {"question": "Which?", "A": "one", "B": "two", "answers": ["A"]}

    assert full_question(record) == "Which?\nA) one\nB) two"
