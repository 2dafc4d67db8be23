"""4,000 simulated evaluations each, with a fixed seed; ``python -m tests.coverage`` has more."""

import pytest

from tests.jobs.lib import truth

RUNS, MARGIN = 4_000, 0.01
SETS = [(0.6, 198), (0.9, 500), (0.95, 1135)]


@pytest.mark.parametrize(
    ("one", "gap"),
    [
        (truth.unpaired(0.955, 0.0, 1135), 0.0),
        (truth.unpaired(0.8, -0.03, 500), -0.03),
        (truth.in_sets(SETS, 0.01), 0.01),
    ],
    ids=["unpaired", "unpaired-worse", "sets"],
)
def test_an_interval_covers_the_truth_in_95_per_cent(one, gap):
    assert truth.simulate(one, gap, MARGIN, RUNS).covered == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("one", "gap"),
    [
        (truth.unpaired(0.9, -0.01, 20_000), -0.01),
        (truth.in_sets(SETS, 0.01), 0.01),
    ],
    ids=["unpaired", "sets"],
)
def test_equivalent_is_rarely_said_wrongly(one, gap):
    assert truth.simulate(one, gap, MARGIN, RUNS).wrong(gap, MARGIN) <= 0.05


def test_equal_models_are_called_equivalent_with_the_power():
    # (1.96 + 1.2816)² · 0.04 / 0.01² = 4203 questions.
    found = truth.simulate(truth.paired(0.9, 0.0, 0.04, 4203), 0.0, MARGIN, RUNS)

    assert found.said["equivalent"] == pytest.approx(0.8, abs=0.02)


def test_twenty_looks_miss_the_truth_in_at_most_5_per_cent():
    one = truth.monitored(0.9, 0.01, 0.05, 14_000, 20, MARGIN)

    found = truth.simulate(one, 0.01, MARGIN, 2000)

    assert found.covered >= 0.95
    assert found.wrong(0.01, MARGIN) <= 0.05


def test_a_fixed_interval_at_twenty_looks_misses_more_often(monkeypatch):
    monkeypatch.setattr(truth, "monitored_z", lambda asked, planned: 1.96)
    one = truth.monitored(0.9, 0.0, 0.05, 14_000, 20, MARGIN)

    assert truth.simulate(one, 0.0, MARGIN, 1000).covered < 0.9
