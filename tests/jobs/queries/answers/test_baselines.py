"""Evaluations that a later one may be compared with."""

import pytest

from jobs.kinds.lib.base import Baseline
from jobs.queries.answers.own_questions import baselines
from jobs.schedule.targets import target_of
from tests.factories import make_measured
from tests.jobs.lib import answering

pytestmark = pytest.mark.django_db
QUESTIONS = answering.question_set()


def offered():
    return {one.result: one for one in baselines()}


@pytest.mark.postgresql
def test_evaluations_of_our_questions_are_offered_newest_first():
    first, second = answering.make_evaluations()

    assert list(offered()) == [second.pk, first.pk]
    one = baselines()[0]
    assert isinstance(one, Baseline)
    assert (one.questions, one.params["max_tokens"]) == (answering.QUESTIONS, 64)
    assert target_of(first.host).baselines(None)[0].result == second.pk


def test_several_answers_to_a_question_are_no_baseline():
    answering.make_evaluations(samples=4)

    assert not offered()


def test_an_evaluation_that_left_questions_out_is_no_baseline():
    first, second = answering.make_evaluations()
    second.metrics["planned_questions"] = answering.QUESTIONS + 1
    second.save()

    assert list(offered()) == [first.pk]


def test_a_result_is_found_by_its_id(monkeypatch):
    first, second = answering.make_evaluations()
    monkeypatch.setattr("jobs.queries.answers.own_questions.MOST", 1)

    assert list(offered()) == [second.pk]
    assert [one.result for one in baselines(first.pk)] == [first.pk]
    assert not baselines(first.pk + 100)


def test_a_benchmark_is_no_baseline():
    make_measured()

    assert not offered()


def test_verdicts_are_those_of_equal_questions():
    answers = answering.answers(wrong={1})
    answers[2] |= {"score": 0.0, "status": "excluded"}
    answers[3] |= {"question": "Another text"}
    answers[4] |= {"expected": "another answer"}
    result = answering.evaluation(answers)

    verdicts = offered()[result.pk].verdicts(QUESTIONS)

    assert (verdicts["q0"], verdicts["q1"], verdicts["q2"]) == (True, False, None)
    assert not {"q3", "q4"} & verdicts.keys()
    assert len(verdicts) == len(QUESTIONS) - 2
