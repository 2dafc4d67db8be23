from functools import cache
from math import log, log1p
from random import Random

import pytest

from jobs.statistics import (
    Interval,
    Seen,
    Z,
    conditional_power,
    holm,
    more_questions,
    paired_difference,
    paired_variance,
)
from jobs.statistics.paired import decision, extended_z, monitored_z


@pytest.mark.parametrize(
    ("low", "high", "same", "at_least"),
    [
        (-0.009, 0.009, "equivalent", "not_worse"),
        (-0.009, -0.001, "equivalent", "not_worse"),  # worse, but by less than the margin
        (0.001, 0.009, "equivalent", "better"),
        (-0.03, -0.001, "worse", "worse"),
        (0.001, 0.03, "better", "better"),
        (-0.009, 0.03, "cannot_tell", "not_worse"),
        (-0.0197, 0.0144, "cannot_tell", "cannot_tell"),
        (-0.01, 0.005, "cannot_tell", "cannot_tell"),  # a bound on the margin is not inside
    ],
)
def test_a_decision_is_that_of_the_interval_and_the_question(low, high, same, at_least):
    interval = Interval((low + high) / 2, low, high)

    assert decision(interval, 0.01, "same") == same
    assert decision(interval, 0.01, "at_least") == at_least


def test_a_variance_of_pairs_never_promises_nothing():
    assert paired_variance(0, 0, 100) == pytest.approx(1 / 102)
    assert paired_variance(16, 6, 160) == pytest.approx(23 / 162 - (10 / 162) ** 2)


def after(goal, seen, margin, z=Z):
    return more_questions(goal, seen, margin, lambda _asked: z)


@pytest.mark.parametrize(
    ("first", "second", "total", "fresh"),
    # Correct answers of both sides to other questions; what a fresh design less those asked says.
    [(9975, 9912, 10_500, 62), (9500, 9440, 10_000, 570)],
)
def test_more_questions_start_from_the_difference_that_was_seen(first, second, total, fresh):
    shares = first / total, second / total
    variance = sum(share * (1 - share) for share in shares)
    seen = Seen(total, shares[1] - shares[0], variance)

    more = more_questions("same", seen, 0.01, lambda _asked: extended_z(2))

    def power(count):
        return conditional_power("same", seen, count, 0.01, extended_z(2))

    assert power(fresh) < 0.05
    assert power(more - 1) < 0.8 <= power(more)


def test_more_questions_of_nothing_seen_are_a_fresh_design():
    # (1.96 + 1.2816)² · 0.0834 / 0.01² = 8763, and 6546 with one test at 0.8416.
    assert after("same", Seen(1, 0.0, 0.0834), 0.01) == pytest.approx(8763, abs=3)
    assert after("at_least", Seen(1, 0.0, 0.0834), 0.01) == pytest.approx(6546, abs=3)


def test_a_gain_that_was_seen_needs_fewer_questions_than_a_loss():
    gain, loss = (after("at_least", Seen(500, gap, 0.1), 0.02) for gap in (0.02, -0.02))

    assert gain < loss


@pytest.mark.parametrize(
    ("lost", "gained", "total", "margin"),
    [
        *((0, 0, 240, 0.01), (0, 0, 380, 0.01), (0, 0, 60, 0.05), (0, 0, 30, 0.1)),
        *((2, 1, 240, 0.02), (1, 0, 240, 0.01), (10, 8, 500, 0.01), (20, 15, 198, 0.02)),
    ],
)
@pytest.mark.parametrize("goal", ["at_least", "same"])
def test_promised_questions_show_the_goal_in_four_of_five_cases(lost, gained, total, margin, goal):
    z, draw = extended_z(2), Random(22)
    variance = paired_variance(lost, gained, total)
    seen = Seen(total, (gained - lost) / total, variance, lost + gained)
    more = after(goal, seen, margin, z)

    @cache
    def is_shown(changed, fixed):
        cells = (0, lost + changed - fixed, gained + fixed)
        gap = paired_difference(total + more - sum(cells), *cells[1:], 0, z)
        return decision(gap, margin, goal) not in ("cannot_tell", "worse")

    shown = 0
    for _run in range(400):
        changed = binomial(draw, more, seen.rate)
        shown += is_shown(changed, binomial(draw, changed, 0.5))

    assert 0.74 <= shown / 400 <= 0.96


def binomial(draw, count, share):
    """Draw the number of successes, from the gaps between them."""
    found, at = 0, 0
    while share and (at := at + int(log(1 - draw.random()) / log1p(-share)) + 1) <= count:
        found += 1
    return found


def test_the_boundary_of_early_stops_is_the_reflection_principles():
    assert monitored_z(100, 100) == pytest.approx(2.241403)
    assert monitored_z(25, 100) == pytest.approx(2 * 2.241403)
    assert monitored_z(200, 100) == monitored_z(100, 100)


def test_an_extension_spends_as_much_as_the_first_look_in_all():
    # On each side: 2.5 % at the first look, half, a sixth, a twelfth of it at the next.
    assert extended_z(1) == pytest.approx(1.959964)
    assert extended_z(2) == pytest.approx(2.241403)
    assert [extended_z(look) for look in (3, 4)] == pytest.approx([2.638257, 2.865260], abs=1e-5)


@pytest.mark.parametrize(
    ("values", "adjusted"),
    [
        # The worked example of the article "Holm-Bonferroni method" of Wikipedia.
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        # R 4: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([], []),
    ],
)
def test_p_values_are_adjusted_as_holm_does(values, adjusted):
    assert holm(values) == pytest.approx(adjusted)
