"""One rule says what stands for a model, on every page; the trend of a result has its repeats."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.catalog import MODELS
from jobs.catalog.data_sets import DATA_SETS
from jobs.models import Result
from jobs.queries.answers.own_questions import baselines
from jobs.queries.catalogue import model_rows, published_comparisons
from jobs.queries.overview import results, serving
from tests.factories import make_evaluation
from tests.measuring import make_measuring_host, measured, served

pytestmark = pytest.mark.django_db

MODEL = "smollm2-135m-instruct"
FEW = {"id": "benchmark:few_requests", "args": {"requests": 6}}
LOADED = {"id": "result:host_loaded", "args": {"load": 12.6, "cores": 2}}


@pytest.fixture
def deployment():
    return served(make_measuring_host("va16"), stack="guide")


def benchmark(deployment, rate, requests, **fields):
    result = measured(deployment, points=((1, rate),))
    metrics = {**result.metrics, "requests": requests}
    Result.objects.filter(pk=result.pk).update(model_id=MODEL, metrics=metrics, **fields)
    return result


def evaluation(host, right, total):
    scores = [1] * right + [0] * (total - right)
    return make_evaluation(scores, host=host, params={"stack": "guide"})


@pytest.mark.postgresql
def test_models_overview_and_baselines_have_the_largest_clean_run(deployment):
    clean = benchmark(deployment, 101.0, 200)
    benchmark(deployment, 11.1, 6, loaded=True, remarks=[LOADED, FEW])
    large, small = evaluation(deployment.host, 69, 142), evaluation(deployment.host, 4, 6)

    row = next(row for row in model_rows() if row.model.id == MODEL)

    assert (row.speed, row.answers) == (clean, large)
    assert [one.measured for one in serving() if one.deployment == deployment] == [clean]
    assert [one.result for one in baselines()] == [large.pk, small.pk]


@pytest.mark.postgresql
def test_a_published_figure_stands_beside_the_largest_evaluation(deployment):
    by_size = {}
    for total in (40, 4):
        result = evaluation(deployment.host, total // 2, total)
        result.answers.update(subset=DATA_SETS["math_500"].answer_names[0])
        Result.objects.filter(pk=result.pk).update(model_id="deepseek-r1")
        by_size[total] = result

    shown = [
        one.latest.result for one in published_comparisons(MODELS["deepseek-r1"]) if one.latest
    ]

    assert set(shown) == {by_size[40]}


def test_marks_stand_beside_the_number(client, django_user_model, deployment):
    client.force_login(django_user_model.objects.create_user("lin"))
    benchmark(deployment, 11.1, 6, loaded=True, remarks=[LOADED, FEW])

    for name in ("result-fleet", "model-list"):
        html = client.get(reverse(name)).content.decode()
        assert ">loaded host</span>" in html
        assert ">few samples</span>" in html
    places = client.get("/api/v1/fleet").json()["fleet"]
    flags = [place["speed"]["flags"] for place in places if place["speed"]]
    assert flags == [["loaded host", "few samples"]]


def trend(result):
    return next(tuple(row.history) for row in results(None) if row.result == result)


def earlier(result, minutes):
    Result.objects.filter(pk=result.pk).update(created_at=now() - timedelta(minutes=minutes))
    return result


@pytest.fixture
def server():
    return served(make_measuring_host())


@pytest.mark.postgresql
def test_a_trend_has_repeats_at_the_concurrency_shown(server):
    earlier(measured(server, points=[(1, 40.0), (4, 90.0)]), 9)
    earlier(measured(server, points=[(1, 30.0), (8, 120.0)]), 8)  # not at 4

    last = measured(server, points=[(1, 41.0), (4, 95.0)])

    assert trend(last) == (90.0, 95.0)


def test_a_trend_has_only_counted_repeats(server):
    earlier(measured(server, output_tokens=512), 9)
    earlier(measured(server, more={"requests": 1}), 8)
    for number, flag in enumerate(Result.UNCOUNTED):
        run = earlier(measured(server, points=[(1, 7.0)]), 5 + number)
        Result.objects.filter(pk=run.pk).update(**{flag: True})

    last = measured(server, points=[(1, 51.0)])

    assert trend(last) == (50.0, 51.0)


def test_a_run_that_does_not_count_has_no_trend(server):
    earlier(measured(server), 5)
    last = measured(server)
    Result.objects.filter(pk=last.pk).update(disturbed=True)

    assert trend(last) == ()
