"""Evaluations to compare with, and their questions: of a set, and in two results."""

from pathlib import Path

import pytest

from jobs.kinds.lib.base import BaselineRun
from jobs.models import Answer
from jobs.queries.answers.answer_list import answer_of, side_by_side
from jobs.queries.answers.own_questions import baselines, questions_at
from jobs.schedule.targets import target_of
from jobs.services.outcomes import answer_rows
from jobs.tools.evalscope import eval_reading
from jobs.tools.opencompass import reading
from jobs.tools.outputs.answers import Answered, kept
from tests.factories import make_job, make_measured
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
    assert isinstance(one, BaselineRun)
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


def files(folder):
    root = Path("tests/data") / folder
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*")}


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("evaluate", lambda: eval_reading.parse(files("evalscope-1.14-eval/finished")).scored),
        (
            "evaluate-opencompass-questions",
            lambda: reading.parse_questions(files("opencompass-0.5.4-questions")),
        ),
    ],
)
def test_every_real_answer_has_its_question(kind, rows):
    job = make_job(kind=kind, state="succeeded", params={"questions": "basics"})
    result = make_measured(scores=[1], job=job)
    result.answers.all().delete()
    records = kept(rows())
    for index, record in enumerate(records):
        Answer.objects.create(result=result, index=index, **record)

    found = questions_at(result, range(len(records)))

    assert {one.id for one in found.questions} == {record["question_id"] for record in records}
    assert (found.key, found.lacking) == ("basics", 0)


def partly_failed(*failed: int):
    """An evaluation of four questions without ids, of which some requests failed."""
    answers = [
        Answered("main", "", "", "", None, status="error")
        if index in failed
        else Answered("main", f"question {index}", "yes", "yes", 1.0)
        for index in range(4)
    ]
    result = make_measured(scores=[1.0])
    result.answers.all().delete()
    Answer.objects.bulk_create(
        Answer(result=result, index=index, **answer) for index, answer in enumerate(kept(answers))
    )
    answer_rows.keep(result)
    return result


def test_a_failed_request_is_the_same_question_only_at_the_same_place():
    one, other = partly_failed(0, 2), partly_failed(1, 2)

    found = [side_by_side(other, answer_of(one.pk, index)) for index in range(4)]

    assert [each and each.base.index for each in found] == [None, None, 2, 3]
