"""Results over the API: numbers, additions by people, questions as a set, parity."""

import json

import pytest

from jobs.catalog import QUESTION_SETS
from jobs.models import AuditEntry
from tests.comparing import OTHER
from tests.factories import make_endpoint, make_evaluation, make_job, make_measured, make_result
from tests.jobs.lib import answering
from tests.measuring import make_measuring_host, measured, served

SET = "ours@0123456789ab"


def test_tags_are_added_filtered_and_removed(lin):
    result, other = make_result(), make_result()
    place = f"results/res-{result.pk}/tags"

    assert lin.post(place, {"tags": ["v3/rc", "夜间"]}).json() == {"tags": ["v3/rc", "夜间"]}
    listed = lin.get("results?tag=v3/rc").json()["results"]
    assert [(row["id"], row["tags"]) for row in listed] == [(f"res-{result.pk}", ["v3/rc", "夜间"])]
    assert lin.get(f"results/res-{other.pk}").json()["tags"] == []

    assert lin.send("delete", f"{place}/v3/rc").json() == {"tags": ["夜间"]}
    assert lin.send("delete", f"{place}/v3/rc").status_code == 404
    assert lin.post(place, {"tags": ["a,b"]}).json()["fields"].keys() == {"tags"}


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


def test_a_simulated_result_is_signed_off_by_who_accepts_that(lin):
    place = f"results/res-{make_result(simulated=True).pk}/sign-offs"

    refused = lin.post(place, {"purpose": "ACME"})
    row = lin.post(place, {"purpose": "ACME", "accept": ["simulated"]}).json()

    assert refused.status_code == 422 and refused.json()["fields"].keys() == {"accept"}
    assert row["accepted"] == ["simulated"]


def test_a_sign_off_is_added_and_withdrawn(lin):
    result = make_result()
    place = f"results/res-{result.pk}/sign-offs"

    row = lin.post(place, {"purpose": "ACME"}).json()
    listed = lin.get("results?released=1&flag=quiet").json()["results"]
    assert [one["released"] for one in listed] == [["ACME"]]
    gone = lin.send("post", f"{place}/{row['id']}/withdraw").json()

    assert (gone["withdrawn_by"], gone["purpose"]) == ("lin", "ACME")
    assert lin.get(place).json()["sign_offs"] == [gone]
    for query in ("released=1", "flag=faulty"):
        assert lin.get(f"results?{query}").json()["results"] == []
    assert lin.post(place, {"purpose": ""}).json()["fields"].keys() == {"purpose"}


@pytest.mark.postgresql
def test_a_baseline_is_set_judges_and_is_removed(lin):
    host = make_measuring_host()
    base, *_others = (measured(served(host), points=((1, n),)) for n in (100, 101, 99))
    later, *_others = (measured(served(host, OTHER), points=((1, n),)) for n in (92, 93, 91))
    place = f"results/res-{base.pk}/baseline"

    assert lin.send("put", place).json()["baseline"] == f"res-{base.pk}"
    verdict = lin.get(f"results/res-{later.pk}").json()["vs_baseline"]
    assert (verdict["state"], verdict["baseline"]) == ("worse", f"res-{base.pk}")
    assert verdict["low"] < verdict["change"] < verdict["high"] < 0
    assert lin.get(f"results/res-{base.pk}").json()["is_baseline"] is True
    gone = lin.send("delete", place).json()

    assert (gone["baseline"], gone["history"][0]["ended_by"]) == (None, "lin")
    assert lin.get(f"results/res-{later.pk}").json()["vs_baseline"] is None
    dids = [row.detail["did"] for row in AuditEntry.objects.order_by("pk")]
    assert dids == ["set", "remove"]
    assert lin.send("put", f"results/res-{make_result().pk}/baseline").status_code == 422


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
    assert lin.get("fleet?days=").json()["days"] == 30


def test_a_result_names_its_endpoint_and_device(lin):
    row = make_endpoint()
    make_result(endpoint=row, run_context={"device": {"text": "8 × H800", "count": 8}})
    make_result()

    found = lin.get(f"results?endpoint={row.pk}").json()["results"]

    assert [(one["endpoint"], one["device"]) for one in found] == [(row.pk, "8 × H800")]


def test_every_answer_has_the_number_of_the_result(lin):
    make_job()  # the job of the result has another number
    result = make_evaluation([1, 0])

    (row,) = lin.get("results").json()["results"]
    job = lin.get(f"jobs/{result.job_id}").json()

    assert row["id"] == job["result"] == lin.get(f"results/{row['id']}").json()["id"]
    assert (row["id"], row["job"]) == (f"res-{result.pk}", result.job_id)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        *(("results/{pk}", "result_id"), ("results/x", "result_id")),
        *(("results/{pk}/notes", "result_id"), ("results/{pk}/questions", "result_id")),
        *(("parity?base={pk}&id=res-1", "base"), ("parity?base=res-{pk}&id=1", "id")),
        ("results/res-{pk}/questions?show=changed&base={pk}", "base"),
        ("reports/result?id={pk}", "id"),
    ],
)
def test_a_result_is_asked_for_by_its_own_number_only(lin, address, name):
    answer = lin.get(address.format(pk=make_evaluation([1, 0]).pk))

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, [name])
    assert "Results are written as res-15." in answer.json()["message"]


