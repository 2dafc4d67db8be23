"""Systems on one chart: rates in a unit and per user, and the front of those without limits."""

import pytest

from jobs.queries.results.listing import ResultFilters
from jobs.queries.results.systems import systems
from tests.measuring import make_system

pytestmark = pytest.mark.django_db


def of(model):
    return systems(ResultFilters(facets={"model": [model]}), "card")


def test_the_front_has_no_beaten_no_flagged_and_no_published_system(host):
    best = make_system(host, 4, ((1, 40.0, 20.0), (8, 200.0, 40.0)))
    beaten = make_system(host, 8, ((1, 40.0, 25.0),))
    loaded = make_system(host, 2, ((1, 900.0, 1.0),), loaded=True)
    make_system(host, 4, ((1, 40.0, None),), label="without TPOT")

    found = of("m")

    assert [one.result for one in found.rows] == [best, loaded, beaten]
    assert [len(one.best) for one in found.rows] == [2, 0, 0]
    assert found.rows[0].densest == (8, 25.0, 200.0) and found.rows[0].fastest == (1, 50.0, 40.0)
    assert found.left_out == 1
    assert {"m", "deepseek-r1"} <= set(found.models)


def test_other_work_has_no_part_in_a_front(host):
    alone = make_system(host, 8, ((1, 40.0, 25.0),), what="long prompts")
    ours = make_system(host, 4, ((1, 400.0, 10.0),))

    assert [(one.result, one.best) for one in of("m").rows] == [(ours, ()), (alone, ())]


def test_published_points_are_of_their_model():
    (one,) = of("deepseek-r1").rows

    assert (one.result, one.best, one.densest) == (None, (), (0, 21.0, 1850.0))
    assert of("m").rows == []
    assert systems(ResultFilters(), "die").rows == []


def test_rates_are_per_card_where_an_engine_has_cards_else_the_total(host):
    make_system(host, 0, ((1, 40.0, 20.0),))
    found = systems(ResultFilters())
    assert (found.unit, found.default, len(found.rows)) == ("total", "total", 1)

    make_system(host, 4, ((1, 40.0, 20.0),))
    assert (systems(ResultFilters()).unit, systems(ResultFilters(), "total").default) == (
        "card",
        "card",
    )
