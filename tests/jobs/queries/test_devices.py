"""Devices of a result, rates per device and per user, and the Pareto frontier."""

import pytest

from jobs.models import Result
from jobs.queries.results.provenance import device_count, per_device, per_user
from jobs.queries.results.tradeoff import frontier


def of(**context):
    return Result(run_context=context)


def test_dies_are_those_that_were_leased():
    # Tensor parallel 4, pipeline parallel 2, two instances: 16 dies.
    leased = [str(die) for die in range(4 * 2 * 2)]

    count = device_count(of(dies=leased))

    assert count == 16
    assert per_device(320.0, count) == 20.0


def test_a_measured_endpoint_counts_the_entered_devices():
    other = of(dies=["0"], device={"text": "8 × H800", "count": 8})

    assert per_device(4000.0, device_count(other)) == 500.0


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"dies": []},
        {"dies": "0,1"},
        {"device": {"text": "some H800", "count": None}},
        {"device": {"text": "x", "count": True}},
        {"device": {"text": "x", "count": "8"}},
        {"device": {"text": "x", "count": -1}},
        {"device": {"text": "x", "count": 10**9}},
    ],
)
def test_an_unknown_count_gives_no_rate(context):
    count = device_count(of(**context))

    assert count is None
    assert per_device(4000.0, count) is None


def test_a_user_gets_the_inverse_of_tpot():
    assert per_user({"tpot_p50_ms": 20.0}) == 50.0
    assert per_user({"tpot_p50_ms": 0.0}) is None
    assert per_user({}) is None


def test_the_frontier_has_no_beaten_point():
    #          slow per user, much in all … fast per user, little in all
    points = [(10.0, 100.0), (20.0, 90.0), (15.0, 80.0), (40.0, 30.0), (30.0, 30.0), (5.0, 100.0)]

    assert frontier(points) == [0, 1, 3]


def test_equal_points_are_on_the_frontier_together():
    assert frontier([(1.0, 1.0), (1.0, 1.0)]) == [1, 0]
    assert frontier([]) == []
