"""Page of a benchmark: verdict with level, steps, client and engine; its own points; tabs."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.template.loader import render_to_string
from django.urls import reverse

from jobs.models import PointRequests, Result
from tests.comparing import figures, text_of
from tests.factories import make_deployment, make_job, make_level, make_measured, make_user
from tests.measuring import measured, served


def at(concurrency, rate, **more):
    return concurrency, {
        "output_tokens_per_s": rate,
        "requests": 20,
        "failed_requests": 0,
        "ttft_p50_ms": 50.0 * concurrency,
        "ttft_p90_ms": 100.0 * concurrency,
        "tpot_p50_ms": 20.0,
        **more,
    }


SATURATED = (at(1, 50.0), at(2, 95.0), at(4, 97.0))
RISING = (at(1, 50.0), at(2, 98.0))
CONCLUDED = '<span class="then">'


def card(page):
    """Title, numbers and the first tab; "" without a conclusion."""
    return page[page.index("<h1") : page.index('id="reproduce"')] if CONCLUDED in page else ""


def tabs(page):
    return re.findall(r'<a id="tab-[\w-]+" href="#([\w-]+)">', page)


def links(part):
    return [html.unescape(link) for link in re.findall(r'href="([^"]+)"', part)]


def test_the_conclusion_stands_before_the_charts_and_in_the_json(client, detail):
    result = make_measured(points=SATURATED)
    page = detail(result)
    data = client.get(reverse("result-file", args=[result.pk, "json"])).json()

    text = text_of(card(page))
    assert "Saturated at concurrency 2. More concurrency adds latency only." in text
    assert "Best throughput 97.0 tok/s at concurrency 4" in text
    assert "Limit clients to concurrency 2." in text
    assert "Few samples: 20 requests. Intervals of p90 need 36." in text
    assert "No intervals: the tool stored percentiles only" in text
    assert page.index('id="conclusion"') < page.index("data-chart=")
    assert data["conclusion"] == {
        **{"shape": "saturated", "best_concurrency": 4, "output_tokens_per_s": 97.0},
        **{"interval": None, "runs": 1, "recommended_concurrency": 2, "limit": None},
    }
    # Each metric has one table, and each percentile its switch.
    assert page.count("Throughput and latency by concurrency") == 2  # names of panel and table
    assert re.findall(r'name="share" value="(\w+)"( checked)?', page) == [
        ("p50", " checked"),
        ("p90", ""),
    ]
    heads = re.findall(r'class="r of-(\w+)">(\w+), ms</th>', page)
    assert heads == [("p50", "TTFT"), ("p90", "TTFT"), ("p50", "TPOT")]


@pytest.mark.parametrize(
    "points", [[at(4, 97.0)], [(n, {"batch_latency_mean_s": 3.0}) for n in (1, 2)]]
)
def test_one_point_without_a_repeat_and_a_batch_have_no_conclusion(detail, points):
    assert card(detail(make_measured(points=points))) == ""


def test_a_next_step_opens_the_form_filled_in_but_not_for_a_viewer(client, detail):
    job = make_job(state="succeeded", kind="benchmark", params={"requests": 20})
    result = make_measured(job=job, points=RISING)

    (link,) = [link for link in links(card(detail(result))) if "concurrency=" in link]
    assert urlsplit(link).path == reverse("launch-form", args=["benchmark"])
    query = parse_qs(urlsplit(link).query)
    assert (query["concurrency"], query["from"]) == (["1, 2, 4, 8"], [str(job.pk)])

    client.force_login(make_user("vi", role="viewer"))
    part = card(detail(result))
    assert "ecommended" not in part  # throughput still rises
    assert "Measure a higher concurrency: 4, 8." in part
    assert not [link for link in links(part) if "/launch/" in link]


def test_the_limit_of_the_deployment_is_named_and_raised(detail):
    started = make_job(state="succeeded", kind="deploy", params={"parallel": 2})
    result = make_measured(points=RISING, deployment=make_deployment(job=started))

    part = card(detail(result))

    assert "Not saturated: max concurrency of the deployment is 2." in part
    assert re.search(r"Recommended concurrency</dt><dd>.*?>2<", part, re.S)
    (link,) = [link for link in links(part) if "parallel=" in link]
    assert parse_qs(urlsplit(link).query)["parallel"] == ["4"]


def test_a_level_of_the_address_bounds_the_best(detail):
    level = make_level(name="Quick", limits={"ttft_p90_ms": 250.0})
    result = make_measured(points=SATURATED)

    text = html.unescape(text_of(card(detail(result, f"?level={level.pk}"))))

    assert "Quick: TTFT p90 ≤ 250 ms. Fastest that meets it: concurrency 2." in text
    assert "Best within the level 95.0 tok/s at concurrency 2" in text
    assert "missed TTFT p90 400 > 250 ms" in text


def test_a_chosen_level_is_remembered_and_shared(client, detail):
    level = make_level(limits={"ttft_p90_ms": 250.0})
    result = make_measured(points=SATURATED)
    address = reverse("result-detail", args=[result.pk])

    answer = client.get(f"{address}?level={level.pk}&keep=1")
    assert answer.headers["Location"] == f"?level={level.pk}#by-concurrency"

    for query, is_shown in (("", True), ("?level=none", False), ("", True)):
        assert ("Fastest that meets it" in detail(result, query)) == is_shown


def test_an_unknown_level_and_an_unmeasured_percentile_are_no_verdict(detail):
    result = make_measured(points=SATURATED)

    for level in ("999999", "x" * 300, "mlperf-none", "-1"):
        text = card(detail(result, f"?level={level}"))
        assert "This service level was removed or hidden. Choose another." in text
    text = text_of(card(detail(result, "?level=mlperf-interactive")))
    assert "Not measured: TPOT p99, ms, TTFT p99, ms." in text
    assert "Best within the level" not in text


def test_repeats_give_the_best_its_interval(detail, host):
    deployment = served(host)
    runs = [measured(deployment, points=((1, 50.0 + n), (2, 90.0 + n))) for n in range(3)]

    text = text_of(card(detail(runs[0])))

    assert "Best throughput 91.0 tok/s [88.5, 93.5] at concurrency 2, mean of 3 runs" in text
    assert "Intervals: 95 %, of the mean of three or more runs." in text


def test_an_uncounted_run_concludes_alone(detail, host):
    deployment = served(host)
    first = measured(deployment, points=((1, 50.0), (2, 98.0)))
    measured(deployment, points=((1, 90.0), (2, 99.0)))
    Result.objects.filter(pk=first.pk).update(loaded=True)

    part = card(detail(first))

    assert "Best throughput 98.0 tok/s at concurrency 2" in text_of(part)
    assert part.count(">loaded host</span>") == 2  # beside each row's number


@pytest.mark.postgresql
def test_percentiles_of_requests_have_intervals(detail):
    result = make_measured(points=[at(1, 50.0, requests=100), at(2, 95.0, requests=100)])
    for point in result.points.all():
        rows = [[float(n), 20.0, 2.0] for n in range(1, 101)]
        PointRequests.objects.create(point=point, rows=rows)

    text = text_of(card(detail(result)))

    assert "[84.0, 96.0]" in text  # TTFT p90 of 1 … 100
    assert "distribution-free" in text


def test_a_delay_and_tokens_of_client_and_engine_have_a_tab(detail):
    tokens = {"output_tokens": 1000, "engine_output_tokens": 1010}
    through_proxy = [
        at(c, 50.0 * c, ttft_mean_ms=400.0 + c, engine_ttft_mean_ms=100.0, **tokens) for c in (1, 2)
    ]

    part = detail(make_measured(points=through_proxy))

    text = text_of(part)
    assert "engine" in tabs(part)
    assert "Concurrency 1, 2: output tokens agree within 3 %." in text
    assert "1 000 1 010 +1.0 %" in text
    assert "<b>TTFT is 302 ms longer for the client, at every concurrency." in part


def test_throughput_falls_above_the_last_good_concurrency(detail):
    points = (at(1, 50.0), at(2, 50.5), at(4, 52.0), at(8, 30.0))

    text = text_of(card(detail(make_measured(points=points))))

    assert "Throughput falls above concurrency 4." in text
    assert "Recommended concurrency 1" in text


def test_a_single_point_shows_client_and_engine_too(detail):
    one = at(4, 50.0, output_tokens=1000, engine_output_tokens=1010)
    delayed = {"ttft_mean_ms": 400.0, "engine_ttft_mean_ms": 100.0}

    page = detail(make_measured(points=[(4, {**one[1], **delayed})]))

    assert card(page) == ""
    assert "Concurrency 4: output tokens agree within 3 %." in text_of(page)
    assert "<b>TTFT is 300 ms longer for the client." in page


def test_tile_axis_and_head_say_the_chosen_unit_or_why_it_cannot_be_had(client, detail):
    context = {"dies": [str(die) for die in range(8)]}  # of two cards
    result = make_measured(points=SATURATED, run_context=context)

    page, by_power = detail(result, "per=card"), text_of(card(detail(result, "per=watt")))

    assert "Best throughput 48.5 tok/s per card" in text_of(card(page))
    assert ">Output tokens/s per card</th>" in page
    assert "output, tok/s per card" in page
    assert "per=card&amp;language=en" in page  # of the report
    assert client.get(reverse("result-file", args=[result.pk, "json"])).json()["devices"] == 8
    assert "– No value in tok/s per watt (res-" in by_power
    assert "power was not measured)." in by_power


def test_failures_are_a_warning_with_the_log(detail):
    result = make_measured(points=[at(1, 50.0), at(2, 60.0, failed_requests=9)])

    part = card(detail(result))

    assert "Requests fail at concurrency 2: 9 of 29." in part
    assert reverse("job-detail", args=[result.job_id]) in links(part)


def test_a_page_has_the_tabs_that_its_data_asks_for(detail):
    points = [at(n, 50.0 * n, engine_kv_cache_peak=0.5) for n in (1, 2)]
    result = make_measured(points=points)
    plain = make_measured(points=SATURATED)
    PointRequests.objects.create(point=result.points.first(), rows=[[50.0, 20.0, 2.0]])

    page = detail(result)

    assert tabs(page) == ["by-concurrency", "engine", "requests", "reproduce", "files"]
    assert tabs(detail(plain)) == ["by-concurrency", "reproduce", "files"]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for anchor in ("conclusion", "repeats", "identity", "provenance", "baseline", "notes"):
        assert anchor in ids


def test_a_checksum_stands_once(detail, host):
    page = text_of(detail(measured(served(host))))

    assert page.count("b" * 64) == 1  # of the weights: artifact, identity, provenance


# Own points, one best, marks beside the numbers


def title(page):
    return text_of(page[page.index("<h1") : page.index("</h1>")]).lstrip()


def failing(rate, failed, requests):
    return {"output_tokens_per_s": rate, "failed_requests": failed, "requests": requests}


@pytest.mark.postgresql
def test_a_page_has_its_own_points_only(detail, host):
    deployment = served(host)
    first = measured(deployment, points=((1, 50.0), (4, 98.0)))
    later = measured(deployment, points=((2, 300.0), (4, 99.0)))

    page = detail(first)

    assert "300" not in text_of(page)
    assert {x for trace in figures(page)["throughput"]["data"] for x in trace["x"]} == {1, 4}
    said = f"{first.model_id}: 98.5 tok/s output at concurrency 4, mean of 2 runs. "
    assert title(page).startswith(said)
    assert f"res-{later.pk} (2)" in text_of(page)


def test_points_of_other_runs_stand_apart_when_a_person_asks(detail, host):
    deployment = served(host)
    first = measured(deployment, points=((1, 50.0), (4, 98.0)))
    later = measured(deployment, points=((2, 300.0),))

    page = detail(first, "?others=on")

    apart = next(
        one for one in figures(page)["throughput"]["data"] if one["name"] == f"res-{later.pk}"
    )
    assert (apart["x"], apart["y"]) == ([2], [300.0])
    assert ": 98.0 tok/s output at concurrency 4. " in title(page)
    conclusion = page[page.index('id="conclusion"') :].partition("</section>")[0]
    assert "300" not in text_of(conclusion)


def test_a_failing_point_is_no_peak_of_a_page(detail):
    points = [(1, failing(24.2, 2, 2)), (2, failing(8.8, 0, 4))]
    page = detail(make_measured(points=points, incomplete=True))

    text = text_of(page)
    assert ", 8.80 tok/s output at concurrency 2. " in title(page)
    drawn = figures(page)["throughput"]
    assert drawn["data"][0]["marker"]["symbol"] == ["circle-open", "circle"]
    assert [note["text"] for note in drawn["layout"]["annotations"]] == ["hollow: failed requests"]
    assert "Best throughput 8.80 tok/s at concurrency 2" in text
    assert "Only concurrency 2 was measured" not in text
    assert "Too many requests failed at every concurrency but 2: saturation is unknown." in text


def test_a_page_without_a_usable_point_names_no_rate(detail):
    page = detail(make_measured(points=[(1, failing(24.2, 2, 2)), (2, failing(30.0, 9, 4))]))

    assert ": too many requests failed. " in title(page)


@pytest.mark.parametrize(("flag", "word"), [("disturbed", "disturbed"), ("loaded", "loaded host")])
def test_points_of_a_run_that_does_not_count_are_hollow(detail, host, flag, word):
    result = measured(served(host), points=((1, 50.0), (4, 98.0)))
    Result.objects.update(**{flag: True})

    page = detail(result)

    drawn = figures(page)["throughput"]
    assert drawn["data"][0]["marker"]["symbol"] == ["circle-open"] * 2
    assert drawn["layout"]["annotations"][0]["text"] == f"hollow: {word}"
    table = page.partition(' points">')[2].partition("</table>")[0]
    assert table.count(f">{word}</span>") == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"simulated": True}, "Simulated: "),
        ({"disturbed": True, "loaded": True}, "Disturbed, loaded host: "),
    ],
)
def test_numbers_that_do_not_count_begin_with_the_reason_and_recommend_nothing(
    detail, host, flags, words
):
    result = measured(served(host), points=((1, 50.0), (2, 95.0), (4, 97.0)))
    assert "Recommended concurrency" in card(detail(result))
    Result.objects.update(**flags)

    page = detail(result)

    assert '<h1 class="sub">' in page
    assert title(page).startswith(f"{words}{result.model_id}, 97.0 tok/s output at concurrency 4. ")
    assert title(page).count("mulated") + title(page).count("oaded") == 1  # no flag again
    assert "ecommended" not in page
    assert "Limit clients" not in page
    result.refresh_from_db()
    panel = render_to_string("results/_result_panel.html", {"result": result})
    assert f"{words}the numbers do not count" in text_of(panel)


@pytest.mark.parametrize(
    ("rates", "latencies", "texts"),
    [
        (
            (50.0, 95.0),
            (None, 400.0),
            (
                "Unknown at concurrency 1, missed at the others.",
                "Recommended concurrency unknown",
            ),
        ),
        (
            (96.0, 95.0),
            (400.0, 200.0),
            (
                "Recommended concurrency 2 95.0 tok/s, within the level",
                "Limit clients to concurrency 2.",
            ),
        ),
    ],
)
def test_a_recommended_concurrency_is_known_to_meet_the_level(detail, rates, latencies, texts):
    level = make_level(name="Quick", limits={"ttft_p90_ms": 250.0})
    points = [
        (at, {"output_tokens_per_s": rate} | ({"ttft_p90_ms": ms} if ms else {}))
        for at, rate, ms in zip((1, 2), rates, latencies, strict=True)
    ]

    text = html.unescape(text_of(detail(make_measured(points=points), f"?level={level.pk}")))

    assert all(one in text for one in texts)
    assert "misses the level" not in text
