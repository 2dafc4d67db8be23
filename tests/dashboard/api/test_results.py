"""Results over the API: their numbers, what people add to them, questions as a set."""

import json

import pytest

from jobs.catalog import QUESTION_SETS
from jobs.models import AuditEntry
from tests.comparing import OTHER
from tests.factories import make_evaluation, make_job, make_measured, make_result, make_user
from tests.jobs.lib import answering
from tests.measuring import make_measuring_host, measured, served

pytestmark = pytest.mark.django_db


def test_tags_are_added_filtered_and_removed(lin):
    result, other = make_result(), make_result()
    place = f"results/res-{result.pk}/tags"

    assert lin.post(place, {"tags": ["v3/rc", "夜间"]}).json() == {"tags": ["v3/rc", "夜间"]}
    listed = lin.get("results?tag=v3/rc").json()["results"]
    assert [(row["id"], row["tags"]) for row in listed] == [(f"res-{result.pk}", ["v3/rc", "夜间"])]
    assert lin.get(f"results/res-{other.pk}").json()["tags"] == []

    assert lin.send("delete", f"{place}/v3/rc").json() == {"tags": ["夜间"]}
    assert lin.send("delete", f"{place}/v3/rc").status_code == 404


@pytest.mark.parametrize("tags", [[], [""], ["x" * 33], ["a,b"], [f"{n}" for n in range(13)]])
def test_a_wrong_tag_is_at_its_field(lin, tags):
    answer = lin.post(f"results/res-{make_result().pk}/tags", {"tags": tags})

    assert answer.status_code == 422
    assert "tags" in answer.json()["fields"]


def test_a_note_is_added_edited_and_removed(lin):
    place = f"results/res-{make_result().pk}/notes"

    made = lin.post(place, {"text": "warm"})
    note = made.json()
    assert (made.status_code, note["text"], note["created_by"]) == (201, "warm", "lin")
    edited = lin.send("patch", f"{place}/{note['id']}", {"text": "cold"}).json()
    assert (edited["text"], edited["edited_by"]) == ("cold", "lin")
    assert lin.get(place).json()["notes"] == [edited]

    assert lin.send("delete", f"{place}/{note['id']}").json() == edited

    assert lin.get(place).json() == {"notes": [], "next": None}
    assert lin.post(place, {"text": " "}).json()["fields"].keys() == {"text"}


def test_a_sign_off_is_added_and_withdrawn(lin):
    result = make_result()
    place = f"results/res-{result.pk}/sign-offs"

    row = lin.post(place, {"purpose": "ACME"}).json()
    listed = lin.get("results?released=1").json()["results"]
    assert [one["released"] for one in listed] == [["ACME"]]
    gone = lin.send("post", f"{place}/{row['id']}/withdraw").json()

    assert (gone["withdrawn_by"], gone["purpose"]) == ("lin", "ACME")
    assert lin.get(place).json()["sign_offs"] == [gone]
    assert lin.get("results?released=1").json()["results"] == []
    assert lin.post(place, {"purpose": ""}).json()["fields"].keys() == {"purpose"}


@pytest.mark.postgresql
def test_a_baseline_is_set_judges_and_is_removed(lin):
    host = make_measuring_host()
    base, *_others = (measured(served(host), points=((1, n),)) for n in (100, 101, 99))
    later, *_others = (measured(served(host, OTHER), points=((1, n),)) for n in (92, 93, 91))
    place = f"results/res-{base.pk}/baseline"

    assert lin.send("put", place).json()["baseline"] == f"res-{base.pk}"
    verdict = lin.get(f"results/res-{later.pk}").json()["vs_baseline"]
    assert (verdict["state"], verdict["baseline"], verdict["is_relative"]) == (
        "regressed",
        f"res-{base.pk}",
        True,
    )
    assert verdict["low"] < verdict["change"] < verdict["high"] < 0
    assert lin.get(f"results/res-{base.pk}").json()["is_baseline"] is True
    gone = lin.send("delete", place).json()

    assert (gone["baseline"], gone["history"][0]["ended_by"]) == (None, "lin")
    assert lin.get(f"results/res-{later.pk}").json()["vs_baseline"] is None
    dids = [row.detail["did"] for row in AuditEntry.objects.order_by("pk")]
    assert dids == ["set", "remove"]


def test_a_result_without_a_subject_is_no_baseline(lin):
    answer = lin.send("put", f"results/res-{make_result().pk}/baseline")

    assert answer.status_code == 422


def test_a_view_is_saved_changed_and_removed(lin):
    made = lin.post("result-views", {"name": "Nightly", "query": "tag=a&format=csv&x=1"})
    view = made.json()
    assert (made.status_code, view["query"], view["shared"]) == (201, "tag=a", False)

    place = f"result-views/{view['id']}"
    changed = lin.send("patch", place, {"shared": True, "query": "tag=b"}).json()
    assert (changed["name"], changed["query"], changed["shared"]) == ("Nightly", "tag=b", True)
    assert lin.get("result-views").json()["views"] == [changed]

    assert lin.send("delete", place).json() == changed
    assert lin.get("result-views").json()["views"] == []
    assert lin.post("result-views", {"name": ""}).json()["fields"].keys() == {"name"}


def test_the_fleet_has_each_place_with_its_values(lin):
    host = make_measuring_host("va16")
    result = measured(served(host, stack="guide"), points=((1, 50.0), (4, 90.0)))

    answer = lin.get("fleet?days=7").json()

    places = {place["stack"]: place for place in answer["fleet"]}
    speed = places["guide"]["speed"]
    assert (speed["result"], speed["value"], speed["concurrency"]) == (f"res-{result.pk}", 90.0, 4)
    assert (speed["stale"], places["guide"]["accuracy"]) == ([], None)
    assert answer["days"] == 7
    assert lin.get("fleet?days=many").json()["days"] == 30


def evaluation(*scores):
    make_job()  # so that the job of a result has another number
    return make_evaluation(scores)


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


@pytest.fixture
def pair(question_folder):
    return answering.make_evaluations(questions=answering.save_set())


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


LARGE = "9" * 19


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("delete", f"results/res-{LARGE}/tags/x", 400),
        ("patch", f"results/res-{LARGE}/notes/1", 400),
        ("delete", f"results/res-{LARGE}/notes/1", 400),
        ("post", f"results/res-{LARGE}/sign-offs/1/withdraw", 400),
        ("post", f"matrices/{LARGE}/runs/1/repeat", 404),
    ],
)
def test_a_part_of_a_record_that_no_column_can_number(client, method, path, status):
    client.force_login(make_user("ada", is_staff=True))

    answer = getattr(client, method)(
        f"/api/v1/{path}", {"text": "seen"}, content_type="application/json"
    )

    assert answer.status_code == status
