"""Results beside others over the API: the numbers and verdicts are those of the pages."""

import pytest
from django.urls import reverse

from tests.comparing import OTHER, RATE, at_two, grouped, ids, moved_runs, rows_of
from tests.factories import make_measured
from tests.jobs.lib import answering
from tests.measuring import make_measuring_host, make_system, measured, served


@pytest.fixture
def host():
    return make_measuring_host()


@pytest.fixture
def sides(host):
    """Three runs of each of two deployments, at concurrency 1 and 4."""
    deployments = served(host), served(host, OTHER)
    return [
        [at_two(one, rate, 2 * rate) for rate in rates]
        for one, rates in zip(deployments, ((50, 51, 52), (60, 61, 62)), strict=True)
    ]


def test_a_comparison_has_the_numbers_and_verdicts_of_its_table(lin, sides):
    query = grouped(*sides)

    found = lin.get(f"comparison?{query}").json()
    lines = rows_of(lin.get(f"comparison.csv?{query}"))

    assert (found["concurrency"], found["common_concurrencies"]) == (4, [1, 4])
    assert [one["results"] for one in found["columns"]] == [
        [f"res-{run.pk}" for run in side] for side in sides
    ]
    rate = found["metrics"][0]
    assert (rate["metric"], rate["unit"]) == (RATE, "tokens/s")
    base, other = rate["columns"]
    line = next(
        one
        for one in lines
        if (one["column"], one["metric"], one["concurrency"]) == ("2", RATE, "4")
    )
    assert base["change"] is None
    names = {"difference": "difference", "low": "difference_low", "high": "difference_high"}
    for name, column in names.items():
        assert other["change"][name] == float(line[column])
    assert other["change"]["verdict"] == line["verdict"] == "better"
    assert (other["value"], other["n"], other["method"]) == (122.0, 3, line["interval"])
    assert other["low"] == float(line["low"]) < 122 < other["high"] == float(line["high"])


def test_the_table_over_the_api_is_the_table_of_the_page(lin, client, sides):
    client.force_login(lin.user)
    query = ids(sides[0][0], sides[1][0])

    page = client.get(f"{reverse('result-compare')}?{query}&format=csv")
    answer = lin.get(f"comparison.csv?{query}")

    assert rows_of(answer) == rows_of(page)
    assert answer["Content-Disposition"] == page["Content-Disposition"]


def test_a_comparison_has_the_settings_that_differ(lin, sides):
    query = ids(sides[0][0], sides[1][0])

    found = lin.get(f"comparison?{query}").json()
    whole = lin.get(f"comparison?{query}&all=1").json()

    flag = {"name": "--flash-attention", "values": ["", "yes"], "differs": True}
    assert flag in found["settings"]
    assert all(one["differs"] for one in found["settings"])
    assert len(whole["settings"]) == len(found["settings"]) + found["equal_settings"]


def test_single_runs_have_no_interval_and_the_missing_runs(lin, sides):
    one, other = sides[0][0], make_alone(sides)

    found = lin.get(f"comparison?{ids(one, other)}").json()

    cell = found["metrics"][0]["columns"][1]
    assert (cell["low"], cell["method"], cell["change"]["verdict"]) == (None, None, "cannot_tell")
    assert found["missing_runs"] == [{"result": f"res-{other.pk}", "runs": 2}]
    assert "three runs of each" in found["missing"]


def make_alone(sides):
    """A run of a third deployment, which has no repeats."""
    return at_two(served(sides[0][0].host, (*OTHER, "--mlock")), 70, 140)


def test_other_work_is_not_comparable_and_says_why(lin, host):
    deployment = served(host)
    few, many = (measured(deployment, output_tokens=count) for count in (64, 128))

    found = lin.get(f"comparison?{ids(few, many)}").json()

    assert [one["comparable"] for one in found["columns"]] == [True, False]
    change = found["metrics"][0]["columns"][1]["change"]
    assert (change["verdict"], change["difference"]) == ("not_comparable", None)
    assert [(one["name"], one["values"]) for one in found["obstacles"]] == [
        ("output_tokens", [64, 128])
    ]
    assert found["warning"] == "Not comparable: different workloads."


def test_two_evaluations_have_their_parity_and_paired_answers(lin):
    one, other = make_measured(scores=[0] * 12, label="a"), make_measured(scores=[1] * 12)

    found = lin.get(f"comparison?{ids(one, other)}").json()
    stated = lin.get("parity", base=f"res-{one.pk}", id=f"res-{other.pk}").json()

    assert found["parity"] == stated and stated["verdict"] == "better"
    assert found["text"].lower().endswith(stated["text"].lower())
    paired = found["paired"][0]
    assert (paired["result"], paired["only_result"], paired["only_base"]) == (
        f"res-{other.pk}",
        12,
        0,
    )
    cell = found["metrics"][0]["columns"][1]
    assert (cell["method"], cell["change"]["relative"]) == ("wilson", False)
    assert cell["change"]["difference"] == 1.0


