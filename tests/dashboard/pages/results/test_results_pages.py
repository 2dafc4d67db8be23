import csv
import io
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from dashboard.pages.results import results as results_view
from dashboard.templatetags.results import delta
from dashboard.text.messages import message
from jobs.models import Result
from jobs.queries.comparison.comparison import compare
from jobs.queries.results import listing
from jobs.queries.results import results as queries
from tests.dashboard.lib.points import SOME_FAILED, point
from tests.factories import (
    make_deployment,
    make_host,
    make_job,
    make_measured,
    make_result,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def page(client):
    client.force_login(make_user("lin"))
    return lambda address: client.get(address).content.decode()


def test_the_list_shows_what_the_facets_let_through(page):
    fast = make_measured(points=[point(1, 90.0)], label="Q8_0 from Q4_1")
    slow = make_measured(points=[point(1, 60.0)], label="F16 from Q4_1")

    text = page(f"{reverse('result-list')}?precision=Q8_0+from+Q4_1")

    assert reverse("result-detail", args=[fast.pk]) in text
    assert reverse("result-detail", args=[slow.pk]) not in text


def test_a_phone_shows_accuracy_next_to_the_name(page):
    make_measured(scores=[1, 1, 1, 1, 1, 0, 0, 0])

    html = page(reverse("result-list"))

    phone = html[html.index('<span class="phone">') :]
    assert "62.5" in phone[: phone.index("</td>")]


@pytest.mark.parametrize(
    ("faulty", "total", "is_warned"),
    [(128, 142, True), (8, 142, True), (7, 142, False), (60, 3062, True), (30, 3062, False)],
)
def test_an_accuracy_with_faulty_answers_is_flagged(page, faulty, total, is_warned):
    result = make_measured(scores=[1, 0])
    result.metrics |= {"answers_total": total, "answers_faulty": faulty}
    result.save(update_fields=["metrics"])

    pages = [page(reverse("result-list")), page(reverse("model-detail", args=[result.model_id]))]

    for html in pages:
        assert ('<span class="stamp dist"' in html) == is_warned
        assert ("answers are faulty (e.g. cut off). The score is doubtful." in html) == is_warned


def test_a_facet_counts_what_each_of_its_values_would_show():
    host = make_host("here")
    for label in ("a", "a", "b"):
        make_measured(label=label, job=make_job(host=host, state="succeeded"))

    counts = listing.facet_counts(listing.Filters(facets={"precision": ["b"], "host": ["here"]}))

    assert counts["precision"] == [("a", 2), ("b", 1)]
    assert counts["host"] == [("here", 1)]


def test_flags_filter_results_with_and_without_a_remark():
    quiet = make_measured(points=[point(1, 90.0, failed_requests=0)])
    failed = make_measured(
        points=[point(1, 90.0, failed_requests=2)],
        remarks=[{"id": "benchmark:failed_requests", "args": {}}],
        incomplete=True,
    )

    def results_of(stamp):
        return list(listing.result_list(listing.Filters(stamps=[stamp])).results)

    assert (results_of("quiet"), results_of("incomplete"), results_of("simulated")) == (
        [quiet],
        [failed],
        [],
    )


def test_each_flag_is_a_facet_and_a_word_of_the_search(client):
    client.force_login(make_user("lin"))
    remark = {"id": "result:beside_jobs", "args": {"jobs": "5"}}
    noisy, crowded = (make_measured(disturbed=True, remarks=[remark]) for _ in range(2))
    few = make_measured(remarks=[{"id": "benchmark:few_requests", "args": {"requests": 3}}])
    args = {"cut": 2, "total": 2, "max_tokens": 9}
    cut = make_measured(scores=[1, 0], remarks=[{"id": "evaluate:cut", "args": args}])
    make_measured()

    def results_of(language="en", **query):
        answer = client.get(reverse("result-list"), query, headers={"Accept-Language": language})
        return set(answer.context["page"].results)

    assert results_of(stamp="disturbed") == results_of(q="Disturbed") == {noisy, crowded}
    assert results_of(stamp="few") == results_of(q="few") == {few}
    assert results_of(stamp="cut") == results_of(q="cut") == {cut}
    assert results_of("zh-hans", q="受干扰") == {noisy, crowded}
    stamps = dict(listing.facet_counts(listing.Filters())["stamp"])
    assert stamps == {"disturbed": 2, "few": 1, "cut": 1, "quiet": 1}


def test_pages_of_the_list_miss_and_repeat_nothing(monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 2)
    moment = now()
    made = [make_measured(created_at=moment - timedelta(hours=i // 3)) for i in range(7)]
    numbers, after = [], ""

    while True:
        listed = listing.result_list(listing.Filters(), after)
        numbers += [result.pk for result in listed.results]
        after = listed.after
        if not after:
            break

    wanted = sorted(made, key=lambda r: (r.created_at, r.pk), reverse=True)
    assert numbers == [result.pk for result in wanted]


def test_a_job_is_found_by_its_number():
    result, _other = make_measured(), make_measured()

    listed = listing.result_list(listing.Filters(text=f"#{result.job_id}"))

    assert list(listed.results) == [result]


def test_the_list_asks_no_more_for_more_rows(page, django_assert_num_queries):
    make_measured()

    with CaptureQueriesContext(
        connection,
    ) as one:
        page(reverse("result-list"))
    host = make_host("same")
    for _ in range(3):
        make_measured(job=make_job(host=host, state="succeeded"))

    with django_assert_num_queries(len(one)):
        page(reverse("result-list"))


def test_a_benchmarks_page_says_its_best_rate_and_where(page):
    result = make_measured(
        points=[point(1, 90.0), point(4, 145.0)], deployment=make_deployment(name="served")
    )

    text = page(reverse("result-detail", args=[result.pk]))

    assert "<h1>served: 145 tok/s output at concurrency 4</h1>" in text


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

    assert "data-chart" not in text
    table = text[text.index("<h2>Latency</h2>") :]
    assert re.findall(
        r"\d[\d.]*|n/a", re.sub(r"<[^>]+>", " ", table[: table.index("</table>")])
    ) == [
        *("16", "50", "90", "99"),
        *("77.0", "n/a", "91.0", "n/a"),
    ]
    assert "<h2>Latency</h2>" not in page(reverse("result-detail", args=[two.pk]))
    panel = render_to_string("results/_result_panel.html", {"result": one})
    assert "data-chart" not in panel


def test_a_category_has_the_share_of_its_own_questions():
    result = make_measured(scores=[1, 0, 1, 0, 1])

    even, odd = queries.categories(result)

    assert (even.name, even.questions, even.share.value) == ("even", 3, 1.0)
    assert (odd.name, odd.questions, odd.share.value) == ("odd", 2, 0.0)


def test_answers_are_compared_question_by_question():
    base = make_measured(scores=[1, 1, 0, 0, 1], label="a")
    other = make_measured(scores=[1, 0, 1, 1, 1], label="b")

    (paired,) = compare([[base], [other]]).paired

    counts = (paired.both, paired.only_base, paired.only_other, paired.neither)
    assert counts == (2, 1, 2, 0)
    assert [(flip.index, flip.gained) for flip in paired.flips] == [
        (1, False),
        (2, True),
        (3, True),
    ]
    assert paired.gap.includes_zero


def test_only_concurrencies_that_all_have_are_compared():
    base = make_measured(points=[point(1, 50.0), point(4, 90.0)], label="a")
    other = make_measured(points=[point(1, 50.0), point(2, 70.0)], label="b")

    comparison = compare([[base], [other]], concurrency=4)

    assert (comparison.common, comparison.concurrency) == ([1], 1)


def test_the_comparison_concludes_and_shows_what_differs(page):
    base = make_measured(points=[point(1, 50.0)], label="a")
    other = make_measured(points=[point(1, 60.0)], label="b")

    text = page(f"{reverse('result-compare')}?id=res-{base.pk}&id=res-{other.pk}")

    names = f"res-{other.pk} (b) vs res-{base.pk} (a)"
    assert f"{names}: output tokens/s +20.0 % at concurrency 1" in text
    assert '<td class="chg">b</td>' in text


def test_a_benchmark_and_an_evaluation_are_not_compared(page):
    ids = [make_measured(points=[point(1, 50.0)]).pk, make_measured(scores=[1]).pk]

    text = page(f"{reverse('result-compare')}?id=res-{ids[0]}&id=res-{ids[1]}")

    assert "have no common metrics" in text


def test_the_csv_of_a_benchmark_has_a_line_a_concurrency(client):
    client.force_login(make_user())
    result = make_measured(points=[point(1, 50.0), point(4, 90.0)])

    response = client.get(reverse("result-file", args=[result.pk, "csv"]))

    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [(r["concurrency"], r["output_tokens_per_s [tokens/s]"]) for r in rows] == [
        ("1", "50.0"),
        ("4", "90.0"),
    ]


def test_a_formula_in_an_answer_is_exported_as_text(client):
    client.force_login(make_user())
    result = make_measured(scores=[1])
    result.answers.update(answer="=1+1")

    response = client.get(reverse("result-file", args=[result.pk, "csv"]))

    (row,) = csv.DictReader(io.StringIO(response.content.decode("utf-8-sig")))
    assert row["answer"] == "'=1+1"


def test_a_deployment_that_no_database_can_hold_narrows_nothing(client):
    client.force_login(make_user("lin"))
    make_measured(points=[point(1, 90.0)])

    answer = client.get(reverse("result-list"), {"deployment": "9" * 30})

    assert answer.context["page"].total == 1


def test_the_list_is_exported_as_it_is_filtered(client):
    client.force_login(make_user())
    wanted = make_measured(label="a")
    make_measured(label="b")

    data = client.get(f"{reverse('result-list')}?precision=a&format=json").json()

    assert [row["result"] for row in data["results"]] == [f"res-{wanted.pk}"]


def test_the_list_is_exported_in_the_order_that_is_shown(client):
    client.force_login(make_user())
    slow, fast = (make_measured(points=[point(1, rate)]) for rate in (20.0, 90.0))
    unordered = make_measured(scores=[1])
    address = f"{reverse('result-list')}?order=output_tokens_per_s"

    shown = [row.pk for row in client.get(address).context["page"].results]
    data = client.get(f"{address}&format=json").json()
    lines = client.get(f"{address}&format=csv").content.decode("utf-8-sig").splitlines()

    assert shown == [slow.pk, fast.pk, unordered.pk]
    assert [row["result"] for row in data["results"]] == [f"res-{pk}" for pk in shown]
    assert [line.split(",")[0] for line in lines[1:]] == [f"res-{pk}" for pk in shown]


def test_the_menu_of_exports_says_what_is_in_them(client, monkeypatch):
    client.force_login(make_user())
    make_measured()
    make_measured()

    whole = client.get(reverse("result-list")).content.decode()
    monkeypatch.setattr(results_view, "EXPORT_MOST", 1)
    part = client.get(reverse("result-list")).content.decode()

    assert "These results, in this order, with every column" in whole
    assert "The first 1 of these results, in this order, with every column" in part


def test_a_result_that_is_not_there_is_not_found(client):
    client.force_login(make_user())

    assert client.get(reverse("result-detail", args=[99])).status_code == 404
    assert client.get(f"{reverse('result-compare')}?id=res-98&id=res-99").status_code == 404
    assert Result.objects.count() == 0


def test_a_jobs_page_can_show_its_result_in_one_look():
    result = make_measured(points=[point(1, 90.0), point(4, 145.0)])

    text = render_to_string("results/_result_panel.html", {"result": result})

    assert reverse("result-detail", args=[result.pk]) in text
    assert 'id="result-data"' in text


def test_an_evaluation_in_one_look_has_its_interval():
    text = render_to_string("results/_result_panel.html", {"result": make_measured(scores=[1, 0])})

    assert "[9.45, 90.55]" in text


def test_failed_requests_are_counted_over_all_concurrencies(page):
    result = make_measured(**SOME_FAILED)

    panel = render_to_string("results/_result_panel.html", {"result": result})

    assert "2 of 36" in panel
    assert "2 of 36" in page(reverse("result-detail", args=[result.pk]))


def test_failed_requests_are_compared_over_all_concurrencies(page):
    base = make_measured(
        points=[point(1, 50.0, failed_requests=1), point(4, 90.0, failed_requests=0)],
        metrics=point(4, 90.0, failed_requests=1)[1],
        label="a",
    )
    other = make_measured(label="b", **SOME_FAILED)

    rows = {row.metric: row for row in compare([[base], [other]], concurrency=4).rows}
    text = page(f"{reverse('result-compare')}?id=res-{base.pk}&id=res-{other.pk}")

    assert (rows["failed_requests"].base, rows["failed_requests"].changes[0].value) == (1, 2)
    assert "all concurrencies" in text


def test_one_more_failed_request_is_one_and_no_hundred_points():
    base = make_measured(points=[point(1, 50.0, failed_requests=0)], label="a")
    other = make_measured(points=[point(1, 50.0, failed_requests=1)], label="b")

    (row,) = [row for row in compare([[base], [other]]).rows if row.metric == "failed_requests"]

    assert "+1<" in delta(row.changes[0], row.metric)


def test_results_show_requested_and_measured_lengths(page):
    lengths = {"input_tokens_mean": 1019.0, "output_tokens_mean": 272.11}
    result = make_measured(
        points=[point(4, 90.0, **lengths)], asked={"input_tokens": 1024, "output_tokens": 1024}
    )

    html = page(reverse("result-detail", args=[result.pk])).replace("\u202f", "")

    assert "requested 1024 → 1024" in html
    assert "measured 1019 → 272" in html
    assert "Output tokens, mean (requested: 1024)" in html


def test_lengths_of_prompts_that_people_wrote_are_measured_only(page):
    result = make_measured(
        points=[point(4, 90.0, input_tokens_mean=43.7, output_tokens_mean=64.0)],
        asked={"output_tokens": 64},
    )

    html = page(reverse("result-detail", args=[result.pk]))

    assert "requested unknown → 64" in html
    assert "measured 44 → 64" in html


def test_a_result_without_requested_lengths_has_only_measured_ones(page):
    lengths = {"input_tokens_mean": 96.0, "output_tokens_mean": 32.0}
    result = make_measured(points=[point(4, 90.0, **lengths)])

    html = page(reverse("result-detail", args=[result.pk]))

    assert "measured 96 → 32" in html
    assert "requested" not in html


@pytest.mark.parametrize(("seed", "label"), [(None, "new for each concurrency and run"), (7, "7")])
def test_a_result_says_where_its_seed_came_from(page, seed, label):
    job = make_job(state="succeeded", kind="benchmark-online", params={"seed": seed})
    result = make_measured(points=[point(4, 90.0)], job=job)

    html = page(reverse("result-detail", args=[result.pk]))

    assert re.search(rf"<dt>Seed</dt><dd>{label}</dd>", html)


def test_a_plain_fact_beside_a_result_is_no_warning(client):
    client.force_login(make_user())
    remarks = [
        {"id": "benchmark:no_server", "args": {}},
        {"id": "benchmark:few_requests", "args": {"requests": 6}},
    ]
    result = make_result(remarks=remarks)

    for page in ("result-detail", "job-detail"):
        number = result.pk if page == "result-detail" else result.job_id
        text = client.get(reverse(page, args=[number])).text
        notes = re.findall(r'<div class="(note[^"]*)">.*?<span>(.*?)</span></div>', text)
        looks = {note: look for look, note in notes}
        assert looks[message("benchmark:no_server", {})] == "note"
        assert looks[message("benchmark:few_requests", {"requests": 6})] == "note warn"


def test_hits_since_start_are_labelled_and_not_per_point(page):
    whole = {"output_tokens_per_s": 90.0, "engine_prefix_hits_since_start": 0.4}
    remark = {"id": "benchmark:hits_since_start", "args": {"share": "40.00"}}
    result = make_measured(points=[point(4, 90.0)], metrics=whole, remarks=[remark])

    text = page(reverse("result-detail", args=[result.pk]))

    assert "Prefix cache hits since server start" in text
    assert "earlier runs are included" in text
    assert "Prefix cache hits<" not in text
