"""The API writes and reads results by their numbers."""

import pytest

from tests.dashboard.lib.caller import Caller
from tests.factories import make_job, make_measured, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def lin():
    return Caller(make_user("lin", is_staff=True))


def evaluation(*scores):
    make_job()  # so that the job of a result has another number
    return make_measured(scores=scores, job=make_job(kind="evaluate", state="succeeded"))


def test_every_answer_has_the_number_of_the_result(lin):
    result = evaluation(1, 0)

    (row,) = lin.get("results").json()["results"]
    job = lin.get(f"jobs/{result.job_id}").json()

    assert row["id"] == job["result"] == lin.get(f"results/{row['id']}").json()["id"]
    assert (row["id"], row["job"]) == (f"res-{result.pk}", result.job_id)


@pytest.mark.parametrize("text", ["{pk}", "{job}", "%23{job}", "x"])
@pytest.mark.parametrize("path", ["results/{0}", "results/{0}/notes", "results/{0}/questions"])
def test_other_numbers_in_a_path_are_refused(lin, path, text):
    result = evaluation(1, 0)

    answer = lin.get(path.format(text.format(pk=result.pk, job=result.job_id)))

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["result_id"])
    assert "Results are written as res-15." in answer.json()["message"]


def test_the_number_of_a_job_names_its_result(lin):
    result = evaluation(1, 0)

    answer = lin.get(f"results/{result.job_id}").json()

    assert answer["fields"] == {
        "result_id": f"“{result.job_id}” is no result. Results are written as res-15. "
        f"#{result.job_id} is a job; its result is res-{result.pk}."
    }


@pytest.mark.parametrize("name", ["base", "id"])
def test_bare_digits_in_a_query_are_refused_at_their_field(lin, name):
    made = {"base": f"res-{evaluation(1, 0).pk}", "id": f"res-{evaluation(1, 1).pk}"}

    answer = lin.get("parity", **{**made, name: made[name].removeprefix("res-")})

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, [name])
    assert "Results are written as res-15." in answer.json()["message"]


@pytest.mark.parametrize("base", ["{pk}", "#{pk}"])
def test_a_baseline_of_changed_answers_is_refused_at_its_field(lin, base):
    result, other = evaluation(1, 0), evaluation(1, 1)
    address, wrong = f"results/res-{result.pk}/questions", base.format(pk=other.pk)

    asked = lin.get(address, show="changed", base=wrong)
    saved = lin.post(address, {"id": "hard", "base": wrong})

    for answer in (asked, saved):
        assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["base"])
        assert "Results are written as res-15." in answer.json()["message"]


def test_a_report_takes_the_number_only(lin):
    result = evaluation(1, 0)

    assert lin.get("reports/result", id=f"res-{result.pk}", format="md").status_code == 200
    assert [*lin.get("reports/result", id=str(result.pk)).json()["fields"]] == ["id"]


def test_a_score_and_its_interval_have_one_unit(lin):
    result = evaluation(1, 1, 1, 1, 0)

    (row,) = lin.get(f"results/res-{result.pk}").json()["sets"]

    assert row["value"] == 80.0
    assert {name: round(value, 2) for name, value in row["interval"].items()} == {
        **{"low": 37.55, "high": 96.38}
    }
