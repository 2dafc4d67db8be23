"""A point of a chart: number with interval, command, environment, and its place in the log."""

import pytest
from django.urls import reverse

from dashboard.charts import per_user, series
from dashboard.charts.figures import POINT
from dashboard.charts.series import Series, throughput
from jobs import logstore
from jobs.models import Job, JobStep, PointRequests, Result
from jobs.queries.results.curve import point_page
from tests.comparing import text_of
from tests.factories import make_user
from tests.measuring import measured, served

pytestmark = pytest.mark.django_db


@pytest.fixture
def result(host):
    return measured(served(host), points=((1, 50.0), (4, 150.0)))


def page(client, result, concurrency=4):
    client.force_login(make_user("reader"))
    return client.get(reverse("result-point", args=[result.pk, concurrency]))


def test_a_point_has_its_own_number_and_command(client, result):
    text = text_of(page(client, result).content.decode())

    assert "150 tok/s" in text and "50 tok/s" not in text.replace("150 tok/s", "")
    assert "/e/evalscope/bin/evalscope perf" in text
    assert "evalscope 1.14.1" in text


def test_three_runs_give_a_mean_with_its_interval(client, result):
    for rate in (148.0, 152.0):
        measured(result.deployment, points=((4, rate),))

    text = text_of(page(client, result).content.decode())

    assert "Mean of 3 runs" in text
    assert "[145, 155]" in text


@pytest.mark.parametrize("flag", Result.UNCOUNTED)
def test_an_uncounted_run_has_no_mean(client, result, flag):
    measured(result.deployment, points=((4, 148.0),))
    Result.objects.filter(pk=result.pk).update(**{flag: True})

    assert "Mean of" not in page(client, result).content.decode()


def test_one_run_has_the_interval_of_its_requests(result):
    point = result.points.get(concurrency=4)
    rows = [[float(ms), None, None] for ms in range(100)]
    PointRequests.objects.create(point=point, rows=rows)

    assert point_page(result.pk, 4).own.interval("ttft_p50_ms").low < 50


def test_the_log_opens_at_the_step_of_the_point(client, result):
    JobStep.objects.filter(job=result.job).update(log_from=6, log_to=12)
    store = logstore.store()
    store.append(f"job/{result.job_id}", 0, b"first\nsecond\nlast\n")

    html = page(client, result).content.decode()

    assert f"{reverse('job-detail', args=[result.job_id])}#L2" in html


def test_a_removed_log_has_no_link(client, result):
    JobStep.objects.filter(job=result.job).update(log_from=0, log_to=6)
    Job.objects.filter(pk=result.job_id).update(removed_at=result.created_at)

    assert "#L" not in page(client, result).content.decode()


def test_the_step_of_a_concurrency_is_chosen_by_name(result):
    plan = dict(result.job.plan)
    (step,) = plan["steps"]
    plan["steps"] = [{**step, "name": name} for name in ("fetch", "measure-1", "measure-4")]
    Job.objects.filter(pk=result.job_id).update(plan=plan)

    assert point_page(result.pk, 4).step.name == "measure-4"


def test_a_plan_that_cannot_be_read_leaves_the_rest(client, result):
    Job.objects.filter(pk=result.job_id).update(plan={"schema": 99})

    response = page(client, result)

    assert response.status_code == 200
    assert "Command" not in text_of(response.content.decode())


@pytest.mark.parametrize("concurrency", [2, 10**12])
def test_a_point_that_was_not_measured_is_not_found(client, result, concurrency):
    assert page(client, result, concurrency).status_code == 404


POINTS = [(4, {"output_tokens_per_s": 9.0, "tpot_p50_ms": 9.0, "ttft_p50_ms": 9.0})]


@pytest.mark.parametrize(
    "draw",
    [
        throughput,
        lambda all_series: series.percentiles("ttft", all_series),
        per_user.per_device,
        per_user.interactivity,
    ],
)
def test_points_of_each_chart_open_their_panel(draw):
    trace = draw([Series("#1", POINTS, results={4: 7}, devices=8)]).checked().data[0]

    assert (trace.customdata, trace.meta) == (("/results/res-7/points/4/",), POINT)