def test_a_comparison_is_at_the_asked_concurrency_and_in_the_asked_unit(lin):
    one, other = (
        make_measured(
            points=[(at, {RATE: at * rate}) for at in (1, 4)], run_context={"dies": [0, 1]}
        )
        for rate in (50.0, 60.0)
    )

    found = lin.get(f"comparison?{ids(one, other)}&concurrency=1&per=die").json()

    assert found["concurrency"] == 1
    row = found["metrics"][0]
    assert (row["metric"], row["columns"][0]["value"]) == (f"{RATE}_per_die", 25.0)


@pytest.mark.parametrize("path", ["comparison", "comparison.csv"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "id"),
        ("id=res-{id}", "id"),
        ("id=res-{id}&id=res-999999", "id"),
        ("id=res-{id}&id=x", "id"),
        ("group=res-{id}&group=x", "group"),
        ("group=res-{id}&group=res-999999", "group"),
        ("id=res-{id}&group=res-{other}", "group"),
        ("id=res-{id}&id=res-{other}&concurrency=x", "concurrency"),
        ("id=res-{id}&id=res-{other}&per=rack", "per"),
        ("id=res-{id}&id=res-{other}&page=2", "page"),
    ],
)
def test_a_wrong_query_of_a_comparison_is_named(lin, path, query, field):
    one, other = (make_measured(points=[(1, {RATE: rate})]) for rate in (50.0, 60.0))

    answer = lin.get(f"{path}?{query.format(id=one.pk, other=other.pk)}")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


@pytest.mark.parametrize(("name", "value"), [("margin", "x"), ("goal", "more")])
def test_a_wrong_margin_or_goal_of_a_comparison_is_named(lin, name, value):
    one, other = make_measured(scores=[0, 1], label="a"), make_measured(scores=[1, 1])

    answer = lin.get(f"comparison?{ids(one, other)}&{name}={value}")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [name]


# History of a measurement


@pytest.fixture
def moved(host):
    return moved_runs(host)


def test_a_history_has_its_periods_and_what_changed(lin, moved):
    found = lin.get(f"results/res-{moved.pk}/history").json()

    assert (found["result"], found["metric"], found["concurrency"]) == (f"res-{moved.pk}", RATE, 1)
    assert "worse" in found["text"]
    before, now = found["periods"]
    assert [one["value"] for one in before["runs"] + now["runs"]] == [100, 101, 99, 80, 81, 79]
    assert (before["base"], before["change"], now["base"]) == (None, None, 1)
    assert now["low"] < now["mean"] < now["high"] and now["n"] == 3
    assert now["change"]["verdict"] == "worse" and now["change"]["relative"]
    assert now["change"]["difference"] == pytest.approx(-0.2, abs=0.001)
    parts = [(one["name"], one["was"], one["now"]) for one in now["changed"]]
    assert ("--flash-attention", None, "yes") in parts


def test_the_table_of_a_history_is_the_table_of_the_page(lin, client, moved):
    client.force_login(lin.user)

    page = client.get(reverse("result-history", args=[moved.pk]), {"format": "csv"})
    answer = lin.get(f"results/res-{moved.pk}/history.csv")

    assert rows_of(answer) == rows_of(page)
    assert len(rows_of(answer)) == 6


def test_a_period_of_another_tool_is_not_comparable(lin, host):
    measured(served(host))
    last = measured(served(host), tool="evalscope 1.15.0")

    found = lin.get(f"results/res-{last.pk}/history").json()

    assert found["periods"][-1]["change"]["verdict"] == "not_comparable"


@pytest.mark.parametrize("path", ["history", "history.csv"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metric=speed", "metric"),
        ("concurrency=7", "concurrency"),
        ("concurrency=x", "concurrency"),
    ],
)
def test_a_value_that_a_history_lacks_is_named(lin, moved, path, query, field):
    answer = lin.get(f"results/res-{moved.pk}/{path}?{query}")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


# Systems and pairs


def test_a_tradeoff_marks_the_front_and_what_is_published(lin, host):
    slow = make_system(host, 2, [(1, 40.0, 25.0), (8, 100.0, 80.0)])
    fast = make_system(host, 4, [(1, 400.0, 10.0)])

    found = lin.get("tradeoff", per="die", model="m").json()

    assert (found["unit"], found["left_out"]) == ("die", 0)
    points = {one["result"]: one["points"] for one in found["systems"]}
    assert points[f"res-{fast.pk}"] == [
        {
            "concurrency": 1,
            "tokens_per_s_per_user": 100.0,
            "tokens_per_s": 100.0,
            "on_front": True,
        }
    ]
    assert [one["on_front"] for one in points[f"res-{slow.pk}"]] == [False, False]
    assert not any(one["published"] for one in found["systems"])


