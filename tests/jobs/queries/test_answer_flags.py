"""Flags of answers, from their texts and from the habits of their run."""

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


def test_an_answer_that_ended_has_no_flags():
    assert flagged(finish="stop") == frozenset()


def test_an_answer_at_the_token_limit_is_cut():
    assert flagged(finish="length") == {"cut"}
    assert flagged(tokens=32, limit=32) == {"cut"}
    assert flagged(tokens=31, limit=32) == frozenset()
    assert flagged(tokens=32, limit=32, finish="stop") == frozenset()


def test_a_thought_that_began_and_never_ended_is_open():
    cut = {"reasoning": "so it", "answer": "", "extracted": ""}

    assert flagged(**cut) == {"open_thought"}
    assert flagged(**cut, finish="length") == {"cut", "open_thought"}
    assert flagged(**cut, finish="stop") == {"empty"}
    assert flagged(**cut, thought="closed") == {"empty"}


def test_an_expected_thought_without_its_end_is_open():
    others = [one(**THINKS), one(**THINKS)]

    assert flagged(*others, finish="length", answer="so it") == {"cut", "open_thought"}
    assert flagged(*others, thought="none", answer="so it") == {"open_thought"}
    assert flagged(*others, thought="closed", answer="4") == frozenset()
    assert flagged(*others, finish="stop", answer="4") == frozenset()
    assert flagged(one(finish="stop"), finish="length", answer="so it") == {"cut"}


def test_nothing_extracted_counts_only_where_the_tool_extracts():
    assert flagged(one(), one(), extracted="") == {"not_extracted"}
    assert flagged(one(), one(), extracted="[invalid]") == {"not_extracted"}
    assert flagged(one(extracted=""), one(extracted=""), extracted="") == frozenset()
    assert flagged(one(), one(), extracted="", subset="other") == frozenset()


def test_the_rule_of_our_scorer_says_whether_it_found_an_answer():
    assert flagged(one(), one(), extracted="", rule="text") == frozenset()
    assert flagged(one(), one(), extracted="It may be so.", rule="no_letter") == {"not_extracted"}


def test_an_empty_answer_is_not_one_without_extraction():
    assert flagged(one(), one(), answer=" \n", extracted="") == {"empty"}


def test_a_failed_request_is_no_empty_answer():
    assert flagged(answer="", extracted="", status="request_error") == {"failed"}
    assert "failed" not in flagged(answer="4", status="excluded")


def test_an_answer_without_a_score_is_marked_where_others_have_one():
    assert flagged(one(), answer="4", status="excluded") == {"no_score"}
    assert flagged(one(status="unscored"), answer="4", status="unscored") == frozenset()
    assert flagged(one(subset="other"), answer="4", status="unscored") == frozenset()
    assert flagged(one(), answer="", extracted="", status="error") == {"failed"}


def test_a_loop_in_the_reasoning_is_seen():
    assert flagged(reasoning="Wait, I must check. " * 60, thought="closed") == {"looping"}


def test_marks_are_a_number_and_back():
    assert names(bits(FLAGS)) == FLAGS
    assert names(bits(["long", "cut"])) == ("cut", "long")
    assert len({bits([name]) for name in MARKS}) == len(MARKS)
