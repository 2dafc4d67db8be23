from math import exp, sqrt
from random import Random
from statistics import variance

import pytest

from jobs.statistics import (
    least_samples,
    mean,
    mean_difference,
    mean_interval,
    quantile_interval,
    relative_difference,
    runs_to_tell,
)
from tests.jobs.lib.truth import rounded


def test_three_runs_of_each_are_the_least_that_give_an_interval():
    assert mean_difference([1.0, 2.0], [2.0, 3.0, 4.0]) is None

    interval = mean_difference([10.0, 11.0, 12.0], [20.0, 21.0, 22.0])

    assert rounded(interval, 2) == (10.0, 7.73, 12.27)


def test_no_bound_of_a_rate_is_below_minus_100_per_cent():
    wide = relative_difference([1.0, 50.0, 200.0], [1.0, 2.0, 90.0])
    double = relative_difference([10.0, 11.0, 12.0], [20.0, 22.0, 24.0])

    assert -1 < wide.low < 0 < wide.high
    assert double.value == pytest.approx(1.0)
    # Welch on the logarithms: 0.6931 ± 2.776 · √(2 · 0.008330 / 3), by hand.
    assert (double.low, double.high) == pytest.approx((0.6261, 1.4598), abs=2e-3)
    assert relative_difference([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]) is None


def test_missing_runs_follow_the_two_sample_t_test():
    # d = 1.0 standard deviation, power 80 %: 17 of each (Cohen 1988, table 2.4.1).
    first = [exp(value) for value in (-1.0, 0.0, 1.0)]
    second = [exp(value) for value in (0.0, 1.0, 2.0)]

    assert runs_to_tell(first, second) == 17 - 3
    assert runs_to_tell([1.0], [2.0, 3.0]) is None
    assert runs_to_tell([1.0, 2.0], [1.0, 2.0]) is None


def test_three_runs_give_a_mean_its_interval():
    assert mean_interval([1.0, 2.0]) is None
    # 11 · exp(± 4.303 · 1 / (11 · √3)), by hand.
    assert rounded(mean_interval([10.0, 11.0, 12.0]), 3) == (11.0, 8.776, 13.787)
    assert rounded(mean_interval([-1.0, 0.0, 1.0]), 3) == (0.0, -2.484, 2.484)


def test_no_bound_of_a_mean_rate_is_below_zero():
    interval = mean_interval([17.6, 27.9, 42.4])

    assert interval.value == pytest.approx(29.3)
    assert 0 < interval.low < interval.value < interval.high


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
def test_the_interval_of_a_mean_rate_covers_the_truth(runs, spread):
    draw = Random(runs)
    covered = 0
    for _ in range(4000):
        values = [draw.lognormvariate(-spread * spread / 2, spread) for _ in range(runs)]
        interval = mean_interval(values)
        covered += interval.low <= 1 <= interval.high

    assert 0.935 <= covered / 4000 <= 0.96


def test_equal_repeats_have_no_interval():
    assert mean_interval([10.0] * 3) is None
    assert mean_interval([0.1] * 7) is None  # the rounding of 0.1 is no variance
    assert mean_difference([10.0] * 3, [12.0] * 3) is None
    assert relative_difference([10.0] * 3, [12.0] * 3) is None


def test_an_interval_is_at_least_as_wide_as_students():
    for runs, wanted in ((31, 2.042), (50, 2.0096)):
        values = [0.0, 1.0] * (runs // 2) + [0.5] * (runs % 2)
        half = mean_interval(values).high - mean_interval(values).value

        assert half >= wanted * sqrt(variance(values) / runs)


def test_a_quantile_lies_between_two_samples():
    # Binomial, by tables: of 20 samples the 6th and 15th bound the median.
    ordered = [float(value) for value in range(1, 21)]

    interval = quantile_interval(ordered, 0.5)

    assert (interval.value, interval.low, interval.high) == (10.0, 6.0, 15.0)


@pytest.mark.parametrize(("share", "least"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_few_samples_do_not_bound_a_quantile(share, least):
    assert least_samples(share) == least
    assert quantile_interval([float(value) for value in range(least - 1)], share) is None

    interval = quantile_interval([float(value) for value in range(least)], share)
    assert interval.low <= interval.value <= interval.high


def test_a_quantile_of_many_samples_is_narrow():
    ordered = [float(value) for value in range(100_000)]

    interval = quantile_interval(ordered, 0.99)

    # Normal approximation: 99,000 ± 1.96 √(100,000 · 0.99 · 0.01).
    assert (interval.low, interval.high) == pytest.approx((98_938, 99_062), abs=3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.1, 0.1, 0.1], 0.1), ([48, 52], 50), ([1, 2], 1.5), ([1e16, 1.0, -1e16], 1 / 3)],
)
def test_a_mean_is_exact(values, expected):
    assert (mean(values), type(mean(values))) == (expected, type(expected))
