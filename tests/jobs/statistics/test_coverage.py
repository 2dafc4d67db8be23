"""Exact error rates of paired differences; ``python -m tests.coverage`` has the whole grid."""

import pytest

from jobs.statistics import Z, paired_difference
from jobs.statistics.paired import decision
from tests import coverage


def test_every_bound_of_the_quick_grid_holds(capsys):
    assert coverage.main(["--quick"]) == 0
    assert "(!)" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("questions", "accuracy", "margin"),
    # Newcombe's paired interval says so in 9.0, 13.7, 8.2 and 6.4 %.
    [(240, 0.46, 0.01), (198, 0.5, 0.01), (500, 0.5, 0.005), (1135, 0.5, 0.01)],
)
def test_few_changed_answers_are_rarely_called_equivalent_wrongly(questions, accuracy, margin):
    wrong = 0.0
    for lost, chance in coverage.binomial(questions, margin):
        both = round(questions * accuracy) - lost
        cells = (both, lost, 0, questions - both - lost)
        wrong += chance * (decision(paired_difference(*cells), margin, "same") == "equivalent")

    assert wrong <= 0.05


@pytest.mark.parametrize("cells", [(50, 9, 3, 80), (0, 0, 4, 26), (3, 5, 0, 0), (70, 0, 0, 72)])
def test_the_interval_ends_where_the_grid_says(cells):
    _both, lost, gained, _neither = cells
    interval, total = paired_difference(*cells), sum(cells)

    assert coverage.score(total, lost, gained, interval.low) == pytest.approx(Z, abs=1e-4)
    assert coverage.score(total, lost, gained, interval.high) == pytest.approx(-Z, abs=1e-4)


@pytest.mark.parametrize("z", [Z, 3.17, 7.09])
@pytest.mark.parametrize("total", [1, 5, 15, 142])
def test_where_every_answer_changes_the_interval_has_a_width(total, z):
    lost, gained = paired_difference(0, total, 0, 0, z), paired_difference(0, 0, total, 0, z)

    assert (lost.low, lost.value, gained.value, gained.high) == (-1, -1, 1, 1)
    assert coverage.score(total, total, 0, lost.high) == pytest.approx(-z, abs=1e-4)
    assert gained.low == pytest.approx(-lost.high)


def test_the_grid_lists_what_cannot_be():
    # Of 10 % correct answers, no 10.5 % can be lost.
    assert (0.1, 0.2, 0.005) in coverage.impossible()
    assert (0.5, 0.2, 0.05) not in coverage.impossible()
