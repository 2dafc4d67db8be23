"""Comparison page: single runs, groups of repeats, different workloads."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import override

from dashboard.pages.shared.comparison import conclusion
from jobs.models import Result
from jobs.queries.comparison.comparison import compare
from tests.comparing import OTHER, RATE, at_two, figures, grouped, ids, numbers, text_of
from tests.factories import make_measured
from tests.measuring import SERVE, measured, runs, served


@pytest.mark.parametrize("write", [ids, lambda *results: grouped(results[:3], results[3:])])
def test_a_later_run_changes_nothing_behind_an_old_link(page, host, write):
    base, other = served(host), served(host, OTHER)
    results = [*runs(base, 50.0, 51.0, 52.0), *runs(other, 60.0, 61.0, 62.0)]
    before = page(write(*results))

    runs(base, 500.0)
    runs(other, 5.0)

    after = page(write(*results))
    assert numbers(after) == numbers(before)
    assert re.search("<h1>.*</h1>", after)[0] == re.search("<h1>.*</h1>", before)[0]


def test_single_runs_have_no_interval_and_no_verdict(host):
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]

    comparison = compare([[one], [other]])

    change = comparison.rows[0].changes[0]
    assert (change.verdict, change.low) == ("cannot_tell", None)
    assert change.relative == pytest.approx(0.2)
    assert comparison.settle.each == [2, 2]


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ((60.0, 61.0, 62.0), "better"),
        ((40.0, 41.0, 42.0), "worse"),
        ((30.0, 70.0, 51.0), "cannot_tell"),
    ],
)
def test_groups_of_three_give_interval_and_verdict(host, rates, verdict):
    base, other = runs(served(host), 50.0, 51.0, 52.0), runs(served(host, OTHER), *rates)

    row, *others = compare([base, other]).rows

    assert [cell.runs for cell in row.cells] == [3, 3]
    assert row.base == 51.0
    # A lower latency is better.
    assert {one.metric: one.changes[0].verdict for one in others}["ttft_p50_ms"] == verdict
    assert row.cells[0].interval.value == 51.0
    assert row.changes[0].verdict == verdict
    assert row.changes[0].low > -1


def test_a_difference_not_significant_keeps_its_sign(page, host):
    base = runs(served(host), 50.0, 51.0, 52.0)
    other = runs(served(host, OTHER), 30.0, 70.0, 40.0)

    html = page(grouped(base, other))

    headline = "output tokens/s \u221214.1 % at concurrency 1, no significant difference"
    assert headline in text_of(html)
    assert "≈" not in html


def test_other_work_has_values_a_dash_and_the_reason(page, host):
    deployment = served(host)
    one, other = (
        measured(deployment, points=((1, rate),), output_tokens=length)
        for rate, length in ((50.0, 64), (1345.0, 128))
    )

    html = page(ids(one, other) + "&all=1")

    text, rows = text_of(html), numbers(html)
    assert re.fullmatch(r"Output tokens/s 50.0 1.345 –", rows[0])
    assert all(row.endswith(" –") for row in rows)
    assert re.search(rf"res-{other.pk}\b[^:]*: not comparable, different workloads", text)
    assert "Output length: 64 / 128" in text
    assert "unchanged" not in text  # equal numbers are no verdict either
    assert not any("equal" in row for row in rows)


def test_another_number_of_requests_is_a_larger_sample(page, host):
    deployment = served(host)
    few, many = (
        runs(deployment, *rates, requests=requests)
        for rates, requests in (((50.0, 51.0, 52.0), 100), ((60.0, 61.0, 62.0), 200))
    )

    html = page(grouped(few, many))

    text = text_of(html)
    assert '<td class="chg">200</td>' in html
    assert "output tokens/s +19.6 % at concurrency 1, significant difference" in text
    assert "Not comparable" not in text
    assert "Requests 100 200" in text  # among the settings that differ
    # Charts of groups have means with intervals, and runs.
    assert '"error_y"' in html
    assert '"mode":"markers"' in html


def test_requests_that_never_reach_the_concurrency_are_other_work(host):
    deployment = served(host)
    few, many = (
        measured(deployment, points=((16, 50.0),), concurrency=[16], requests=requests)
        for requests in (8, 100)
    )

    assert [one.name for one in compare([[few], [many]]).barriers] == ["requests"]


def test_only_the_column_with_other_work_has_no_verdict(page, host):
    base, other = runs(served(host), 50.0, 51.0, 52.0), runs(served(host, OTHER), 70.0, 71.0, 72.0)
    apart = runs(served(host), 60.0, 61.0, 62.0, output_tokens=128)

    text = text_of(page(grouped(base, other, apart)))

    barred = f"Not comparable with res-{base[0].pk}: res-{apart[0].pk}. Different workloads."
    assert barred in text
    headline = rf"res-{other[0].pk} × 3 \(--flash-attention yes\) vs res-{base[0].pk} × 3\b[^:]*: "
    headline += r"output tokens/s \+39\.2 % at concurrency 1, significant difference"
    assert re.search(headline, text)
    rate = compare([base, other, apart]).rows[0]
    assert [change.verdict for change in rate.changes] == ["better", "not_comparable"]


def test_real_lengths_that_differ_give_no_verdict(page, host):
    deployment = served(host)
    one = measured(deployment, more={"output_tokens_mean": 272.0})
    other = measured(served(host, OTHER), more={"output_tokens_mean": 1019.0})

    assert "Output tokens, mean: 272 tokens / 1 019 tokens" in text_of(page(ids(one, other)))


def test_a_disturbed_run_can_be_left_out(page, host):
    quiet, noisy = runs(served(host), 50.0, 20.0)
    other = runs(served(host, OTHER), 60.0)[0]
    Result.objects.filter(pk=noisy.pk).update(disturbed=True)

    for query, without in (
        (ids(quiet, noisy, other), ids(quiet, other)),
        (grouped([quiet, noisy], [other]), grouped([quiet], [other])),
    ):
        html = page(query)
        assert f"?{without}".replace("&", "&amp;") in html
        assert "Exclude 1 disturbed, loaded or incomplete run" in text_of(html)


@pytest.mark.postgresql
@pytest.mark.parametrize("flag", Result.UNCOUNTED)
def test_groups_offer_the_uncounted_repeats(page, host, flag):
    base = runs(served(host), 50.0, 51.0, 20.0)
    other = runs(served(host, OTHER), 60.0)[0]
    Result.objects.filter(pk=base[2].pk).update(**{flag: True})

    as_groups = grouped(base[:2], [other])
    assert f'href="?{as_groups}"'.replace("&", "&amp;") in page(ids(base[0], other))
    html = page(as_groups)

    assert "50.5" in numbers(html)[0]
    assert f"?{grouped(base, [other])}".replace("&", "&amp;") in html
    assert "Include 1 disturbed, loaded or incomplete repeat" in text_of(html)


def test_eight_are_compared_and_what_cannot_be_is_refused_in_words(page, host):
    deployment = served(host)
    results = runs(deployment, *range(50, 59))
    apart = runs(deployment, 60.0, requests=100)[0]
    third = runs(served(host, OTHER), 60.0)[0]

    assert page(ids(*results[:8])).count('class="lk s') == 2 * 8
    for query, text in (
        (ids(*results), "9 results are selected. At most 8 can be compared"),
        (grouped([third], [third]), "A run is selected twice"),
        (ids(third, make_measured(scores=[1])), "have no common metrics"),
        (
            grouped([results[0], apart], [third]),
            f"res-{results[0].pk} and res-{apart.pk} are not repeats",
        ),
    ):
        assert text in text_of(page(query))
    assert f'href="?{ids(results[0], apart, third)}"' in page(query).replace("&amp;", "&")


def test_more_runs_ask_no_more_of_the_database(page, client, host):
    """Queries of a result page and of a group comparison."""
    mine, base = served(host), runs(served(host, argv=OTHER), 70.0, 71.0, 72.0)

    def queries(*runs):
        with CaptureQueriesContext(connection) as asked:
            client.get(reverse("result-detail", args=[runs[0].pk]))
            page(grouped(base, runs))
        return len(asked)

    few = runs(mine, 50.0, 51.0, 52.0)
    queries(*few)
    before = queries(*few)
    more = runs(mine, 53.0, 54.0, 55.0, 56.0)

    assert queries(*few, *more) == before


def test_a_group_says_in_chinese_how_many_runs_it_is_of(client, page, host):
    base, other = runs(served(host), 50.0, 51.0), runs(served(host, OTHER), 52.0, 53.0)
    client.cookies["django_language"] = "zh-hans"

    html = page(grouped(base, other))

    assert "2次运行</span>" in html
    assert "运行2" not in text_of(html)
    # Not the time that a job has run.
    switch = re.search(r'<div class="seg".*?</div>', html, re.DOTALL)[0]
    assert re.findall(r">([^<>]+)</a>", switch) == ["运行", "分组"]


def test_the_reason_for_no_verdict_has_chinese_punctuation(client, page, host):
    client.cookies["django_language"] = "zh-hans"
    deployment = served(host)
    one = measured(deployment, output_tokens=128, dataset="sonnet")
    other = measured(deployment, points=((1, 60.0),), output_tokens=64, dataset="random")

    text = text_of(page(ids(one, other)))

    # Settings stand in the order of the database.
    assert re.search(r"输出长度：128 / 64；数据集：|数据集：sonnet / random；输出长度：", text)
    assert re.search(
        rf"res-{other.pk}[^。]*64[^。]*对比res-{one.pk}[^。]*128[^。]*：负载不同，不可比较", text
    )


def test_a_large_ratio_is_shown_as_a_factor(host):
    slow = runs(served(host), 50.0, 51.0, 52.0)
    fast = runs(served(host, OTHER), 2500.0, 2550.0, 2600.0)

    with override("en"):
        higher, lower = conclusion(compare([slow, fast])), conclusion(compare([fast, slow]))

    assert "output tokens/s × 50.0 at concurrency 1, significant" in higher
    assert "output tokens/s \u221298.0 % at concurrency 1, significant" in lower


def test_repeats_form_one_group_with_a_link_to_runs(page, host):
    those = runs(served(host), 50.0, 51.0, 52.0)
    as_groups = re.search(r'href="\?(group=[^"]+)"', page(ids(*those)))[1]

    html = page(as_groups)

    assert "All are repeats of one measurement" in html
    assert f'href="?{ids(*those)}"' in html.replace("&amp;", "&")
    assert reverse("result-detail", args=[those[0].pk]) in html


def test_an_unknown_workload_gives_no_verdict(page, host):
    dataset = {"dataset": "sharegpt"}
    one = runs(served(host), 50.0, **dataset)[0]
    other = runs(served(host, OTHER), 60.0, **dataset)[0]

    text = text_of(page(ids(one, other)))

    assert "Not comparable" in text
    assert "Unknown: Data set, SHA-256" in text


def test_a_headline_names_its_concurrency_and_links_to_other_columns_keep_it(page, host):
    one, other = at_two(served(host), 100.0, 50.0), at_two(served(host, OTHER), 40.0, 60.0)

    for concurrency, change in ((4, "+20.0"), (1, "\u221260.0")):
        html = page(f"{ids(one, other)}&concurrency={concurrency}")
        headline = f"output tokens/s {change} % at concurrency {concurrency}"
        assert headline in text_of(re.search("<h1>.*</h1>", html)[0])
        turned = f'href="?{ids(other, one)}&concurrency={concurrency}"'
        assert turned.replace("&", "&amp;") in html


@pytest.mark.parametrize("last", [(), (21.0,)])
def test_differences_with_and_without_interval_agree(host, last):
    """The geometric mean of 10 and 40 is 20, as of 20 and 20."""
    base = runs(served(host), 10.0, 40.0, *last)
    other = runs(served(host, OTHER), 20.0, 20.0, *last)

    change = compare([base, other]).rows[0].changes[0]

    assert change.relative == pytest.approx(0.0)
    assert (change.low is None) == (not last)


def test_a_rate_of_nothing_has_a_difference_with_its_unit(page, host):
    one, other = runs(served(host), 50.0)[0], runs(served(host, OTHER), 60.0)[0]
    one.points.update(metrics={RATE: 0.0})

    text = numbers(page(ids(one, other)))[0]

    assert "+60.0 tok/s" in text
    assert " pt" not in text


def test_the_verdict_is_in_the_chosen_unit(page, host):
    ours, theirs = runs(served(host), 64.0)[0], runs(served(host, OTHER), 96.0)[0]
    for run, dies in ((ours, 4), (theirs, 8)):  # of one card and two
        Result.objects.filter(pk=run.pk).update(run_context={"dies": [*map(str, range(dies))]})

    total, each = page(ids(ours, theirs)), page(f"{ids(ours, theirs)}&per=card")

    title = re.search("<h1>.*</h1>", each)[0]
    assert "output tokens/s per card −25.0 %" in title
    assert "output tokens/s +50.0 %" in re.search("<h1>.*</h1>", total)[0]
    assert "64.0" in numbers(each)[0] and "48.0" in numbers(each)[0]
    assert "output, tok/s per card" in each
    assert "per=card&amp;language" in each  # of the report


def test_a_unit_that_one_side_lacks_has_a_dash_and_a_reason(page, host):
    ours, theirs = runs(served(host), 64.0)[0], runs(served(host, OTHER), 96.0)[0]
    Result.objects.filter(pk=ours.pk).update(run_context={"dies": ["0"]})

    html = page(f"{ids(ours, theirs)}&per=die")

    assert f"No value in tok/s per die (res-{theirs.pk}: host without dies)." in text_of(html)
    assert "output tokens/s +50.0 %" in re.search("<h1>.*</h1>", html)[0]
    assert "64.0 n/a not measured" in numbers(html)[1]


def test_an_address_of_a_chart_per_device_shows_it_per_card(page, host):
    one, other = (at_two(served(host, argv), 5.0, 6.0) for argv in (SERVE, OTHER))
    for run in (one, other):
        run.points.update(metrics={RATE: 64.0, "tpot_p50_ms": 20.0})
        Result.objects.filter(pk=run.pk).update(run_context={"dies": ["0", "4"]})

    html = page(f"{ids(one, other)}&chart=per-device")

    assert figures(html)["interactivity"]["data"][-1]["y"] == [32.0, 32.0]