def test_published_systems_are_marked_per_card(lin):
    systems = lin.get("tradeoff", per="card").json()["systems"]

    published = [one for one in systems if one["published"]]
    assert published and all(one["result"] is None and one["source"] for one in published)
    assert all(one["points"][0]["concurrency"] is None for one in published)


def test_an_evaluation_is_beside_the_benchmark_of_its_engine(lin, host):
    deployment = served(host)
    speed = measured(deployment, points=((1, 50.0), (4, 150.0)))
    accuracy = make_measured(scores=[1, 0], host=host, deployment=deployment)

    pair = lin.get(f"results/res-{accuracy.pk}/paired").json()

    assert pair["benchmark"] == f"res-{speed.pk}"
    assert (pair["pairing"], pair["concurrency"], pair["accuracy"]) == ("engine", 4, 0.5)
    assert pair["tokens_per_s"]["total"] == 150.0
    assert lin.get("tradeoff").json()["pairs"] == [pair]
    assert lin.get(f"results/res-{speed.pk}/paired").status_code == 404


@pytest.mark.parametrize("query", ["per=rack", "flag=x", "what=nothing", "page=2"])
def test_a_wrong_filter_of_a_tradeoff_is_named(lin, query):
    answer = lin.get(f"tradeoff?{query}")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [query.partition("=")[0]]


# Answers of an evaluation


@pytest.fixture
def pair():
    return answering.make_evaluations()


@pytest.fixture
def answers(lin, pair):
    """Return a function that lists answers of the second evaluation by a query."""
    base, result = pair
    return lambda query="": lin.get(
        f"results/res-{result.pk}/answers?{query.format(base=base.pk)}"
    ).json()


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        ("show=cut", answering.CUT),
        ("show=changed&base=res-{base}", answering.CHANGED),
        ("show=changed,correct&base=res-{base}", (4, 6)),
        ("show=cut&set=short_zh", (2,)),
        ("show=cut&category=other", ()),
    ],
)
def test_answers_are_filtered_as_in_the_reader(answers, query, indexes):
    found = answers(query)

    assert tuple(one["index"] for one in found["answers"]) == indexes
    assert (found["matching"], found["next"]) == (len(indexes), None)


def test_a_text_is_searched_in_the_asked_places(answers, pair):
    pair[1].answers.filter(index=3).update(reasoning="the Eiffel tower")

    assert [one["index"] for one in answers("q=eiffel")["answers"]] == [3]
    assert answers("q=eiffel&places=question,answer")["answers"] == []


def test_answers_are_read_page_by_page_in_their_order(lin, answers, pair):
    whole = [one["index"] for one in answers("order=-tokens&limit=200")["answers"]]
    address, read = f"results/res-{pair[1].pk}/answers?order=-tokens&limit=7", []

    while address:
        found = lin.get(address.partition("/api/v1/")[2] or address).json()
        read += [one["index"] for one in found["answers"]]
        address = found["next"]

    assert read == whole
    assert len(read) == found["total"] == found["matching"]


def test_a_list_of_answers_has_its_counts_parts_and_bases(answers, pair):
    found = answers()

    assert found["counts"]["cut"] == len(answering.CUT)
    assert sum(one["answers"] for one in found["sets"]) == found["total"]
    assert found["bases"] == [f"res-{pair[0].pk}"]


def test_an_answer_is_read_in_full_beside_that_of_its_base(lin, pair):
    base, result = pair
    at = answering.CHANGED[0]

    found = lin.get(f"results/res-{result.pk}/answers/{at}", base=f"res-{base.pk}").json()
    alone = lin.get(f"results/res-{result.pk}/answers/{at}").json()

    own = result.answers.get(index=at)
    assert (found["question"], found["answer"]) == (own.question, own.answer)
    assert found["result"] == f"res-{result.pk}" and found["rule"]
    assert found["other"]["result"] == f"res-{base.pk}"
    assert found["other"]["verdict"] != found["verdict"]
    assert f"/results/res-{result.pk}/answers/{at}/" in found["issue_text"]
    assert alone["other"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("show=pretty", "show"),
        ("show=changed", "base"),
        ("base=res-999999", "base"),
        ("base=x", "base"),
        ("q=x&places=margin", "places"),
        ("order=colour", "order"),
        ("before=x", "before"),
        ("before=999999", "before"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("page=2", "page"),
    ],
)
def test_a_wrong_filter_of_answers_is_named(lin, pair, query, field):
    answer = lin.get(f"results/res-{pair[1].pk}/answers?{query}")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


def test_a_wrong_base_of_an_answer_is_named(lin, pair):
    answer = lin.get(f"results/res-{pair[1].pk}/answers/0", base="res-999999")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["base"]


def test_a_benchmark_has_no_answers(lin, host):
    assert lin.get(f"results/res-{measured(served(host)).pk}/answers").status_code == 404