def test_the_number_of_a_job_names_its_result(lin):
    make_job()
    result = make_evaluation([1, 0])

    answer = lin.get(f"results/{result.job_id}").json()
    saved = lin.post(f"results/res-{result.pk}/questions", {"id": "hard", "base": f"{result.pk}"})

    assert answer["fields"] == {
        "result_id": f"“{result.job_id}” is no result. Results are written as res-15. "
        f"#{result.job_id} is a job; its result is res-{result.pk}."
    }
    assert (saved.status_code, [*saved.json()["fields"]]) == (400, ["base"])


def test_a_result_has_its_rate_in_each_known_unit(lin):
    context = {"dies": ["0", "1"]}
    result = make_measured(points=[(4, {"output_tokens_per_s": 90.0})], run_context=context)

    for metrics in (
        lin.get("results").json()["results"][0]["metrics"],
        lin.get(f"results/res-{result.pk}").json()["metrics"],
    ):
        assert metrics["output_tokens_per_s_per_die"] == metrics["output_tokens_per_s"] / 2


def test_a_score_and_its_interval_have_one_unit(lin):
    result = make_evaluation([1, 1, 1, 1, 0])

    (row,) = lin.get(f"results/res-{result.pk}").json()["sets"]

    assert row["value"] == 80.0
    assert {name: round(value, 2) for name, value in row["interval"].items()} == {
        **{"low": 37.55, "high": 96.38}
    }


@pytest.fixture
def pair(question_folder):
    return answering.make_evaluations(questions=answering.save_set())


def test_changed_questions_are_a_file_and_saved_as_a_set(lin, pair):
    base, result = pair
    place = f"results/res-{result.pk}/questions"

    file = lin.get(place, show="changed", base=f"res-{base.pk}").content.decode()
    asked = {"id": "hard", "show": "changed, correct", "base": f"res-{base.pk}"}
    answer = lin.post(place, asked)

    assert [json.loads(line)["id"] for line in file.splitlines()] == ["q1", "q4", "q6"]
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["id"], shown["questions"], shown["origin"]) == ("hard", 2, "team")
    assert [one.id for one in QUESTION_SETS[shown["key"]].questions] == ["q4", "q6"]


def test_questions_that_cannot_be_saved_are_refused_with_words(lin, pair):
    _base, result = pair
    benchmark = make_measured(points=[(1, {"output_tokens_per_s": 8.5})])
    body = {"id": "hard", "show": "changed"}

    without_base = lin.post(f"results/res-{result.pk}/questions", body)
    of_benchmark = lin.get(f"results/res-{benchmark.pk}/questions")

    assert (without_base.status_code, of_benchmark.status_code) == (422, 422)
    words = "Choose the result against which the answers changed."
    assert without_base.json()["message"] == words
    assert "is a benchmark" in of_benchmark.json()["message"]
    assert QUESTION_SETS.of_team("hard") is None


COUNTS = {"base_counts": "154/159,933/976", "counts": "155/159,929/976", "margin": "1"}


def test_counts_have_a_statement_of_parity(lin):
    data = lin.post("parity", COUNTS).json()

    assert (data["verdict"], data["means_disagree"]) == ("cannot_tell", True)
    assert round(data["pooled"]["difference_points"], 2) == -0.26


def test_two_results_have_a_statement_of_parity(lin):
    sides = [answering.evaluation(answering.answers(wrong={n}), questions=SET) for n in (1, 3)]
    query = {name: f"res-{one.pk}" for name, one in zip(("base", "id"), sides, strict=True)}

    data = lin.get("parity", **query).json()

    assert data["base"]["results"] == [query["base"]]
    assert (data["pooled"]["regressed"], data["pooled"]["fixed"]) == (1, 1)
    rows = [(row["name"], row["version"], len(row["questions_sha256"])) for row in data["sets"]]
    assert rows == [(f"{SET}/short_{word}", SET.partition("@")[2], 64) for word in ("en", "zh")]


def test_several_results_have_verdicts_corrected_for_their_number(lin):
    base, *others = (
        f"res-{answering.evaluation(answering.answers(wrong=range(n)), questions=SET).pk}"
        for n in (0, 12, 5, 4)
    )

    data = lin.get("parity/candidates", base=base, id=";".join(others)).json()

    said = [(one["verdict"], one["alone"]["verdict"]) for one in data["candidates"]]
    assert said == [("worse", "worse"), *[("cannot_tell", "worse")] * 2]
    assert data["exit_code"] == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base_counts": "x", "counts": "1/2"}, "base_counts"),
        ({"base_counts": "1/2,1/2", "counts": "1/2"}, "counts"),
        ({**COUNTS, "sets": "a"}, "sets"),
    ],
)
def test_wrong_counts_are_named(lin, body, field):
    answer = lin.post("parity", body)

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


def test_results_without_a_statement_say_why(lin):
    one, benchmark = (
        make_evaluation([1, 0]),
        make_measured(points=[(1, {"output_tokens_per_s": 5.0})]),
    )

    def asked(result):
        answer = lin.get("parity", base=f"res-{one.pk}", id=f"res-{result}")
        return answer.status_code, answer.json()["fields"].get("id")

    assert asked(999999) == (404, None)
    assert asked(one.pk) == (400, f"res-{one.pk} is on both sides. Choose two results.")
    name = f"res-{benchmark.pk}"
    assert asked(benchmark.pk) == (400, f"{name} is a benchmark. Choose an evaluation.")
