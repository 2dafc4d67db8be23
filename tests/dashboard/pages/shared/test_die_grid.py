"""The die grid, small and large: users of the dies, hot dies, missing dies."""

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils.timezone import now

from dashboard.pages.shared.die_grid import HOT_C, cards, grid
from tests.factories import make_deployment, make_host, make_job


def host_with(*numbers, **fields):
    """A host with these dies, and those of ``known`` from before."""
    known = fields.pop("known", numbers)
    return make_host(
        facts={"dies": [{"id": number} for number in numbers]},
        dies_seen=[str(number) for number in known],
        **fields,
    )


def at(**heat):
    """A heartbeat's load in which dies are this hot: ``at(_3=91.2)``."""
    return {"dies": {name[1:]: {"temp_c": value, "power_w": 12.5} for name, value in heat.items()}}


def rows(host):
    """The large grid's cells, row by row."""
    return [row for block in cards(host).blocks for row in block.rows]


def label_of(host, name):
    """The label of a die."""
    return next(die.words for die in cards(host).dies if die.name == name)


# The small one.


def test_a_card_is_a_column_of_four():
    host = host_with(*range(8))
    make_job(host=host, state="running", values={"dies": "0,5"})

    small = grid(host)

    blank = ("none",) * 6
    assert small.cells == ("a", "", *blank, "", "a", *blank, "", "", *blank, "", "", *blank)
    assert (small.held, small.all, small.label) == (2, 8, "2 of 8 dies in use")


def test_the_small_grid_shows_missing_and_hot_dies():
    host = host_with(0, 1, 3, known=range(4), load=at(_3=HOT_C))

    small = grid(host)

    assert [small.cells[row * 8] for row in range(4)] == ["", "", "m", "h"]
    assert small.label == "0 of 4 dies in use, 1 missing, 1 hot"


def test_of_a_host_that_is_away_nothing_is_known():
    host = host_with(*range(4), heartbeat_at=now() - timedelta(minutes=5))

    assert set(grid(host).cells) == {"g", "none"}
    assert grid(host).label == "4 dies, state unknown"


def test_a_job_page_marks_its_own_dies_without_a_query(django_assert_num_queries):
    host = host_with(*range(4))
    make_job(host=host, state="running", values={"dies": "0"})

    with django_assert_num_queries(0):
        small = grid(host, ["1", "2"])

    assert [small.cells[row * 8] for row in range(4)] == ["", "on", "on", ""]
    assert small.label == "2 dies"


def test_a_host_without_dies_has_no_grid():
    host = make_host()

    text = Template("{% load ui %}{% dies host %}").render(Context({"host": host}))

    assert text == ""
    assert cards(host) is None


# The large one.


def test_each_cell_leads_to_who_holds_it_and_says_so():
    host = host_with(*range(4))
    job = make_job(host=host, state="running", kind="benchmark", values={"dies": "3"})

    cells = rows(host)

    assert [row[0].path for row in cells] == ["", "", "", f"jobs/{job.pk}/"]
    assert [row[0].css for row in cells] == ["", "", "", "l1"]
    assert label_of(host, "3") == f"#{job.pk} Benchmark (running)"
    assert label_of(host, "0") == "free"


def test_a_deployment_holds_the_dies_of_its_job():
    job = make_job(host=host_with(*range(4)), state="running", values={"dies": "0,1"})
    deployment = make_deployment(job=job, name="qwen", state="loading")

    assert cards(job.host).held == {f"deployments/{deployment.pk}/": (1, 2)}
    assert label_of(job.host, "1") == "qwen (loading)"


def test_each_holder_has_a_colour_of_its_own():
    host = host_with(*range(4))
    for name in ("0", "1", "2,3"):
        make_job(host=host, state="running", values={"dies": name})

    assert [row[0].css for row in rows(host)] == ["l1", "l2", "l3", "l3"]


def test_a_die_says_its_temperature_and_power_and_is_hot_from_ninety_degrees_on():
    host = host_with(0, 1, 2, load=at(_0=71.46, _1=89.99, _2=90.0))

    assert [row[0].text for row in rows(host)[:3]] == ["71°", "90°", "90°"]
    assert [row[0].css for row in rows(host)[:3]] == ["", "", "hot"]
    assert label_of(host, "0") == "71.5 °C, 12.5 W, free"
    assert label_of(host, "2") == "90.0 °C, 12.5 W, hot, free"
    assert [die.name for die in cards(host).hot] == [cards(host).hottest.name] == ["2"]


def test_a_die_that_was_there_is_missing_and_not_free():
    host = host_with(0, 2, known=range(3), load=at(_1=50.0))

    shown = cards(host)

    assert [die.name for die in shown.missing] == ["1"]
    assert (shown.free, len(shown.dies)) == (2, 3)
    assert (rows(host)[1][0].css, rows(host)[1][0].text) == ("miss", "missing")
    assert label_of(host, "1") == "missing"  # an old reading is not one of now


def test_a_host_that_lost_its_driver_misses_every_die():
    host = host_with(known=range(4))

    assert [die.state for die in cards(host).dies] == ["missing"] * 4


def test_total_power_is_known_only_with_a_reading_of_each_die():
    whole = host_with(0, 1, load=at(_0=50.0, _1=50.0))
    half = host_with(0, 1, load=at(_0=50.0))

    assert (cards(whole).power_w, cards(half).power_w) == (25.0, None)


def test_an_away_host_shows_who_held_what_and_no_temperature():
    away = now() - timedelta(minutes=5)
    host = host_with(0, 1, heartbeat_at=away, load=at(_0=95.0))
    job = make_job(host=host, state="running", kind="benchmark", values={"dies": "0"})

    shown = cards(host)

    assert (shown.free, shown.hottest, shown.hot) == (0, None, [])
    assert [row[0].css for row in rows(host)[:2]] == ["gone", "gone"]
    assert rows(host)[0][0].text == f"#{job.pk}"
    assert label_of(host, "0") == f"state unknown, #{job.pk} Benchmark (host offline)"


def test_sixteen_cards_stand_in_two_blocks_of_eight():
    shown = cards(host_with(*range(64)))

    assert [block.cards for block in shown.blocks] == [[*range(8)], [*range(8, 16)]]
    assert shown.blocks[1].rows[0][0].name == "32"
    assert shown.count == 16


def test_a_place_that_never_had_a_die_stays_empty():
    cells = rows(host_with(0, 1, 3))

    assert [row[0] and row[0].name for row in cells] == ["0", "1", None, "3"]


@pytest.mark.parametrize(
    "load",
    [
        {"dies": "hot"},
        {"dies": {"0": 91}},
        {"dies": {"0": {"temp_c": "91"}}},
        {"dies": {"0": {"temp_c": True}}},
        {"dies": {"0": None}},
    ],
)
def test_readings_that_are_none_are_left_out(load):
    assert label_of(host_with(0, load=load), "0") == "free"
