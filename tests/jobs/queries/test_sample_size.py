"""Numbers of questions before a launch, held to published figures."""

import pytest

from jobs.queries.sample_size import questions_for_interval, questions_paired, questions_unpaired
from jobs.queries.statistics import questions_to_tell


@pytest.mark.parametrize(
    ("share", "margin", "expected"),
    # Usual tables of sample sizes at 95 %: ±5 points 385, ±3 points 1068, ±1 point 9604.
    [(0.5, 0.05, 385), (0.5, 0.03, 1068), (0.5, 0.01, 9604), (0.9, 0.01, 3458)],
)
def test_an_interval_needs_the_tabulated_number(share, margin, expected):
    assert questions_for_interval(share, margin) == expected


def test_a_difference_needs_twice_the_number_on_each_side():
    # 2 (1.96 + 0.8416)² 0.9 · 0.1 / 0.01² = 14,128
    assert questions_unpaired(0.9) == 14128


def test_pairs_need_the_number_of_mcnemars_test():
    # The test's own estimate: 30 against 20 of 1,000 answers changed, a difference of a point.
    assert questions_paired(0.05, 0.01) == 1000 + questions_to_tell(30, 20, 1000)


def test_pairs_need_fewer_questions():
    assert questions_paired() < questions_for_interval(0.5) < questions_unpaired(0.9)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_accuracy_at_its_end_has_a_number_too(share):
    assert questions_for_interval(share) > 0
