"""History of a measurement, and a point of a chart with its command and its place in the log."""

import csv
import io

import pytest
from django.urls import reverse

from dashboard.charts import curves
from dashboard.charts import history as chart
from dashboard.charts.curves import Series, throughput
from dashboard.charts.figure_parts import POINT
from jobs import logstore
from jobs.models import Job, JobStep, PointRequests, Result
from jobs.queries.comparison.history import history
from jobs.queries.results.curve import point_page
from tests.comparing import moved_runs, text_of
from tests.measuring import measured, served


@pytest.fixture
def moved(host):
    return moved_runs(host)


@pytest.fixture
def history_of(get):
    return lambda result, query="": get("result-history", result.pk, query=query).lstrip("\ufeff")


def test_a_period_says_what_changed_and_by_how_much(get, detail, history_of, moved):
    text = text_of(history_of(moved))

    assert "--flash-attention : not recorded → yes" in text
    assert "Output tokens/s: −20.0 %" in text and "worse vs period 1" in text
    assert "concurrency 1" in history_of(moved, "metric=x&concurrency=99999999999999999999")
    address = reverse("result-history", args=[moved.pk])
    assert address in detail(moved)
    assert address in get("result-list", group="identity")


def test_a_history_of_one_period_or_of_uncounted_runs_says_so(history_of, moved):
    first = Result.objects.order_by("pk").first()
    Result.objects.filter(fingerprint=moved.fingerprint).delete()
    assert "100 tok/s in 3 runs, no earlier period" in text_of(history_of(first))

    Result.objects.update(disturbed=True)
    text = text_of(history_of(first))
    assert "no value, because none of the latest 3 runs counts" in text
    assert "not counted" not in text  # said once


def test_the_csv_has_a_line_a_run_with_its_period(history_of, moved):
    rows = list(csv.DictReader(io.StringIO(history_of(moved, "format=csv"))))

    assert [row["period"] for row in rows] == ["1"] * 3 + ["2"] * 3
    assert [float(row["value"]) for row in rows] == [100, 101, 99, 80, 81, 79]
    # With the mark of a text that a spreadsheet would read as a formula.
    assert rows[-1]["changed"] == "'--flash-attention: not recorded -> yes"
    assert float(rows[-1]["change"]) == pytest.approx(-0.2, abs=0.001)
    assert rows[-1]["job"] == str(moved.job_id)


def test_marks_of_the_chart_are_numbered_as_the_table_and_dots_open_their_point(moved):
    figure = chart.figure(history(moved.pk)).checked()
    Result.objects.filter(pk=moved.pk).update(disturbed=True)
    disturbed = chart.figure(history(moved.pk)).checked()

    (mark,) = figure.layout.annotations
    assert (mark.text, mark.font.color) == ("2", "var(--bad)")
    assert figure.layout.shapes[0].x0 == figure.data[0].x[3]
    assert figure.data[1].y == (100, 80)
    assert disturbed.data[0].marker.symbol[-1] == "circle-open"
    assert figure.data[0].customdata[-1] == reverse("result-point", args=[moved.pk, 1])


def test_a_missing_result_has_no_history(member):
    assert member.get(reverse("result-history", args=[99])).status_code == 404


# A point of a chart


@pytest.fixture
def result(host):
    return measured(served(host), points=((1, 50.0), (4, 150.0)))


@pytest.fixture
def panel(get):
    return lambda result: get("result-point", result.pk, 4)


def test_a_point_has_its_own_number_and_command(panel, result):
    text = text_of(panel(result))

    assert "150 tok/s at concurrency 4" in text
    assert "50 tok/s" not in text.replace("150 tok/s", "") and "95 % interval" not in text
    assert "/e/evalscope/bin/evalscope perf" in text
    assert "evalscope 1.14.1" in text


def test_three_runs_give_a_mean_with_its_interval(panel, result):
    for rate in (148.0, 152.0):
        measured(result.deployment, points=((4, rate),))

    text = text_of(panel(result))

    assert "Mean of 3 runs" in text
    assert "[145, 155]" in text


@pytest.mark.parametrize("flag", Result.UNCOUNTED)
def test_an_uncounted_run_has_no_mean(panel, result, flag):
    measured(result.deployment, points=((4, 148.0),))
    Result.objects.filter(pk=result.pk).update(**{flag: True})

    assert "Mean of" not in panel(result)


def test_one_run_has_the_interval_of_its_requests(result):
    point = result.points.get(concurrency=4)
    rows = [[float(ms), None, None] for ms in range(100)]
    PointRequests.objects.create(point=point, rows=rows)

    assert point_page(result.pk, 4).own.interval("ttft_p50_ms").low < 50


def test_the_log_opens_at_the_step_of_the_point_until_it_is_removed(panel, result):
    JobStep.objects.filter(job=result.job).update(log_from=6, log_to=12)
    store = logstore.store()
    store.append(f"job/{result.job_id}", 0, b"first\nsecond\nlast\n")

    assert f"{reverse('job-detail', args=[result.job_id])}#L2" in panel(result)
    Job.objects.filter(pk=result.job_id).update(removed_at=result.created_at)
    assert "#L" not in panel(result)


def test_the_step_of_a_concurrency_is_chosen_by_name(panel, result):
    plan = dict(result.job.plan)
    (step,) = plan["steps"]
    plan["steps"] = [{**step, "name": name} for name in ("fetch", "measure-1", "measure-4")]
    Job.objects.filter(pk=result.job_id).update(plan=plan)
    assert point_page(result.pk, 4).step.name == "measure-4"

    Job.objects.filter(pk=result.job_id).update(plan={"schema": 99})  # cannot be read
    assert "Command" not in text_of(panel(result)).replace("Command line client", "")


@pytest.mark.parametrize("concurrency", [2, 10**12])
def test_a_point_that_was_not_measured_is_not_found(member, result, concurrency):
    address = reverse("result-point", args=[result.pk, concurrency])

    assert member.get(address).status_code == 404


POINTS = [(4, {"output_tokens_per_s": 9.0, "tpot_p50_ms": 9.0, "ttft_p50_ms": 9.0})]


@pytest.mark.parametrize(
    "draw",
    [
        throughput,
        lambda all_series: curves.percentiles("ttft", all_series),
        curves.interactivity,
    ],
)
def test_points_of_each_chart_open_their_panel(draw):
    trace = draw([Series("#1", POINTS, results={4: 7})]).checked().data[0]

    assert (trace.customdata, trace.meta) == (("/results/res-7/points/4/",), POINT)
