import re
from html import unescape

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.pages.results import results as results_view
from dashboard.templatetags.results import delta
from dashboard.text.labels import FLAG_WORDS
from dashboard.text.messages import message
from jobs.queries.comparison.comparison import compare
from jobs.queries.results import listing
from jobs.queries.results import results as queries
from tests.comparing import rows_of
from tests.dashboard.lib.points import SOME_FAILED, point
from tests.factories import make_host, make_job, make_measured, make_result

LIST = reverse("result-list")


@pytest.fixture
def page(member):
    return lambda address: member.get(address).content.decode()


def panel_of(result):
    return render_to_string("results/_result_panel.html", {"result": result})


@pytest.mark.parametrize(
    ("faulty", "total", "is_warned"),
    [(128, 142, True), (8, 142, True), (7, 142, False), (60, 3062, True), (30, 3062, False)],
)
def test_an_accuracy_with_faulty_answers_is_flagged(page, faulty, total, is_warned):
    result = make_measured(scores=[1, 0])
    result.metrics |= {"answers_total": total, "answers_faulty": faulty}
    result.save(update_fields=["metrics"])

    pages = [page(LIST), page(reverse("model-detail", args=[result.model_id]))]

    for query in ("stamp=faulty", "q=faulty+answers"):
        assert (f"res-{result.pk}" in page(f"{LIST}?{query}")) == is_warned
    for html in pages:
        assert ('<span class="stamp dist"' in html) == is_warned
        assert ("answers are faulty (e.g. cut off). The score is doubtful." in html) == is_warned


@pytest.mark.postgresql
def test_a_facet_counts_what_each_of_its_values_would_show():
    host = make_host("here")
    for label in ("a", "a", "b"):
        make_measured(label=label, job=make_job(host=host, state="succeeded"))

    counts = listing.facet_counts(
        listing.ResultFilters(facets={"precision": ["b"], "host": ["here"]})
    )

    assert counts["precision"] == [("a", 2), ("b", 1)]
    assert counts["host"] == [("here", 1)]


@pytest.mark.postgresql
def test_each_flag_is_a_facet_and_a_word_of_the_search(member):
    remark = {"id": "result:beside_jobs", "args": {"jobs": "5"}}
    noisy, crowded = (make_measured(disturbed=True, remarks=[remark]) for _ in range(2))
    loaded = make_measured(loaded=True, remarks=[{"id": "result:host_loaded", "args": {}}])
    few = make_measured(remarks=[{"id": "benchmark:few_requests", "args": {"requests": 3}}])
    args = {"cut": 2, "total": 2, "max_tokens": 9}
    cut = make_measured(scores=[1, 0], remarks=[{"id": "evaluate:cut", "args": args}])
    failed = [{"id": "benchmark:failed_requests", "args": {}}]
    incomplete = make_measured(remarks=failed, incomplete=True)
    quiet = make_measured()

    def results_of(language="en", **query):
        answer = member.get(LIST, query, headers={"Accept-Language": language})
        return set(answer.context["page"].results)

    assert results_of(stamp="disturbed") == results_of(q="Disturbed") == {noisy, crowded}
    assert results_of(stamp="few") == results_of(q="few") == {few}
    assert results_of(stamp="cut") == results_of(q="cut") == {cut}
    assert (results_of(stamp="incomplete"), results_of(stamp="quiet")) == ({incomplete}, {quiet})
    assert results_of(stamp="loaded") == results_of(q="loaded host") == {loaded}
    assert results_of(q=f"Loaded host res-{loaded.pk}") == {loaded}
    assert results_of(stamp="simulated") == set()
    assert results_of("zh-hans", q="受干扰") == {noisy, crowded}
    stamps = dict(listing.facet_counts(listing.ResultFilters())["stamp"])
    assert {*listing.STAMPS} == {*FLAG_WORDS, "quiet"}
    assert stamps == dict.fromkeys(("loaded", "few", "cut", "quiet", "incomplete"), 1) | {
        "disturbed": 2
    }


@pytest.mark.postgresql
def test_the_second_page_of_the_list_has_the_rest_and_a_job_is_found_by_its_number(monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 2)
    oldest, older, newest = (make_measured() for _ in range(3))

    first = listing.result_list(listing.ResultFilters())
    second = listing.result_list(listing.ResultFilters(), after=first.after)

    assert (first.results, second.results) == ([newest, older], [oldest])
    assert second.after == ""
    listed = listing.result_list(listing.ResultFilters(words=listing.Words(f"#{older.job_id}")))
    assert list(listed.results) == [older]


@pytest.mark.parametrize(
    ("metrics", "charts"),
    [
        ({"output_tokens_per_s": 9.0, "ttft_p50_ms": 90.0, "ttft_mean_ms": 9.0}, ["ttft"]),
        ({"output_tokens_per_s": 9.0, "itl_p99_ms": 9.0, "latency_p50_s": 9.0}, ["itl", "latency"]),
        ({"output_tokens_per_s": 9.0, "ttft_mean_ms": 9.0}, []),
    ],
)
def test_a_benchmark_page_has_no_empty_chart(page, metrics, charts):
    result = make_measured(points=[(1, metrics), (2, metrics)])

    text = page(reverse("result-detail", args=[result.pk]))

    drawn = re.findall(r'data-chart="(\w+)-data"', text)
    assert drawn == ["throughput", *charts]


