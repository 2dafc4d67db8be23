"""Flags of answers, from their texts and from the habits of their run."""

import pytest

from jobs.queries.answers.answer_flags import FLAGS, MARKS, bits, facts, flags, habits, names
from jobs.tools.outputs.loops import loops

THINKS = {"reasoning": "so it is four", "answer": "4", "extracted": "4", "finish": "stop"}


def one(**fields):
    plain = {"subset": "s", "finish": "", "status": "", "tokens": None, "thought": ""}
    texts = {"reasoning": "", "answer": "4", "extracted": "4", **fields}
    repeats = loops(texts["reasoning"]) or loops(texts["answer"])
    return facts(**{**plain, **texts, "loops": repeats})


def flagged(*others, limit=None, **fields):
    row = one(**fields)
    return flags(row, habits([row, *others], limit))


CUT_THOUGHT = {"reasoning": "so it", "answer": "", "extracted": ""}
THINKING = [one(**THINKS), one(**THINKS)]


@pytest.mark.parametrize(
    ("others", "fields", "expected"),
    [
        ([], {"finish": "stop"}, set()),
        # At the token limit.
        ([], {"finish": "length"}, {"cut"}),
        ([], {"tokens": 32, "limit": 32}, {"cut"}),
        ([], {"tokens": 31, "limit": 32}, set()),
        ([], {"tokens": 32, "limit": 32, "finish": "stop"}, set()),
        # A thought that began and never ended.
        ([], CUT_THOUGHT, {"open_thought"}),
        ([], {**CUT_THOUGHT, "finish": "length"}, {"cut", "open_thought"}),
        ([], {**CUT_THOUGHT, "finish": "stop"}, {"empty"}),
        ([], {**CUT_THOUGHT, "thought": "closed"}, {"empty"}),
        # An expected thought without its end.
        (THINKING, {"finish": "length", "answer": "so it"}, {"cut", "open_thought"}),
        (THINKING, {"thought": "none", "answer": "so it"}, {"open_thought"}),
        (THINKING, {"thought": "closed"}, set()),
        (THINKING, {"finish": "stop"}, set()),
        ([one(finish="stop")], {"finish": "length", "answer": "so it"}, {"cut"}),
        # Nothing extracted counts only where the tool extracts.
        ([one(), one()], {"extracted": ""}, {"not_extracted"}),
        ([one(), one()], {"extracted": "[invalid]"}, {"not_extracted"}),
        ([one(extracted=""), one(extracted="")], {"extracted": ""}, set()),
        ([one(), one()], {"extracted": "", "subset": "other"}, set()),
        # The rule of our scorer says whether it found an answer.
        ([one(), one()], {"extracted": "", "rule": "text"}, set()),
        ([one(), one()], {"extracted": "It may be so.", "rule": "no_letter"}, {"not_extracted"}),
        ([one(), one()], {"answer": " \n", "extracted": ""}, {"empty"}),
        # A failed request is no empty answer.
        ([], {"answer": "", "extracted": "", "status": "request_error"}, {"failed"}),
        ([one()], {"answer": "", "extracted": "", "status": "error"}, {"failed"}),
        # No score, where others have one.
        ([one()], {"status": "excluded"}, {"no_score"}),
        ([], {"status": "excluded"}, set()),
        ([one(status="unscored")], {"status": "unscored"}, set()),
        ([one(subset="other")], {"status": "unscored"}, set()),
    ],
)
def test_an_answer_is_flagged_by_its_text_and_its_run(others, fields, expected):
    assert flagged(*others, **fields) == expected


def test_a_loop_in_the_reasoning_is_seen():
    assert flagged(reasoning="Wait, I must check. " * 60, thought="closed") == {"looping"}


def test_marks_are_a_number_and_back():
    assert names(bits(FLAGS)) == FLAGS
    assert names(bits(["long", "cut"])) == ("cut", "long")
    assert len({bits([name]) for name in MARKS}) == len(MARKS)
