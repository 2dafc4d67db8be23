"""Questions of evaluations that tools of this computer ran for real."""

from pathlib import Path

import pytest

from jobs.models import Answer
from jobs.queries.answers.own_questions import questions_at
from jobs.tools.evalscope import eval_reading
from jobs.tools.opencompass import reading
from jobs.tools.outputs.answers import kept
from tests.factories import make_job, make_measured

pytestmark = pytest.mark.django_db


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
