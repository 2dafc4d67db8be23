import pytest
from django.urls import reverse

from dashboard.charts import accuracy, curves
from dashboard.charts.curves import (
    PLACES,
    PLOT_PX,
    CurveRun,
    Series,
    interactivity,
    label_box,
    label_places,
    percentiles,
    throughput,
)
from jobs.models import PointRequests
from jobs.queries.results.curve import CurvePoint, Requests
from jobs.queries.results.results import Category
from jobs.statistics import Interval, wilson
from tests.comparing import rows_of
from tests.factories import make_measured, make_user

CARD = "output_tokens_per_s_per_card"
LATENCIES = {"ttft_p50_ms": 40.0, "ttft_p99_ms": 80.0, "tpot_p50_ms": 10.0}
ONE = Series(
    "#1",
    [
        (1, {"output_tokens_per_s": 90.0, **LATENCIES}),
        (4, {"output_tokens_per_s": 145.0, "ttft_p50_ms": 90.0, "tpot_p50_ms": 25.0}),
    ],
)
OTHER = Series("#2", [(1, {"output_tokens_per_s": 60.0, "ttft_p50_ms": 50.0})])


def names(figure):
    return [trace["name"] for trace in figure.data]


def test_each_result_has_its_own_hue_dash_and_symbol():
    first, second = throughput([ONE, OTHER]).checked().data

    assert (first.x, first.y) == ((1, 4), (90.0, 145.0))
    assert (first.line.color, second.line.color) == ("var(--d1)", "var(--d2)")
    assert (first.line.dash, second.line.dash) == ("solid", "dash")
    assert (first.marker.symbol, second.marker.symbol) == ("circle", "square")
    layout = throughput([ONE, OTHER]).checked().layout
    assert (layout.xaxis.tickvals, layout.yaxis.rangemode) == ((1, 4), "tozero")


def test_one_result_has_three_percentiles_with_gaps_several_have_two():
    assert names(percentiles("ttft", [ONE])) == ["#1", "#1 p90", "#1 p99"]
    assert names(percentiles("ttft", [ONE, OTHER])) == ["#1", "#1 p99", "#2", "#2 p99"]
    assert percentiles("ttft", [ONE]).checked().data[2].y == (80.0, None)


def test_a_users_rate_is_one_over_the_time_per_token():
    (trace,) = interactivity([ONE]).checked().data

    assert (trace.x, trace.y, trace.text) == ((100.0, 40.0), (90.0, 145.0), ("1", "4"))


def test_a_forest_has_a_row_a_category_and_a_diamond_for_all():
    share = wilson(5, 10)

    rows, whole = accuracy.categories([Category("sums", 10, 5.0)], share).checked().data

    assert (rows.y, rows.x) == (("sums",), (50.0,))
    assert rows.error_x.array == pytest.approx((100 * (share.high - share.value),))
    assert (whole.y, whole.marker.symbol) == (("all",), "diamond")
    assert (rows.name, whole.name) == ("accuracy", "all"), "a picture has a legend"


def test_equally_shortened_names_are_two_rows():
    names = [f"reasoning, {part}, of the year 2026" for part in ("first half", "second half")]

    figure = accuracy.categories([Category(name, 10, 5.0) for name in names], None).checked()
    empty = accuracy.categories([], None)
    assert empty.layout["meta"] == figure.layout.meta == {"rows": "Category"}

    assert figure.data[0].y == figure.layout.yaxis.tickvals == tuple(names)
    assert figure.layout.yaxis.ticktext[0] == figure.layout.yaxis.ticktext[1] != names[0]


