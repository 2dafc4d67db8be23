"""Rows of one question in two results."""

import pytest

from jobs.models import Answer, AnswerRow
from jobs.queries.answers.answer_list import same_in
from jobs.services.outcomes import answer_rows
from jobs.tools.outputs.answers import Answered, kept
from tests.factories import make_measured

pytestmark = pytest.mark.django_db


def evaluated(*failed: int):
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
    one, other = evaluated(0, 2), evaluated(1, 2)
    rows = AnswerRow.objects.filter(result=one).order_by("index")

    same = [same_in(other, row) for row in rows]

    assert [row and row.index for row in same] == [None, None, 2, 3]
