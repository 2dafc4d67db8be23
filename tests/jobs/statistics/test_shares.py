import pytest

from jobs.statistics import difference, mcnemar, paired_difference, wilson
from jobs.statistics.paired import least_margin
from tests.jobs.lib.truth import rounded


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_that_of_the_literature(right, total, low, high):
    assert rounded(wilson(right, total))[1:] == (low, high)


@pytest.mark.parametrize(
    ("second", "first", "low", "high"),
    [
        # Newcombe 1998, ibid. 873-890, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_unpaired_interval_is_newcombes(second, first, low, high):
    assert rounded(difference(wilson(*second), wilson(*first)))[1:] == (low, high)


@pytest.mark.parametrize(
    ("cells", "p"),
    [
        # Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91, table 5:
        # airway hyper-responsiveness, complete response.
        ((1, 1, 7, 12), 0.0703),
        ((59, 6, 16, 80), 0.0525),
    ],
)
def test_mcnemars_p_is_that_of_the_literature(cells, p):
    _both, only_first, only_second, _neither = cells

    assert round(mcnemar(only_first, only_second), 4) == p


@pytest.mark.parametrize(("right", "total"), [(0, 10), (10, 10), (1, 1)])
def test_a_share_stays_between_0_and_1(right, total):
    interval = wilson(right, total)

    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.high - interval.low > 0.1


@pytest.mark.parametrize(("right", "share"), [(25.2, 1), (-1, 0)])
def test_a_score_that_is_no_share_has_an_interval_too(right, share):
    assert wilson(right, 3).value == share


def test_mcnemar_is_exact():
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    # Normal approximation with continuity: z = (|6100 - 5900| - 1) / sqrt(12000) = 1.8166.
    assert mcnemar(5900, 6100) == pytest.approx(0.0693, abs=2e-4)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        # Fagerland, Lydersen and Laake 2017, Statistical Analysis of Contingency Tables, chapter 8.
        ((1, 7, 1, 12), -0.517, -0.026),
        ((59, 16, 6, 80), -0.1240, -0.0054),
        # No change: z² / (n + z²).
        ((30, 0, 0, 20), -0.0713, 0.0713),
    ],
)
def test_the_paired_interval_is_that_of_the_literature(cells, low, high):
    found = paired_difference(*cells)

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.0005)


def test_the_paired_interval_is_symmetric():
    one, turned = paired_difference(20, 7, 2, 30, 3.0), paired_difference(20, 2, 7, 30, 3.0)

    assert (one.low, one.value, one.high) == pytest.approx(
        (-turned.high, -turned.value, -turned.low)
    )


def test_few_questions_have_a_least_margin():
    assert [round(100 * least_margin(n), 2) for n in (40, 142, 500)] == [11.16, 3.42, 0.99]
