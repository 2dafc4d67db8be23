"""Distribution of request latencies: cumulative curves with marked quantiles."""

import csv
import io

import pytest
from django.urls import reverse

from dashboard.charts import series
from jobs.metrics.measured import RequestTimes
from jobs.models import PointRequests
from jobs.queries.results.curve import CurvePoint
from tests.factories import make_measured, make_user


def point(concurrency, *times):
    return CurvePoint(concurrency, [{}], requests=[RequestTimes(ms, None, None) for ms in times])


def drawn(*times):
    (found,) = series.times_of("ttft", [point(4, *times)])
    return series.distribution("ttft", [found]).checked().data[0]


def at(trace, share):
    return trace.x[trace.y.index(share)]


def test_quantiles_are_requests_and_the_last_is_the_slowest():
    trace = drawn(*range(1000, 0, -1))

    assert [at(trace, share) for share in (50, 90, 99, 99.9, 100)] == [500, 900, 990, 999, 1000]


def test_the_name_has_the_number_of_requests():
    assert drawn(*range(1, 41)).name == "concurrency 4 (n = 40)"


def test_marks_have_intervals_where_there_are_enough_requests():
    trace = drawn(*range(1, 101))
    bounds = dict(zip(trace.y, trace.error_x.array, strict=True))

    assert bounds[50] > 0
    assert bounds[99] is None and bounds[95] is None
    assert {trace.y[i] for i, size in enumerate(trace.marker.size) if size} == {50, 90, 99}


def test_few_requests_have_no_shares_between_them():
    assert drawn(1.0, 2.0).y == (*range(1, 51), 90, 99, 100)


def test_a_point_with_an_unreported_time_is_left_out():
    assert series.times_of("ttft", [point(4, 1.0, None), point(8)]) == []


def test_a_wide_range_has_a_logarithmic_axis():
    wide, narrow = ([series.Times(1, values)] for values in ([1.0, 90.0], [1.0, 9.0]))

    assert series.distribution("ttft", wide).checked().layout.xaxis.type == "log"
    assert series.distribution("ttft", narrow).checked().layout.xaxis.type is None


def test_many_concurrencies_are_thinned_with_both_ends():
    points = [point(2**n, 1.0) for n in range(12)]

    found = [one.concurrency for one in series.times_of("ttft", points)]

    assert (len(found), found[0], found[-1]) == (8, 1, 2048)


@pytest.fixture
def result(db):
    result = make_measured(points=[(4, {"output_tokens_per_s": 9.0, "ttft_p50_ms": 20.0})])
    rows = [[20.0, 5.0, 0.4], [30.0, None, 0.5]]
    PointRequests.objects.create(point=result.points.get(), rows=rows)
    return result


def test_the_result_page_has_a_distribution_of_reported_times(client, result):
    client.force_login(make_user("reader"))

    html = client.get(reverse("result-detail", args=[result.pk])).content.decode()

    assert 'id="spread-ttft"' in html and 'id="spread-latency"' in html
    assert 'id="spread-tpot"' not in html
    assert "2 requests" in html


def test_the_csv_has_a_line_a_request(client, result):
    client.force_login(make_user("reader"))

    response = client.get(reverse("result-requests", args=[result.pk]))
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))

    assert [row["ttft_ms [ms]"] for row in rows] == ["20.0", "30.0"]
    assert (rows[1]["tpot_ms [ms]"], rows[1]["request"], rows[1]["concurrency"]) == ("", "2", "4")
