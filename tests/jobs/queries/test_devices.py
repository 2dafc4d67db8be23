"""Devices of a result, rates per device and per user, and the Pareto frontier."""

import pytest

from jobs.models import Result
from jobs.queries.results.provenance import device_count, per_device, per_user
from jobs.queries.results.tradeoff import frontier


@pytest.mark.parametrize(
    ("context", "count"),
    [
        # Tensor parallel 4, pipeline parallel 2, two instances.
        ({"dies": [str(die) for die in range(4 * 2 * 2)]}, 16),
        ({"dies": ["0"], "device": {"text": "8 × H800", "count": 8}}, 8),
        *(({}, None), ({"dies": []}, None), ({"dies": "0,1"}, None)),
        *(({"device": {"text": "x", "count": n}}, None) for n in (None, True, "8", -1, 10**9)),
    ],
)
def test_devices_are_the_leased_dies_or_those_entered(context, count):
    assert device_count(Result(run_context=context)) == count
    assert per_device(4000.0, count) == (4000 / count if count else None)


def test_a_user_gets_the_inverse_of_tpot():
    assert per_user({"tpot_p50_ms": 20.0}) == 50.0
    assert per_user({"tpot_p50_ms": 0.0}) is None
    assert per_user({}) is None


def test_the_frontier_has_no_beaten_point():
    #          slow per user, much in all … fast per user, little in all
    points = [(10.0, 100.0), (20.0, 90.0), (15.0, 80.0), (40.0, 30.0), (30.0, 30.0), (5.0, 100.0)]

    assert frontier(points) == [0, 1, 3]
    assert frontier([(1.0, 1.0), (1.0, 1.0)]) == [1, 0]
    assert frontier([]) == []