def test_one_concurrency_has_a_table_and_no_chart(page):
    metrics = {"output_tokens_per_s": 9.0, "ttft_mean_ms": 77.0, "ttft_p90_ms": 91.0}
    one = make_measured(points=[(16, metrics)])
    two = make_measured(points=[(16, metrics), (32, metrics)])

    text = page(reverse("result-detail", args=[one.pk]))

    assert "data-chart" not in text + panel_of(one)
    table = text.partition("<h2>Latency at concurrency 16</h2>")[2].partition("</table>")[0]
    values = re.findall(r"\d[\d.]*|n/a", re.sub(r"<[^>]+>", " ", table))
    assert values == ["50", "90", "99", "77.0", "n/a", "91.0", "n/a"]
    assert "<h2>Latency" not in page(reverse("result-detail", args=[two.pk]))


def test_a_category_has_the_share_of_its_own_questions():
    result = make_measured(scores=[1, 0, 1, 0, 1])

    even, odd = queries.categories(result)

    assert (even.name, even.questions, even.share.value) == ("even", 3, 1.0)
    assert (odd.name, odd.questions, odd.share.value) == ("odd", 2, 0.0)


def test_only_concurrencies_that_all_have_are_compared():
    base = make_measured(points=[point(1, 50.0), point(4, 90.0)], label="a")
    other = make_measured(points=[point(1, 50.0), point(2, 70.0)], label="b")

    comparison = compare([[base], [other]], concurrency=4)

    assert (comparison.common, comparison.concurrency) == ([1], 1)


def csv_of(client, result):
    return rows_of(client.get(reverse("result-file", args=[result.pk, "csv"])))


def test_the_csv_of_a_benchmark_has_a_line_a_concurrency_and_no_formula(member):
    rows = csv_of(member, make_measured(points=[point(1, 50.0), point(4, 90.0)]))
    evaluation = make_measured(scores=[1])
    evaluation.answers.update(answer="=1+1")

    rates = [(row["concurrency"], row["output_tokens_per_s [tokens/s]"]) for row in rows]
    assert rates == [("1", "50.0"), ("4", "90.0")]
    assert [row["answer"] for row in csv_of(member, evaluation)] == ["'=1+1"]


def test_a_deployment_that_no_database_can_hold_narrows_nothing(member):
    make_measured(points=[point(1, 90.0)])

    assert member.get(LIST, {"deployment": "9" * 30}).context["page"].total == 1


@pytest.mark.postgresql
def test_the_list_is_exported_in_the_order_and_with_the_filters_that_are_shown(member):
    slow, fast = (make_measured(points=[point(1, rate)], label="a") for rate in (20.0, 90.0))
    unordered = make_measured(scores=[1], label="a")
    make_measured(label="b")
    address = f"{LIST}?order=output_tokens_per_s&precision=a"

    shown = [row.pk for row in member.get(address).context["page"].results]
    data = member.get(f"{address}&format=json").json()
    lines = member.get(f"{address}&format=csv").content.decode("utf-8-sig").splitlines()

    assert shown == [slow.pk, fast.pk, unordered.pk]
    assert [row["result"] for row in data["results"]] == [f"res-{pk}" for pk in shown]
    assert [line.split(",")[0] for line in lines[1:]] == [f"res-{pk}" for pk in shown]


def test_the_menu_of_exports_says_what_is_in_them(page, monkeypatch):
    make_measured()
    make_measured(scores=[1, 1, 1, 1, 1, 0, 0, 0])

    whole = page(LIST)
    monkeypatch.setattr(results_view, "EXPORT_MOST", 1)

    assert "These results, in this order, with every column" in whole
    assert "The first 1 of these results, in this order, with every column" in page(LIST)
    phone = whole.partition('<span class="phone">')[2]
    assert "62.5" in phone[: phone.index("</td>")]  # the accuracy beside the name


def test_a_result_that_is_not_there_is_not_found(member):
    assert member.get(reverse("result-detail", args=[99])).status_code == 404
    assert member.get(f"{reverse('result-compare')}?id=res-98&id=res-99").status_code == 404


def test_a_jobs_page_can_show_its_result_in_one_look():
    result = make_measured(points=[point(1, 90.0), point(4, 145.0)])

    text = panel_of(result)

    assert reverse("result-detail", args=[result.pk]) in text
    assert 'id="result-data"' in text
    assert "[9.45, 90.55]" in panel_of(make_measured(scores=[1, 0]))


