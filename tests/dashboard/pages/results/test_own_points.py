"""A result's page: its own points, one best, marks beside the numbers."""

import json
import re
from html import unescape

import pytest
from django.urls import reverse

from jobs.models import Result
from tests.comparing import text_of
from tests.factories import make_level, make_measured, make_user
from tests.measuring import make_measuring_host, measured, served

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def get(client):
    client.force_login(make_user("lin"))

    def page(result, query=""):
        return client.get(f"{reverse('result-detail', args=[result.pk])}{query}").text

    return page


@pytest.fixture
def deployment():
    return served(make_measuring_host())


def figure(html, name="throughput"):
    found = re.search(rf'<script[^>]*id="{name}-data"[^>]*>(.*?)</script>', html, re.DOTALL)
    return json.loads(found.group(1))


def title(html):
    return text_of(html.partition("<h1>")[2].partition("</h1>")[0])


def failing(rate, failed, requests):
    return {"output_tokens_per_s": rate, "failed_requests": failed, "requests": requests}


def test_a_page_has_its_own_points_only(get, deployment):
    first = measured(deployment, points=((1, 50.0), (4, 98.0)))
    later = measured(deployment, points=((2, 300.0), (4, 99.0)))

    html = get(first)

    assert "300" not in text_of(html)
    assert {x for trace in figure(html)["data"] for x in trace["x"]} == {1, 4}
    assert title(html) == (f"{deployment.name}: 98.5 tok/s output at concurrency 4, mean of 2 runs")
    assert f"res-{later.pk} (2)" in text_of(html)


def test_points_of_other_runs_stand_apart_when_a_person_asks(get, deployment):
    first = measured(deployment, points=((1, 50.0), (4, 98.0)))
    later = measured(deployment, points=((2, 300.0),))

    html = get(first, "?others=on")

    apart = next(one for one in figure(html)["data"] if one["name"] == f"res-{later.pk}")
    assert (apart["x"], apart["y"]) == ([2], [300.0])
    assert title(html).endswith("98.0 tok/s output at concurrency 4")
    conclusion = html[html.index('id="conclusion"') :].partition("</section>")[0]
    assert "300" not in text_of(conclusion)


def test_a_page_is_titled_by_the_mean_of_its_runs(get, deployment):
    rates = (2231.0, 2948.0, 3157.0, 3456.0)
    last = [measured(deployment, points=((1, rate),)) for rate in rates][-1]

    assert title(get(last)).endswith("2 948 tok/s output at concurrency 1, mean of 4 runs")


def test_a_failing_point_is_no_peak_of_a_page(get):
    points = [(1, failing(24.2, 2, 2)), (2, failing(8.8, 0, 4))]
    html = get(make_measured(points=points, incomplete=True))

    text = text_of(html)
    assert title(html).endswith("8.80 tok/s output at concurrency 2")
    assert "Peak output 8.80 tok/s" in text
    assert "Best throughput 8.80 tok/s at concurrency 2" in text
    assert "Only concurrency 2 was measured" not in text
    assert "Too many requests failed at every concurrency but 2: saturation is unknown." in text


def test_a_page_without_a_usable_point_names_no_rate(get):
    html = get(make_measured(points=[(1, failing(24.2, 2, 2)), (2, failing(30.0, 9, 4))]))

    assert title(html).endswith("too many requests failed")


def test_a_point_with_failures_is_hollow_and_named(get):
    points = [(1, failing(24.2, 2, 2)), (2, failing(8.8, 0, 4))]
    drawn = figure(get(make_measured(points=points, incomplete=True)))

    assert drawn["data"][0]["marker"]["symbol"] == ["circle-open", "circle"]
    (note,) = drawn["layout"]["annotations"]
    assert note["text"] == "hollow: failed requests"


@pytest.mark.parametrize(("flag", "word"), [("disturbed", "disturbed"), ("loaded", "loaded host")])
def test_points_of_a_run_that_does_not_count_are_hollow(get, deployment, flag, word):
    result = measured(deployment, points=((1, 50.0), (4, 98.0)))
    Result.objects.update(**{flag: True})

    html = get(result)

    drawn = figure(html)
    assert drawn["data"][0]["marker"]["symbol"] == ["circle-open"] * 2
    assert drawn["layout"]["annotations"][0]["text"] == f"hollow: {word}"
    heads = html.partition("By concurrency</h2>")[2].partition("</thead>")[0]
    assert heads.count(f">{word}</span>") == 2


def test_a_level_is_unknown_where_a_percentile_is_missing(get):
    level = make_level(name="Quick", limits={"ttft_p90_ms": 250.0})
    points = [
        (1, {"output_tokens_per_s": 50.0}),
        (2, {"output_tokens_per_s": 95.0, "ttft_p90_ms": 400.0}),
    ]

    text = unescape(text_of(get(make_measured(points=points), f"?level={level.pk}")))

    assert "Unknown at concurrency 1, missed at the others." in text
    assert "Recommended concurrency unknown" in text
    assert "misses the level" not in text


def test_a_recommended_concurrency_meets_the_level(get):
    level = make_level(name="Quick", limits={"ttft_p90_ms": 250.0})
    points = [
        (1, {"output_tokens_per_s": 96.0, "ttft_p90_ms": 400.0}),
        (2, {"output_tokens_per_s": 95.0, "ttft_p90_ms": 200.0}),
    ]

    text = unescape(text_of(get(make_measured(points=points), f"?level={level.pk}")))

    assert "Recommended concurrency 2 95.0 tok/s, within the level" in text
    assert "Limit clients to concurrency 2." in text
