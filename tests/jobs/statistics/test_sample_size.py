"""Numbers of questions before a launch, held to published figures."""

import pytest

from jobs.statistics import questions_for_interval, questions_paired, questions_unpaired


@pytest.mark.parametrize(
    ("share", "margin", "expected"),
    # Usual tables of sample sizes at 95 %: ±5 points 385, ±3 points 1068, ±1 point 9604.
    [(0.5, 0.05, 385), (0.5, 0.03, 1068), (0.5, 0.01, 9604), (0.9, 0.01, 3458)],
)
def test_an_interval_needs_the_tabulated_number(share, margin, expected):
    assert questions_for_interval(share, margin) == expected


@pytest.mark.parametrize(
    ("goal", "paired", "unpaired"),
    # One test: (1.96 + 0.8416)² · 0.05 / 0.01², and of 2 · 0.9 · 0.1. Two: 1.2816 for 0.8416.
    [("at_least", 3925, 14128), ("same", 5254, 18914)],
)
def test_a_plan_is_made_for_the_question_asked(goal, paired, unpaired):
    assert questions_paired(goal) == paired
    assert questions_unpaired(goal, 0.9) == unpaired


def test_another_error_rate_needs_another_number():
    # (1.645 + 1.2816)² · 2 · 0.75 · 0.25 / 0.2² = 80.3
    assert questions_unpaired("same", 0.75, 0.2, 1.6448536) == 81


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_accuracy_at_its_end_has_a_number_too(share):
    assert questions_for_interval(share) > 0
