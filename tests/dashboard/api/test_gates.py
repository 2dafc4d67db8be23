"""Gates over the API: the verdict is that of the whole interval."""

import pytest

from tests.comparing import OTHER
from tests.factories import make_measured
from tests.measuring import make_measuring_host, measured, served


def names(runs):
    return ",".join(f"res-{run.pk}" for run in runs)


@pytest.fixture
def sides():
    """Three runs each; the second side is about 20 % slower."""
    host = make_measuring_host()
    return [
        [measured(served(host, *more), points=((1, rate),)) for rate in rates]
        for more, rates in (((), (100, 101, 99)), ((OTHER,), (80, 81, 79)))
    ]


@pytest.mark.parametrize(
    ("max_loss", "verdict"), [(30, "met"), (20, "cannot_tell"), (10, "not_met")]
)
def test_a_gate_on_speed_is_decided_by_the_whole_interval(lin, sides, max_loss, verdict):
    base, result = map(names, sides)

    found = lin.get("gate", base=base, id=result, max_loss=max_loss).json()

    assert found["verdict"] == verdict
    assert found["low"] < found["loss"] < found["high"]
    assert found["loss"] == pytest.approx(20, abs=0.1)


def test_a_gain_is_a_negative_loss(lin, sides):
    found = lin.get("gate", base=names(sides[1]), id=names(sides[0]), max_loss=0).json()

    assert (found["verdict"], found["loss"] < 0) == ("met", True)


def test_runs_of_one_setup_can_be_gated_against_its_earlier_ones(lin):
    deployment = served(make_measuring_host())
    runs = [measured(deployment, points=((1, rate),)) for rate in (100, 101, 99, 80, 81, 79)]
    assert len({run.fingerprint for run in runs}) == 1

    found = lin.get("gate", base=names(runs[:3]), id=names(runs[3:]), max_loss=10).json()

    assert found["verdict"] == "not_met"


def test_single_runs_leave_a_gate_undecided(lin, sides):
    base, result = (names(side[:1]) for side in sides)

    found = lin.get("gate", base=base, id=result, max_loss=50).json()

    assert (found["verdict"], found["low"]) == ("cannot_tell", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "res-999999"}, "id"),
        ({"base": "x"}, "base"),
        ({"max_loss": -1}, "max_loss"),
        ({"metric": "nothing"}, "metric"),
        ({"concurrency": 7}, "concurrency"),
    ],
)
def test_a_wrong_field_of_a_gate_is_named(lin, sides, change, field):
    query = {"base": names(sides[0]), "id": names(sides[1]), "max_loss": 5, **change}

    answer = lin.get("gate", **query)

    assert answer.status_code == 400
    assert field in answer.json()["fields"]


def test_a_gate_on_accuracy_has_the_verdict_of_parity(lin):
    one, other = make_measured(scores=[0] * 12, label="a"), make_measured(scores=[1] * 12)
    query = {"base": f"res-{one.pk}", "id": f"res-{other.pk}"}

    found = lin.get("gate", **query, max_loss=1).json()

    parity = lin.get("parity", **query, margin=1, goal="at_least").json()
    assert found["text"] == parity["text"]
    assert found["loss"] == -parity["pooled"]["difference_points"]
