"""Exact error rates of paired differences; ``python -m tests.coverage`` has the whole grid."""

from math import copysign, inf, sqrt
from pathlib import Path

import pytest

from jobs.statistics import Z, paired_difference
from jobs.statistics.paired import decision
from tests import coverage
from tests.jobs.lib import truth

PAGE = Path(__file__).parents[3] / "docs/coverage.md"


def test_every_bound_of_the_quick_grid_holds_and_is_that_of_the_page(capsys):
    assert coverage.main(["--quick"]) == 0

    grid, *_ = capsys.readouterr().out.strip().partition("\n\n")
    rows = grid.splitlines()[2:]
    assert {row.split("|")[1].strip() for row in rows} == set(map(str, coverage.QUESTIONS))
    assert set(rows) <= set(PAGE.read_text().splitlines())


@pytest.mark.parametrize(
    ("questions", "accuracy", "margin"),
    # Newcombe's paired interval says so in 9.0, 13.7, 8.2 and 6.4 %.
    [(240, 0.46, 0.01), (198, 0.5, 0.01), (500, 0.5, 0.005), (1135, 0.5, 0.01)],
)
def test_few_changed_answers_are_rarely_called_equivalent_wrongly(questions, accuracy, margin):
    wrong = 0.0
    for lost, chance in truth.chances(questions, margin):
        both = round(questions * accuracy) - lost
        cells = (both, lost, 0, questions - both - lost)
        wrong += chance * (decision(paired_difference(*cells), margin, "same") == "equivalent")

    assert wrong <= 0.05


def score(total, lost, gained, gap):
    """Return the distance of the observed from a true difference in standard errors, written from
    Tango 1998 anew: the interval of the product is where it is 1.96."""
    linear = (2 * total + lost - gained) * gap - lost - gained
    constant = -lost * gap * (1 - gap)
    share = (sqrt(max(0.0, linear**2 - 8 * total * constant)) - linear) / (4 * total)
    variance = total * (2 * share + gap * (1 - gap))
    observed = gained - lost - total * gap
    return observed / sqrt(variance) if variance > 0 else copysign(inf, observed)


@pytest.mark.parametrize("cells", [(50, 9, 3, 80), (0, 0, 4, 26), (3, 5, 0, 0), (70, 0, 0, 72)])
def test_the_interval_ends_where_the_grid_says(cells):
    _both, lost, gained, _neither = cells
    interval, total = paired_difference(*cells), sum(cells)

    assert score(total, lost, gained, interval.low) == pytest.approx(Z, abs=1e-4)
    assert score(total, lost, gained, interval.high) == pytest.approx(-Z, abs=1e-4)


@pytest.mark.parametrize("z", [Z, 3.17, 7.09])
@pytest.mark.parametrize("total", [1, 5, 15, 142])
def test_where_every_answer_changes_the_interval_has_a_width(total, z):
    lost, gained = paired_difference(0, total, 0, 0, z), paired_difference(0, 0, total, 0, z)

    assert (lost.low, lost.value, gained.value, gained.high) == (-1, -1, 1, 1)
    assert score(total, total, 0, lost.high) == pytest.approx(-z, abs=1e-4)
    assert gained.low == pytest.approx(-lost.high)


def test_the_grid_lists_what_cannot_be():
    # Of 10 % correct answers, no 10.5 % can be lost.
    assert (0.1, 0.2, 0.005) in coverage.impossible()
    assert (0.5, 0.2, 0.05) not in coverage.impossible()
