"""Pages of token use, of subjects, and of accuracy beside speed."""

import re

from django.urls import reverse

from dashboard.actions import results
from jobs.catalog.data_sets import DATA_SETS
from jobs.models import Result
from tests.comparing import figures, grouped, ids, text_of
from tests.factories import make_deployment, make_evaluation, make_measured
from tests.jobs.lib.token_using import KNOWN, make_used
from tests.measuring import make_system, measured, served


def panel(html, name):
    return text_of(re.search(rf'<section id="{name}".*?</section>', html, re.S)[0])


def with_subjects(low, **fields):
    row = {"version": "", "metric": "accuracy", "mode": "gen", "questions": 100, "group": "mmlu"}
    sets = [
        {**row, "dataset": one.name, "value": low if one.name.endswith("virology") else 80.0}
        for one in DATA_SETS["mmlu"].parts
    ]
    return make_measured(scores=[1, 0], run_context={"sets": sets}, **fields)


def test_the_card_has_the_tokens_of_the_answers_and_a_curve_up_to_the_limit(get):
    html = get("result-detail", make_used().pk)

    text = panel(html, "tokens")
    assert "Reasoning tokens, mean / median 30.0 / 20 estimated" in text
    assert "Answer tokens, mean / median 14.0 / 10 estimated" in text
    assert "Reasoning share 68.18 % estimated" in text
    assert "Tokens per correct answer 110 220 tokens / 2 correct" in text
    assert "The tool reports tokens for 5 of 6 answers." in text
    assert "Of 1 answer the total is shared" in text
    figure = figures(html)["budget"]
    low, high, line = figure["data"]
    assert (line["x"][-1], line["y"][-1], line["y"][0]) == (100, 50.0, 0.0)
    assert low["y"][-1] < 50 < high["y"][-1]
    assert figure["layout"]["annotations"][0]["text"] == "limit 100, 20.00 % cut"
    assert figure["layout"]["shapes"][0]["x0"] == 100


def test_a_card_without_estimates_does_not_say_estimated_and_without_tokens_there_is_none(get):
    rows = [(9, 0, 9, 1.0, {"latency_s": 2.0})]

    text = panel(get("result-detail", make_used(rows).pk), "tokens")
    without = get("result-detail", make_used([(None, 0, 9, 1.0, {})]).pk)

    assert "estimated" not in text
    assert "Latency of a whole answer, mean / median 2.00 / 2.00 s" in text
    assert 'id="tokens"' not in without


def test_a_comparison_has_a_line_each(get):
    one, two = make_used(), make_used(KNOWN[:2])
    html = get("result-compare", query=f"{ids(one, two)}&chart=budget")
    data = figures(html)["budget"]["data"]

    names = [trace["name"].partition(" ")[0] for trace in data[:2]]
    assert names == [f"res-{one.pk}", f"res-{two.pk}"]
    assert [trace["mode"] for trace in data] == ["lines", "lines", "markers", "markers"]
    bars = dict(zip(data[0]["x"], data[0]["error_y"]["array"], strict=True))
    assert bars[32] > 0 and bars[35] is None
    assert "Tokens per correct answer" in text_of(html)


def test_a_comparison_of_groups_says_whose_answers_count(get):
    one, again, two = make_used(), make_used(), make_used(KNOWN[:2])
    Result.objects.filter(pk__in=[one.pk, again.pk]).update(fingerprint="f")
    html = get("result-compare", query=f"{grouped([one, again], [two])}&chart=budget")

    assert "groups: all answers of their runs" in html
    line = figures(html)["budget"]["data"][0]
    assert dict(zip(line["x"], line["y"], strict=True))[32] == 25.0  # 2 of 8
    assert "groups:" not in get("result-compare", query=f"{ids(one, two)}&chart=budget")


def test_one_known_curve_is_no_comparison(get):
    one, two = make_used(), make_used([(None, 0, 9, 1.0, {})])

    assert "chart=budget" not in get("result-compare", query=ids(one, two))


def test_subjects_of_mmlu_are_folded_by_area(get):
    html = get("result-detail", with_subjects(40.0).pk)
    folded = html[html.index('id="subjects"') :]

    assert folded.count('<details class="fold subject-area">') == 4
    assert "STEM 18 subjects 80.00" in text_of(folded)
    assert "difference" not in text_of(folded[: folded.index("</div>")])