@pytest.mark.parametrize("name", ["", "int8, va16-01, "])
@pytest.mark.parametrize("count", [1, 2, 5, 12, 40])
def test_labels_of_points_never_overlap(count, name):
    rows = [(f"{name}{2**n % 1000}", 60 - n / count, 100 * (n + 1) / count) for n in range(count)]
    highest = [max(row[axis] for row in rows) for axis in (1, 2)]

    boxes = []
    for row, place in zip(rows, label_places(rows), strict=True):
        x, y = (row[n + 1] * PLOT_PX[n] / (1.05 * highest[n]) for n in (0, 1))
        if place:
            boxes.append(label_box(x, y, len(row[0]), PLACES[place]))

    assert boxes and all(box[0] >= 0 and box[2] <= PLOT_PX[0] for box in boxes)
    for index, (left, bottom, right, top) in enumerate(boxes):
        for other in boxes[:index]:
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom


def test_a_label_without_room_is_only_in_the_tooltip():
    same = Series("#1", [(n, {"tpot_p50_ms": 20.0, "output_tokens_per_s": 9.0}) for n in range(9)])

    (trace,) = interactivity([same]).checked().data

    assert "" in trace.text
    assert any(trace.text)
    assert trace.hovertext == tuple(str(n) for n in range(9))


def per_card(name, *pairs):
    """Results at (TPOT in ms, tokens/s per card)."""
    points = [(n, {"tpot_p50_ms": tpot, CARD: rate}) for n, (tpot, rate) in enumerate(pairs, 1)]
    return Series(name, points)


def test_the_frontier_joins_several_results_in_the_chosen_unit():
    ours = per_card("#1", (50.0, 20.0), (100.0, 30.0))  # 20 and 10 per user
    theirs = per_card("#2", (25.0, 15.0), (200.0, 40.0))  # 40 and 5 per user

    figure = interactivity([ours, theirs], CARD, has_frontier=True).checked()

    best, first, second = figure.data
    assert (first.x, first.y) == ((20.0, 10.0), (20.0, 30.0))
    assert (second.x, second.y) == ((40.0, 5.0), (15.0, 40.0))
    assert (best.x, best.y) == ((5.0, 10.0, 20.0, 40.0), (40.0, 30.0, 20.0, 15.0))
    assert figure.layout.yaxis.title.text == "tok/s per card  →  better"
    assert names(interactivity([ours], CARD)) == ["#1"]
    assert interactivity([ONE], CARD).data[0]["y"] == []  # no other unit's numbers


def test_error_bars_come_from_the_intervals():
    bounds = {
        (1, "ttft_p50_ms"): Interval(40.0, 30.0, 60.0),
        (1, "ttft_p99_ms"): Interval(80.0, 85.0, 90.0),  # beside the shown value
    }
    repeated = Series("#1 × 3", ONE.points, intervals=bounds)

    middle, _p90, tail = percentiles("ttft", [repeated]).checked().data

    assert (middle.error_y.array, middle.error_y.arrayminus) == ((20.0, None), (10.0, None))
    assert (tail.error_y.array, tail.error_y.arrayminus) == ((10.0, None), (0.0, None))


def test_a_point_of_a_group_names_the_mean_and_its_runs():
    both = {"output_tokens_per_s": 50.0, "tpot_p50_ms": 20.0, "ttft_p50_ms": 9.0}
    runs = [
        CurveRun("#7", [(1, both), (4, both)], is_disturbed=False),
        CurveRun("#8", [(1, both), (4, {"ttft_p50_ms": 9.0})], is_disturbed=False),
    ]
    group = Series("#7 × 2", [(1, both), (4, both)], runs=runs)

    line = throughput([group]).checked().data[0]
    assert line.hovertext == ("1, mean of 2 runs", "4, 1 run")
    assert line.hovertemplate.startswith("%{hovertext}: %{y:.4~g} tok/s")
    (first, *_rest) = percentiles("ttft", [group]).checked().data
    assert first.hovertext == ("1, mean of 2 runs", "4, mean of 2 runs")
    (shown,) = interactivity([group]).checked().data
    assert shown.hovertext == ("1, mean of 2 runs", "4, 1 run")
    assert throughput([ONE]).checked().data[0].hovertext is None


