from math import inf
from random import Random
from statistics import stdev

import pytest

from jobs.statistics import (
    Share,
    bootstrap_difference,
    cells_of,
    clustered_error,
    design_effect,
    difference,
    freedom,
    mean_of_differences,
    pooled_difference,
    wilson,
)
from tests.jobs.lib.truth import rounded

BASE = [Share(154, 159), Share(933, 976)]
OTHER = [Share(155, 159), Share(929, 976)]
# Four answers to each of six questions.
SAMPLES = [
    *([1, 1, 1, 0], [0, 0, 1, 0], [1, 1, 1, 1]),
    *([0, 0, 0, 0], [1, 0, 1, 1], [1, 1, 0, 1]),
]


def test_the_guides_sets_pool_to_minus_a_quarter():
    points = [round(100 * one, 2) for one in rounded(pooled_difference(BASE, OTHER), 6)]

    assert points == [-0.26, -1.97, 1.44]


def test_one_set_pools_to_newcombes_interval():
    pooled = pooled_difference([Share(48, 80)], [Share(56, 70)])

    assert rounded(pooled, 9) == rounded(difference(wilson(56, 70), wilson(48, 80)), 9)


def test_each_set_keeps_its_weight():
    # Simpson: worse in both sets, better in the sum of all.
    first, second = [Share(81, 87), Share(192, 263)], [Share(234, 270), Share(55, 80)]

    assert sum(one.right for one in second) / 350 > sum(one.right for one in first) / 350
    assert pooled_difference(first, second).value < 0


def test_unequal_sets_do_not_widen_the_interval():
    easy, hard = Share(950, 1000), Share(400, 1000)
    one = difference(wilson(1350, 2000), wilson(1350, 2000))
    pooled = pooled_difference([easy, hard], [easy, hard])

    # Variance by hand: (0.0475 + 0.24) / 2 of 0.2194 in one sample.
    ratio = (pooled.high - pooled.low) / (one.high - one.low)
    assert ratio == pytest.approx((0.14375 / 0.219375) ** 0.5, rel=0.005)


@pytest.mark.parametrize("rights", [(0, 0), (5, 5), (5, 0), (1, 1)])
def test_small_sets_without_spread_have_an_interval(rights):
    shares = [Share(right, 5) for right in rights]

    interval = pooled_difference(shares, shares)

    assert interval.high - interval.low > 0.3


def test_a_clustered_error_is_that_of_statsmodels():
    # statsmodels 0.15.0: OLS on a constant, cov_type="cluster", use_correction=False.
    assert clustered_error(SAMPLES) == pytest.approx(0.1402709)


def test_equal_answers_to_a_question_are_one_answer():
    assert design_effect([[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]] * 50) == 1
    assert design_effect([[1, 1, 1]] * 20) == 1
    assert design_effect([[1, 0]] * 20) == 0.5
    # Means of the questions: 9.09 degrees of freedom, with 9 of which t is 2.262.
    plain = 0.1402709**2 * 6 / 5 / (14 * 10 / 24**2 / 6)
    assert design_effect(SAMPLES) == pytest.approx(plain * (2.262 / 1.959964) ** 2)


def test_samples_narrow_the_interval_of_a_share():
    once, four = Share(70, 100), Share(70, 100, effect=0.4)

    assert rounded(four.interval(), 9) == rounded(wilson(175, 250), 9)
    assert rounded(pooled_difference([four], [four]), 9) == rounded(
        difference(four.interval(), four.interval()), 9
    )
    assert four.variance == pytest.approx(0.4 * once.variance)


def test_a_mean_of_differences_is_students():
    differences = [draw.gauss(0.1, 0.2) for draw in [Random(5)] for _ in range(25)]
    spread = stdev(differences)

    interval = mean_of_differences(differences, 0.01)

    # Their kurtosis leaves 24 degrees of freedom at most, where t is 2.064.
    assert interval.high - interval.value >= 2.06 * spread / 5
    assert interval.value - interval.low == pytest.approx(interval.high - interval.value)


def test_outliers_leave_fewer_degrees_of_freedom():
    assert freedom([0.0, 1.0] * 20) > 40
    assert freedom([0.0] * 39 + [1.0]) == 3
    assert freedom([0.5] * 20) == inf


def test_equal_repeats_are_the_pairs_of_one_run():
    first, second = [[1, 1, 1]] * 9 + [[0, 0, 0]] * 3, [[1, 1]] * 8 + [[0, 0]] * 4

    assert cells_of(first, second) == (8, 1, 0, 3)
    assert cells_of([[1, 0]], [[1, 1]]) is None
    assert cells_of([[0.5]], [[1]]) is None


def test_equal_answers_leave_a_width():
    interval = mean_of_differences([0.0] * 30, 0.25)

    assert interval.value == 0
    assert 0.005 < interval.high == -interval.low < 0.05


def test_a_bootstrap_is_scipys():
    draw = Random(3)
    differences = [draw.gauss(0.02, 0.2) ** 3 + draw.gauss(0, 0.05) for _ in range(200)]

    interval, is_resampled = bootstrap_difference(differences, 1.0)

    assert is_resampled
    # SciPy 1.17.1: stats.bootstrap, BCa, 100,000 resamples.
    assert (interval.low, interval.high) == pytest.approx((-0.01252, 0.00341), abs=0.0012)
    assert bootstrap_difference(differences, 1.0) == (interval, True)


def test_few_changed_questions_are_not_resampled():
    interval, is_resampled = bootstrap_difference([0.0] * 50 + [0.5] * 3, 1.0)

    assert not is_resampled
    assert interval == mean_of_differences([0.0] * 50 + [0.5] * 3, 1.0)