def test_subjects_sort_by_their_difference_to_the_baseline(get):
    base, now = with_subjects(90.0), with_subjects(40.0)
    Result.objects.update(subject="one")
    base.refresh_from_db()
    results.set_baseline(None, base)
    html = get("result-detail", now.pk, query="subjects=difference")
    other = html[html.index("Other (business") :]

    rows = re.findall(r'title="lukaemon_mmlu_(\w+)"', other)
    assert rows[0] == "virology"
    assert "−50.00 [−" in text_of(other)


def test_accuracy_stands_beside_the_speed_of_its_engine(get, member, host):
    deployment = served(host)
    evaluation = make_evaluation([1, 1, 0, 1], host=host, deployment=deployment)
    benchmark = measured(deployment, points=((4, 100.0),))

    html = get("result-tradeoff")
    panel = text_of(get("result-paired", evaluation.pk))

    (trace,) = figures(html)["tradeoff-rate"]["data"]
    assert (trace["x"], trace["y"], trace["marker"]["symbol"]) == ([100.0], [75.0], ["circle"])
    assert trace["customdata"] == [reverse("result-paired", args=[evaluation.pk])]
    assert f"res-{benchmark.pk}" in text_of(html)
    assert "same deployment" in text_of(html)
    assert f"Evaluation res-{evaluation.pk}" in panel
    assert f"Benchmark res-{benchmark.pk}" in panel
    assert "Concurrency 4" in panel
    assert member.get(reverse("result-paired", args=[benchmark.pk])).status_code == 404
    hint = "No benchmark on known devices and no evaluation matches. Remove a filter."
    assert hint in text_of(get("result-tradeoff", query="model=nothing"))


def test_systems_stand_on_one_chart_with_their_front(get, host):
    for dies, rates in ((4, ((1, 40.0, 20.0), (8, 200.0, 40.0))), (8, ((1, 40.0, 25.0),))):
        make_system(host, dies, rates)
    html = get("result-tradeoff", query="model=m")

    names = [trace["name"] for trace in figures(html)["pareto"]["data"]]
    assert names == [f"tp 4, {host}", f"tp 8, {host}", "Pareto frontier"]
    assert "1 of 2 systems is on the Pareto frontier" in text_of(html)
    assert f"Highest throughput: tp 4, {host}, 200 tok/s per card concurrency 8" in text_of(html)
    assert "deepseek-r1, H800, 28 Feb 2025" in text_of(get("result-tradeoff"))

    for dies in (2, 16):
        make_system(host, dies, ((1, 9.0, 25.0),), what="long")
    html = get("result-tradeoff", query="model=m")
    assert [*map(len, (one["y"] for one in figures(html)["pareto"]["data"][-2:]))] == [2, 1]
    assert "2 of 4 systems are on the Pareto frontier" in text_of(html)
    assert "2 frontiers, one for each model and workload" in text_of(html)


def test_without_rivals_each_system_has_its_name_and_the_others_a_reason(get, host):
    make_system(host, 4, ((1, 40.0, 20.0), (8, 200.0, 40.0)))
    without = make_measured(points=[(1, {"output_tokens_per_s": 9.0})], model_id="m")
    ready = make_deployment(host=host, state="ready")

    html = get("result-tradeoff", query="model=m")

    (trace,) = figures(html)["pareto"]["data"]
    assert [bool(text) for text in trace["text"]] == [False, True]  # at its highest rate
    text = text_of(html)
    assert "No comparison yet: no two counted systems share model and workload" in text
    assert "1 system is not drawn: 1 without TPOT." in text
    assert f"deployment={ready.pk}" in html and f"res-{without.pk}" not in text


def test_results_open_with_the_page_that_a_person_chose(member):
    def rail():
        return re.search(
            r'<nav id="areas".*href="([^"]+)"[^>]*><svg.{,200}</svg>Results', page(), re.S
        )[1]

    def page(query=""):
        return member.get(reverse("result-tradeoff") + query).text

    assert rail() == reverse("result-list")
    page("?keep=result-tradeoff")
    assert rail() == reverse("result-tradeoff")
    assert member.get(reverse("result-list")).status_code == 200
    page("?keep=result-list")
    assert rail() == reverse("result-list")