def test_runs_of_a_group_are_one_trace_of_their_own_panels():
    metrics = [{"output_tokens_per_s": rate} for rate in (50.0, 52.0)]
    runs = [
        CurveRun("#7", [(1, metrics[0])], is_disturbed=False, result=3),
        CurveRun("#8", [(1, metrics[1])], is_disturbed=True, result=4),
    ]

    figure = throughput([Series("#7 × 2", [(1, metrics[0])], runs=runs)]).checked()

    assert (len(figure.data), figure.layout.hovermode) == (2, "closest")
    dots = figure.data[1]
    assert (dots.x, dots.y, dots.text) == ((1, 1), (50.0, 52.0), ("#7", "#8"))
    assert dots.customdata == ("/results/res-3/points/1/", "/results/res-4/points/1/")
    assert dots.marker.symbol == ("circle", "circle-open")
    assert throughput([ONE]).checked().layout.hovermode is None


def point(concurrency, *times):
    return CurvePoint(concurrency, [{}], Requests.of((ms, None, None) for ms in times))


def drawn(*times):
    (found,) = curves.times_of("ttft", [point(4, *times)])
    return curves.distribution("ttft", [found]).checked().data[0]


def test_quantiles_are_requests_and_the_last_is_the_slowest():
    trace = drawn(*range(1000, 0, -1))

    assert trace.name == "concurrency 4 (n = 1000)"
    places = [trace.y.index(share) for share in (50, 90, 99, 99.9, 100)]
    assert [trace.x[place] for place in places] == [500, 900, 990, 999, 1000]


def test_marks_have_intervals_where_there_are_enough_requests():
    trace = drawn(*range(1, 101))
    bounds = dict(zip(trace.y, trace.error_x.array, strict=True))

    assert bounds[50] > 0
    assert bounds[99] is None and bounds[95] is None
    assert {trace.y[i] for i, size in enumerate(trace.marker.size) if size} == {50, 90, 99}


def test_few_requests_have_no_shares_between_them():
    assert drawn(1.0, 2.0).y == (*range(1, 51), 90, 99, 100)


def test_a_point_with_an_unreported_time_is_left_out():
    assert curves.times_of("ttft", [point(4, 1.0, None), point(8)]) == []


def test_a_wide_range_has_a_logarithmic_axis():
    wide, narrow = ([curves.Times(1, values)] for values in ([1.0, 90.0], [1.0, 9.0]))

    assert curves.distribution("ttft", wide).checked().layout.xaxis.type == "log"
    assert curves.distribution("ttft", narrow).checked().layout.xaxis.type is None


def test_many_concurrencies_are_thinned_with_both_ends():
    points = [point(2**n, 1.0) for n in range(12)]

    found = [one.concurrency for one in curves.times_of("ttft", points)]

    assert (len(found), found[0], found[-1]) == (8, 1, 2048)


@pytest.fixture
def result(db):
    result = make_measured(points=[(4, {"output_tokens_per_s": 9.0, "ttft_p50_ms": 20.0})])
    rows = [[20.0, 5.0, 0.4], [30.0, None, 0.5]]
    PointRequests.objects.create(point=result.points.get(), rows=rows)
    return result


def test_page_and_csv_have_the_reported_times_of_requests(client, result):
    client.force_login(make_user("reader"))

    html = client.get(reverse("result-detail", args=[result.pk])).content.decode()

    assert 'id="spread-ttft"' in html and 'id="spread-latency"' in html
    assert 'id="spread-tpot"' not in html
    assert "2 requests" in html
    response = client.get(reverse("result-requests", args=[result.pk]))
    rows = rows_of(response)

    assert [row["ttft_ms [ms]"] for row in rows] == ["20.0", "30.0"]
    assert (rows[1]["tpot_ms [ms]"], rows[1]["request"], rows[1]["concurrency"]) == ("", "2", "4")
