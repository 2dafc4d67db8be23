import pytest

from jobs.queries.statistics import (
    Interval,
    decision,
    missing,
    monitored_z,
    paired_variance,
    questions_for_equivalence,
)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.009, 0.009, "equivalent"),
        (-0.009, -0.001, "equivalent"),  # worse, but by less than the margin
        (-0.03, -0.001, "worse"),
        (0.001, 0.03, "better"),
        (-0.0197, 0.0144, "unknown"),
        (-0.01, 0.005, "unknown"),  # a bound on the margin is not inside
    ],
)
def test_a_decision_is_that_of_the_interval(low, high, said):
    assert decision(Interval((low + high) / 2, low, high), 0.01) == said


def test_questions_for_equivalence_are_those_of_the_book():
    # Chow, Shao and Wang 2008, page 91: 65 and 85 %, margin 5 %, one-sided 5 %: 136.
    wanted = questions_for_equivalence(0.65 * 0.35 + 0.85 * 0.15, 0.05, 0.2, z=1.6448536)

    assert 135 < wanted <= 136


def test_a_variance_of_pairs_never_promises_nothing():
    assert paired_variance(0, 0, 100) == pytest.approx(1 / 102)
    assert paired_variance(16, 6, 160) == pytest.approx(23 / 162 - (10 / 162) ** 2)


def test_missing_questions_assume_equality_first():
    # (1.96 + 1.2816)² · 0.0834 / 0.01² = 8763, less the 1135.
    few = missing(0.0834, 1135, -0.0026, 0.01)

    assert few.is_if_equal
    assert few.questions == pytest.approx(8763 - 1135, abs=3)


def test_with_many_questions_the_difference_counts():
    # 0.8 points of 20,000 questions: significance comes first.
    many = missing(0.0834, 20_000, 0.008, 0.01)

    assert not many.is_if_equal
    # 0.0834 · ((1.96 + 0.8416) / 0.008)² = 10,228: enough already, so one more at least.
    assert many.questions == 1
    assert missing(0.0834, 9000, 0.0, 0.01).questions == 1


def test_the_boundary_of_early_stops_is_the_reflection_principles():
    assert monitored_z(100, 100) == pytest.approx(2.241403)
    assert monitored_z(25, 100) == pytest.approx(2 * 2.241403)
    assert monitored_z(200, 100) == monitored_z(100, 100)
