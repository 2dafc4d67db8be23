"""Flags of answers, from texts and habits of a run; bounds of a score with faulty answers."""

import pytest

from jobs.models import Answer, Result
from jobs.queries.answers.answer_list import equal_characters
from jobs.queries.results.answer_flags import (
    FLAGS,
    MARKS,
    UNSWITCHED,
    Unswitched,
    bits,
    facts,
    flags,
    habits,
    hygiene,
    is_doubtful,
    names,
    unswitched,
)
from jobs.services.outcomes import answer_rows
from jobs.tools.outputs.loops import loops
from tests.factories import make_evaluation, make_measured

pytestmark = pytest.mark.django_db

THINKS = {"reasoning": "so it is four", "answer": "4", "extracted": "4", "finish": "stop"}


def one(**fields):
    plain = {"subset": "s", "finish": "", "status": "", "tokens": None, "thought": ""}
    texts = {"reasoning": "", "answer": "4", "extracted": "4", **fields}
    repeats = loops(texts["reasoning"]) or loops(texts["answer"])
    return facts(**{**plain, **texts, "loops": repeats})


def flags_of(*others, limit=None, **fields):
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
    assert flags_of(*others, **fields) == expected


def test_a_loop_in_the_reasoning_is_seen():
    assert flags_of(reasoning="Wait, I must check. " * 60, thought="closed") == {"looping"}


def test_marks_are_a_number_and_back():
    assert names(bits(FLAGS)) == FLAGS
    assert names(bits(["long", "cut"])) == ("cut", "long")
    assert len({bits([name]) for name in MARKS}) == len(MARKS)


def thought_about(chosen, **changes):
    """Ten answers of a run that chose ``chosen``."""
    return evaluated([1] * 10, {"thinking": chosen} if chosen else {}, **changes)


def evaluated(scores, params=None, **changes):
    """Answers; ``changes``: index -> fields, as "at_3"."""
    result = make_evaluation(scores, params=params)
    for name, fields in changes.items():
        Answer.objects.filter(result=result, index=int(name.removeprefix("at_"))).update(**fields)
    answer_rows.keep(result)
    return result


THOUGHT = {"reasoning": "so it is"}
OPEN = {"detail": {"thought": "open"}}
EMPTY = {"detail": {"thought": "closed"}}  # the template closes a thought at once


@pytest.mark.parametrize(
    ("chosen", "changes", "against"),
    [
        ("off", {"at_1": THOUGHT, "at_2": OPEN}, Unswitched("off", 2, 10)),
        ("off", {"at_1": EMPTY}, None),
        ("off", {}, None),
        ("on", {}, Unswitched("on", 0, 10)),
        ("on", {"at_1": THOUGHT}, None),
        ("on", {f"at_{n}": {"finish": "length"} for n in range(10)}, None),
        ("", {"at_1": THOUGHT}, None),
        ("", {}, None),
    ],
)
def test_answers_speak_against_the_chosen_thinking(chosen, changes, against):
    assert unswitched(thought_about(chosen, **changes)) == against
    assert Result.objects.filter(UNSWITCHED).exists() == bool(against)


def test_a_stray_answer_does_not_speak_against_thinking_off():
    result = thought_about("off", at_1=THOUGHT)
    result.metrics["answers_total"] = 21

    assert unswitched(result) is None
    result.metrics["answers_total"] = 20
    assert unswitched(result) == Unswitched("off", 1, 20)


def test_failed_requests_say_nothing_about_thinking():
    failed = {f"at_{n}": {"status": "error", "answer": "", "score": 0} for n in range(10)}

    assert unswitched(thought_about("on", **failed)) is None


def of(result, flag):
    return next(one for one in hygiene(result).flags if one.flag == flag)


@pytest.mark.postgresql
def test_all_flagged_answers_are_counted_incorrect_then_correct():
    cut = {"finish": "length"}
    result = evaluated([1] * 6 + [0] * 4, at_0=cut, at_8=cut, at_9=cut)
    flagged = of(result, "cut")

    assert (flagged.count, flagged.share) == (3, 0.3)
    assert (flagged.low, flagged.high) == (0.5, 0.8)
    assert result.metrics["answers_cut"] == result.metrics["answers_faulty"] == 3


def test_an_answer_without_a_score_counts_in_the_bounds_only():
    failed = {"status": "error", "answer": "", "score": 0}
    known = hygiene(result := evaluated([1] * 6 + [0] * 4, at_9=failed))

    assert (known.scored, known.correct, known.unscored) == (9, 6, 1)
    assert of(result, "failed").low == 0.6 and of(result, "failed").high == 0.7


def test_an_answer_with_two_flags_counts_once_in_all():
    both = {"finish": "length", "reasoning": "so it", "answer": ""}
    result = evaluated([1] * 9 + [0], at_9=both)

    assert [one.flag for one in hygiene(result).flags if one.count] == ["cut", "open_thought"]
    assert hygiene(result).any.count == 1


def test_flags_that_the_files_cannot_tell_are_unknown():
    result = evaluated([1, 0])

    assert hygiene(result).unknown == {"cut", "not_extracted"}
    assert not is_doubtful(result)


def test_a_result_without_answers_has_no_quality():
    result = make_measured(points=[(1, {"output_tokens_per_s": 1.0})])

    assert hygiene(result) is None and not is_doubtful(result)


@pytest.mark.parametrize(
    ("first", "second", "n"),
    [("", "", 0), ("abc", "abc", 3), ("abc", "abx", 2), ("abc", "ab", 2), ("x", "abc", 0)],
)
def test_the_common_beginning_of_two_texts(first, second, n):
    assert equal_characters(first, second) == n