def test_failed_requests_are_counted_and_compared_over_all_concurrencies(page):
    base = make_measured(
        points=[point(1, 50.0, failed_requests=1), point(4, 90.0, failed_requests=0)],
        metrics=point(4, 90.0, failed_requests=1)[1],
        label="a",
    )
    other = make_measured(label="b", **SOME_FAILED)
    assert "2 of 36" in panel_of(other)
    assert "2 of 36" in page(reverse("result-detail", args=[other.pk]))

    rows = {row.metric: row for row in compare([[base], [other]], concurrency=4).rows}
    text = page(f"{reverse('result-compare')}?id=res-{base.pk}&id=res-{other.pk}")

    assert (rows["failed_requests"].base, rows["failed_requests"].changes[0].value) == (1, 2)
    assert "all concurrencies" in text


def test_one_more_failed_request_is_one_and_no_hundred_points():
    base = make_measured(points=[point(1, 50.0, failed_requests=0)], label="a")
    other = make_measured(points=[point(1, 50.0, failed_requests=1)], label="b")

    (row,) = [row for row in compare([[base], [other]]).rows if row.metric == "failed_requests"]

    assert "+1<" in delta(row.changes[0], row.metric)


@pytest.mark.parametrize(
    ("asked", "measured", "texts"),
    [
        (
            {"input_tokens": 1024, "output_tokens": 1024},
            (1019.0, 272.11),
            ("requested 1024 → 1024", "measured 1019 → 272", "mean (requested: 1024)"),
        ),
        # Prompts that people wrote have no requested length.
        ({"output_tokens": 64}, (43.7, 64.0), ("requested unknown → 64", "measured 44 → 64")),
        ({}, (96.0, 32.0), ("measured 96 → 32",)),
    ],
)
def test_results_show_requested_and_measured_lengths(page, asked, measured, texts):
    lengths = {"input_tokens_mean": measured[0], "output_tokens_mean": measured[1]}
    result = make_measured(points=[point(4, 90.0, **lengths)], asked=asked)

    html = page(reverse("result-detail", args=[result.pk])).replace("\u202f", "")

    assert all(text in html for text in texts)
    assert asked or "requested" not in html


@pytest.mark.parametrize(("seed", "label"), [(None, "new for each concurrency and run"), (7, "7")])
def test_a_result_says_where_its_seed_came_from(page, seed, label):
    job = make_job(state="succeeded", kind="benchmark-online", params={"seed": seed})
    result = make_measured(points=[point(4, 90.0)], job=job)

    html = page(reverse("result-detail", args=[result.pk]))

    assert re.search(rf'<dt>Seed</dt><dd class="cut-any">{label}</dd>', html)


def test_a_plain_fact_beside_a_result_is_no_warning(page):
    few = {"requests": 6}
    remarks = [
        {"id": "benchmark:no_server", "args": {}},
        {"id": "benchmark:few_requests", "args": few},
    ]
    result = make_result(remarks=remarks)

    for name, number in (("result-detail", result.pk), ("job-detail", result.job_id)):
        notes = re.findall(r'<li class="(\w+)">(.*?)</li>', page(reverse(name, args=[number])))
        shown = {note: look for look, note in notes}
        texts = message("benchmark:no_server", {}), message("benchmark:few_requests", few)
        assert [shown[text] for text in texts] == ["states", "warns"]


def test_hits_since_start_are_labelled_and_not_per_point(page):
    whole = {"output_tokens_per_s": 90.0, "engine_prefix_hits_since_start": 0.4}
    remark = {"id": "benchmark:hits_since_start", "args": {"share": "40.00"}}
    result = make_measured(points=[point(4, 90.0)], metrics=whole, remarks=[remark])

    text = page(reverse("result-detail", args=[result.pk]))

    assert "Prefix cache hits since server start" in text
    assert "earlier runs are included" in text
    assert "Prefix cache hits<" not in text


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (
            ("benchmark-throughput", "benchmark-latency"),
            ("Measured without a server: all requests at once, or one batch.", "offline"),
        ),
        (("benchmark",), ("The tool reports no concurrency.", "–")),
    ],
)
def test_each_missing_value_of_the_list_is_a_dash_with_its_reason(page, kinds, shown):
    for kind in kinds:
        job = make_job(kind=kind, state="succeeded")
        make_measured(job=job, points=[(0, {"output_tokens_per_s": 50.0})])

    html = unescape(page(f"{LIST}?type=benchmark"))

    found = re.findall(r'<span class="dim" title="([^"]+)">([^<]+)</span>', html)
    others = [one for one in found if one != shown]
    assert len(found) - len(others) == len(kinds)
    why = {("Not reported.", "–"), ("Not measured by this type of job.", "–")}
    assert set(others) == why


def test_the_list_has_the_concurrency_that_only_the_points_know(page):
    make_measured(points=[(4, {"output_tokens_per_s": 50.0}), (8, {"output_tokens_per_s": 40.0})])

    assert "The tool reports no concurrency." not in page(LIST)
    assert listing.result_list(listing.ResultFilters()).results[0].metrics["concurrency"] == 4


@pytest.mark.parametrize("address", ["/results/?q=word", "/jobs/?q=word"])
def test_a_page_looks_its_words_up_once(member, address):
    make_measured()

    with CaptureQueriesContext(connection) as asked:
        member.get(address)

    assert sum('"search" LIKE' in query["sql"] for query in asked) == 1
