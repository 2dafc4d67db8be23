import pytest

from dashboard.charts import accuracy, interactivity, percentiles, throughput
from dashboard.charts.interactivity import PLACES, PLOT_PX, label_box, label_places
from dashboard.charts.series import Series
from jobs.queries.results.results import Category
from jobs.queries.statistics import wilson

ONE = Series(
    "#1",
    [
        (
            1,
            {
                "output_tokens_per_s": 90.0,
                "ttft_p50_ms": 40.0,
                "ttft_p99_ms": 80.0,
                "tpot_p50_ms": 10.0,
            },
        ),
        (4, {"output_tokens_per_s": 145.0, "ttft_p50_ms": 90.0, "tpot_p50_ms": 25.0}),
    ],
)
OTHER = Series("#2", [(1, {"output_tokens_per_s": 60.0, "ttft_p50_ms": 50.0})])


def names(figure):
    return [trace.name for trace in figure.data]


def test_each_result_has_its_own_hue_dash_and_symbol():
    first, second = throughput.figure([ONE, OTHER]).data

    assert (first.x, first.y) == ((1, 4), (90.0, 145.0))
    assert (first.line.color, second.line.color) == ("var(--d1)", "var(--d2)")
    assert (first.line.dash, second.line.dash) == ("solid", "dash")
    assert (first.marker.symbol, second.marker.symbol) == ("circle", "square")


def test_the_ticks_are_the_concurrencies_and_zero_is_in_the_picture():
    layout = throughput.figure([ONE, OTHER]).layout

    assert layout.xaxis.tickvals == (1, 4)
    assert layout.yaxis.rangemode == "tozero"


def test_one_result_shows_three_percentiles_and_several_show_two():
    assert names(percentiles.figure("ttft", [ONE])) == ["#1", "#1 p90", "#1 p99"]
    assert names(percentiles.figure("ttft", [ONE, OTHER])) == ["#1", "#1 p99", "#2", "#2 p99"]


def test_what_was_not_measured_is_a_gap():
    tail = percentiles.figure("ttft", [ONE]).data[2]

    assert tail.y == (80.0, None)


def test_a_users_rate_is_one_over_the_time_per_token():
    (trace,) = interactivity.figure([ONE]).data

    assert (trace.x, trace.y, trace.text) == ((100.0, 40.0), (90.0, 145.0), ("1", "4"))


def test_a_forest_has_a_row_a_category_and_a_diamond_for_all():
    share = wilson(5, 10)

    rows, whole = accuracy.figure([Category("sums", 10, 5.0, share)], share).data

    assert (rows.y, rows.x) == (("sums",), (50.0,))
    assert rows.error_x.array == (100 * (share.high - share.value),)
    assert (whole.y, whole.marker.symbol) == (("all",), "diamond")
    assert (rows.name, whole.name) == ("accuracy", "all"), "a picture has a legend"


def test_two_categories_whose_names_are_cut_to_the_same_letters_are_two_rows():
    names = [f"reasoning, {part}, of the year 2026" for part in ("first half", "second half")]
    share = wilson(5, 10)

    figure = accuracy.figure([Category(name, 10, 5.0, share) for name in names], None)
    assert accuracy.figure([], None).layout.meta == figure.layout.meta == {"rows": "Category"}

    assert figure.data[0].y == figure.layout.yaxis.tickvals == tuple(names)
    assert figure.layout.yaxis.ticktext[0] == figure.layout.yaxis.ticktext[1] != names[0]


@pytest.mark.parametrize("count", [1, 2, 5, 12, 40])
def test_numbers_at_the_points_of_a_pareto_never_lie_on_each_other(count):
    rows = [(2**n % 1000, 60 - n / count, 100 * (n + 1) / count) for n in range(count)]
    highest = [max(row[axis] for row in rows) for axis in (1, 2)]

    boxes = []
    for row, place in zip(rows, label_places(rows), strict=True):
        x, y = (row[n + 1] * PLOT_PX[n] / (1.05 * highest[n]) for n in (0, 1))
        if place:
            boxes.append(label_box(x, y, len(str(row[0])), PLACES[place]))

    assert boxes
    for index, (left, bottom, right, top) in enumerate(boxes):
        for other in boxes[:index]:
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom


def test_a_number_that_has_no_room_is_left_out_and_told_when_hovered_over():
    same = Series("#1", [(n, {"tpot_p50_ms": 20.0, "output_tokens_per_s": 9.0}) for n in range(9)])

    (trace,) = interactivity.figure([same]).data

    assert "" in trace.text
    assert any(trace.text)
    assert trace.hovertext == tuple(str(n) for n in range(9))
