"""Questions of an evaluation over the API."""

import json

import pytest

from jobs.catalog import QUESTION_SETS
from tests.dashboard.lib.caller import Caller
from tests.factories import make_measured, make_user
from tests.jobs.lib import answering

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(tmp_path):
    QUESTION_SETS.configure(tmp_path / "questions")
    yield answering.make_evaluations(questions=answering.save_set())
    QUESTION_SETS.configure(None)


@pytest.fixture
def lin():
    return Caller(make_user("lin"))


def test_changed_questions_are_a_file(lin, pair):
    base, result = pair

    answer = lin.get(f"results/res-{result.pk}/questions", show="changed", base=f"res-{base.pk}")

    lines = [json.loads(line) for line in answer.content.decode().splitlines()]
    assert [line["id"] for line in lines] == ["q1", "q4", "q6"]


def test_changed_questions_are_saved_as_a_set(lin, pair):
    base, result = pair
    asked = {"id": "hard", "show": "changed, correct", "base": f"res-{base.pk}"}

    answer = lin.post(f"results/res-{result.pk}/questions", asked)

    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["id"], shown["questions"], shown["origin"]) == ("hard", 2, "team")
    assert [one.id for one in QUESTION_SETS[shown["key"]].questions] == ["q4", "q6"]


def test_filters_without_a_base_are_refused(lin, pair):
    _base, result = pair

    answer = lin.post(f"results/res-{result.pk}/questions", {"id": "hard", "show": "changed"})

    assert answer.status_code == 422
    assert answer.json()["message"] == "Choose the result against which the answers changed."
    assert QUESTION_SETS.of_team("hard") is None


def test_a_benchmark_has_no_questions(lin):
    result = make_measured(points=[(1, {"output_tokens_per_s": 8.5})])

    answer = lin.get(f"results/res-{result.pk}/questions")

    assert (answer.status_code, answer.json()["error"]) == (422, "launch")
    assert "is a benchmark" in answer.json()["message"]
