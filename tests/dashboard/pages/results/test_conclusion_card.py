"""Conclusion card of a benchmark: headline, figures, level, next steps, client and engine."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from jobs.models import PointRequests
from tests.comparing import text_of
from tests.factories import make_deployment, make_job, make_level, make_measured, make_user
from tests.measuring import make_measuring_host, measured, served

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


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


@pytest.fixture
def get(client):
    client.force_login(make_user("lin"))

    def page(result, query=""):
        response = client.get(f"{reverse('result-detail', args=[result.pk])}{query}")
        assert response.status_code == 200
        return response.content.decode()

    return page


def card(page):
    if 'id="conclusion"' not in page:
        return ""
    start = page.index('<section class="panel" id="conclusion"')
    return page[start : page.index("</section>", start)]


def links(part):
    return [html.unescape(link) for link in re.findall(r'href="([^"]+)"', part)]


def test_the_conclusion_stands_before_the_charts(get):
    page = get(make_measured(points=SATURATED))

    text = text_of(card(page))
    assert "Saturated at concurrency 2. More concurrency adds latency only." in text
    assert "Best throughput 97.0 tok/s at concurrency 4" in text
    assert "Limit clients to concurrency 2." in text
    assert page.index('id="conclusion"') < page.index("data-chart=")


def test_one_point_without_a_repeat_has_no_conclusion(get):
    assert card(get(make_measured(points=[at(4, 97.0)]))) == ""


def test_a_batch_has_no_conclusion(get):
    batch = [(n, {"batch_latency_mean_s": 3.0}) for n in (1, 2)]

    assert card(get(make_measured(points=batch))) == ""


def test_a_next_step_opens_the_form_filled_in(get):
    job = make_job(state="succeeded", kind="benchmark", params={"requests": 20})

    part = card(get(make_measured(job=job, points=RISING)))

    (link,) = [link for link in links(part) if "concurrency=" in link]
    assert urlsplit(link).path == reverse("launch-form", args=["benchmark"])
    query = parse_qs(urlsplit(link).query)
    assert (query["concurrency"], query["from"]) == (["1, 2, 4, 8"], [str(job.pk)])


def test_a_viewer_sees_the_step_without_its_form(client, get):
    client.force_login(make_user("vi", role="viewer"))

    part = card(get(make_measured(points=RISING)))

    assert "Measure a higher concurrency: 4, 8." in part
    assert not [link for link in links(part) if "/launch/" in link]


def test_the_limit_of_the_deployment_is_named_and_raised(get):
    started = make_job(state="succeeded", kind="deploy", params={"parallel": 2})
    result = make_measured(points=RISING, deployment=make_deployment(job=started))

    part = card(get(result))

    assert "Not saturated: max concurrency of the deployment is 2." in part
    (link,) = [link for link in links(part) if "parallel=" in link]
    assert parse_qs(urlsplit(link).query)["parallel"] == ["4"]


def test_a_level_of_the_address_bounds_the_best(get):
    level = make_level(name="Quick", limits={"ttft_p90_ms": 250.0})
    result = make_measured(points=SATURATED)

    text = html.unescape(text_of(card(get(result, f"?level={level.pk}"))))

    assert "Quick: TTFT p90 ≤ 250 ms. Fastest that meets it: concurrency 2." in text
    assert "Best within the level 95.0 tok/s at concurrency 2" in text
    assert "missed TTFT p90 400 > 250 ms" in text


def test_an_unmeasured_percentile_is_no_verdict(get):
    text = text_of(card(get(make_measured(points=SATURATED), "?level=mlperf-interactive")))

    assert "Not measured: TPOT p99, ms, TTFT p99, ms." in text
    assert "Best within the level" not in text


def test_a_chosen_level_is_remembered_and_shared(client, get):
    level = make_level(limits={"ttft_p90_ms": 250.0})
    result = make_measured(points=SATURATED)
    address = reverse("result-detail", args=[result.pk])

    answer = client.get(f"{address}?level={level.pk}&keep=1")
    assert answer.headers["Location"] == f"?level={level.pk}#conclusion"

    assert "Fastest that meets it" in get(result)
    assert "Fastest that meets it" not in get(result, "?level=none")
    assert "Fastest that meets it" in get(result)


@pytest.mark.parametrize("level", ["999999", "x" * 300, "mlperf-none", "-1"])
def test_an_unknown_level_says_so(get, level):
    text = card(get(make_measured(points=SATURATED), f"?level={level}"))

    assert "This service level was removed or hidden. Choose another." in text


def test_repeats_give_the_best_its_interval(get):
    deployment = served_one()
    runs = [measured(deployment, points=((1, 50.0 + n), (2, 90.0 + n))) for n in range(3)]

    text = text_of(card(get(runs[0])))

    assert "Best throughput 91.0 tok/s [88.5, 93.5] at concurrency 2" in text
    assert "Intervals: 95 %, of the mean of three or more runs." in text


def test_an_uncounted_run_concludes_alone(get):
    deployment = served_one()
    first = measured(deployment, points=((1, 50.0), (2, 98.0)))
    measured(deployment, points=((1, 90.0), (2, 99.0)))
    type(first).objects.filter(pk=first.pk).update(loaded=True)

    part = card(get(first))

    assert "Best throughput 98.0 tok/s at concurrency 2" in text_of(part)
    assert part.count(">loaded host</span>") == 2  # beside each row's number


def served_one():
    return served(make_measuring_host())


def test_percentiles_of_requests_have_intervals(get):
    result = make_measured(points=[at(1, 50.0, requests=100), at(2, 95.0, requests=100)])
    for point in result.points.all():
        rows = [[float(n), 20.0, 2.0] for n in range(1, 101)]
        PointRequests.objects.create(point=point, rows=rows)

    text = text_of(card(get(result)))

    assert "[84.0, 96.0]" in text  # TTFT p90 of 1 … 100
    assert "distribution-free" in text


def test_few_requests_say_what_a_bound_needs(get):
    text = text_of(card(get(make_measured(points=SATURATED))))

    assert "Few samples: 20 requests. A bound of p90 needs 36." in text
    assert "No intervals: the tool stored percentiles only" in text


def test_a_delay_between_client_and_engine_is_flagged(get):
    through_proxy = [
        at(c, 50.0 * c, ttft_mean_ms=400.0 + c, engine_ttft_mean_ms=100.0) for c in (1, 2)
    ]

    part = card(get(make_measured(points=through_proxy)))

    assert "<b>TTFT is 302 ms longer for the client, at every concurrency." in part


def test_tokens_of_client_and_engine_agree(get):
    both = [at(c, 50.0 * c, output_tokens=1000, engine_output_tokens=1010) for c in (1, 2)]

    text = text_of(card(get(make_measured(points=both))))

    assert "Concurrency 1, 2: output tokens agree within 3 %." in text
    assert "1 000 1 010 +1.0 %" in text


def test_throughput_falls_above_the_last_good_concurrency(get):
    points = (at(1, 50.0), at(2, 50.5), at(4, 52.0), at(8, 30.0))

    text = text_of(card(get(make_measured(points=points))))

    assert "Throughput falls above concurrency 4." in text
    assert "Recommended concurrency 1" in text


def test_a_single_point_shows_client_and_engine_too(get):
    one = at(4, 50.0, output_tokens=1000, engine_output_tokens=1010)
    delayed = {"ttft_mean_ms": 400.0, "engine_ttft_mean_ms": 100.0}

    page = get(make_measured(points=[(4, {**one[1], **delayed})]))

    assert card(page) == ""
    assert "Concurrency 4: output tokens agree within 3 %." in text_of(page)
    assert "<b>TTFT is 300 ms longer for the client." in page


def test_the_rate_per_device_divides_by_the_leased_dies(get):
    context = {"dies": [str(die) for die in range(8)]}

    page = get(make_measured(points=SATURATED, run_context=context))

    assert "Per device, at the best 12.1 tok/s 8 devices" in text_of(card(page))
    assert 'data-chart="per-device-data"' in page


def test_failures_are_a_warning_with_the_log(get):
    result = make_measured(points=[at(1, 50.0), at(2, 60.0, failed_requests=9)])

    part = card(get(result))

    assert "Requests fail at concurrency 2: 9 of 29." in part
    assert reverse("job-detail", args=[result.job_id]) in links(part)


def test_the_json_of_a_result_has_its_conclusion(client, get):
    result = make_measured(points=SATURATED, run_context={"dies": ["0", "1"]})

    data = client.get(reverse("result-file", args=[result.pk, "json"])).json()

    assert data["devices"] == 2
    assert data["conclusion"] == {
        "shape": "saturated",
        "best_concurrency": 4,
        "output_tokens_per_s": 97.0,
        "interval": None,
        "runs": 1,
        "recommended_concurrency": 2,
        "limit": None,
    }
