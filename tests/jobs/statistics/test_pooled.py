from collections import Counter
from math import sqrt
from random import Random
from statistics import fmean, pstdev

import pytest

from jobs.statistics import (
    Share,
    Z,
    bounded_mean,
    cells_of,
    design_effect,
    difference,
    joined,
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


def test_equal_answers_to_a_question_are_one_answer():
    assert design_effect([[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]] * 50) == pytest.approx(1)
    assert design_effect([[1, 1, 1]] * 20) == pytest.approx(1)
    assert design_effect([[1, 0]] * 20) == 0.5


def test_wilsons_interval_with_the_design_effect_includes_the_mean_of_the_questions():
    share = Share(14 / 24 * 6, 6, design_effect(SAMPLES)).interval()
    mean = bounded_mean(Counter(map(fmean, SAMPLES)), 0.0)

    assert share.low <= mean.low + 1e-9 and share.high >= mean.high - 1e-9
    assert min(mean.low - share.low, share.high - mean.high) == pytest.approx(0, abs=1e-9)


def test_many_answers_do_not_hide_that_a_question_may_be_lost():
    # None of 30 questions has a hard one: of an accuracy of 87 %, that happens in 1 of 65 cases.
    share = Share(0.98 * 30, 30, design_effect([[1] * 63 + [0]] * 30)).interval()

    assert share.low < 0.87


def test_samples_narrow_the_interval_of_a_share():
    once, four = Share(70, 100), Share(70, 100, effect=0.4)

    assert rounded(four.interval(), 9) == rounded(wilson(175, 250), 9)
    assert rounded(pooled_difference([four], [four]), 9) == rounded(
        difference(four.interval(), four.interval()), 9
    )
    assert four.variance == pytest.approx(0.4 * once.variance)


def test_a_set_without_stored_answers_keeps_the_effect_of_the_others():
    both = joined([Share(70, 100, effect=0.4, scores=[[1, 0]]), Share(50, 100)])

    assert (both.right, both.total, both.effect) == (120, 200, pytest.approx(0.7))


def test_a_mean_of_many_differences_is_within_its_standard_errors():
    draw = Random(5)
    differences = [draw.gauss(0.1, 0.2) for _ in range(4000)]
    half = Z * pstdev(differences) / sqrt(4000)

    interval = mean_of_differences(differences)

    assert interval.value - interval.low == pytest.approx(half, rel=0.01)
    assert interval.high - interval.value == pytest.approx(half, rel=0.01)


@pytest.mark.parametrize("right", [0, 1, 7, 29, 30])
def test_a_bounded_mean_of_0_and_1_is_wilsons(right):
    assert rounded(bounded_mean({0.0: 30 - right, 1.0: right}, 0.0), 9) == rounded(
        wilson(right, 30), 9
    )


def test_unseen_questions_end_the_interval_of_a_small_spread():
    # As if z² more questions had been lost, or gained, as a whole.
    interval, seen = mean_of_differences([-0.01, 0.01] * 15), 30 / (30 + Z * Z)

    assert (interval.low, interval.high) == pytest.approx((seen - 1, 1 - seen))


@pytest.mark.parametrize("one", [0.1, -0.3, 1 / 3, 0.7])
@pytest.mark.parametrize("total", [1, 7, 30, 99])
def test_equal_differences_leave_a_width(one, total):
    interval = mean_of_differences([one] * total)

    assert interval.low == pytest.approx((one * total - Z * Z) / (total + Z * Z))
    assert interval.high == pytest.approx((one * total + Z * Z) / (total + Z * Z))


def test_a_value_that_differs_by_rounding_does_not_move_an_end():
    lost, almost = ([one, *[0.0] * 29, *[0.1] * 9] for one in (-1.0, 1e-12 - 1.0))

    assert rounded(mean_of_differences(lost), 6) == rounded(mean_of_differences(almost), 6)


def test_equal_repeats_are_the_pairs_of_one_run():
    first, second = [[1, 1, 1]] * 9 + [[0, 0, 0]] * 3, [[1, 1]] * 8 + [[0, 0]] * 4

    assert cells_of(first, second) == (8, 1, 0, 3)
    assert cells_of([[1, 0]], [[1, 1]]) is None
    assert cells_of([[0.5]], [[1]]) is None
