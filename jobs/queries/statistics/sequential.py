"""A rule for stopping an evaluation early, at any time.

The number of questions is fixed before the start. After a share ``t`` of them, the interval uses
``2.2414 / sqrt(t)`` in place of 1.96. All these intervals together miss the true difference in at
most 5 % of evaluations, however often somebody looks: a Brownian motion leaves the boundary before
its end with probability ``2 (1 - probability(2.2414)) = 2.5 %`` on each side (reflection principle;
spending function 1 of Lan and DeMets 1983, Biometrika 70, 659-663). So *equivalent*, *better* and
*worse* are each said wrongly in at most 2.5 %.
"""

from __future__ import annotations

from math import sqrt

from jobs.queries.statistics.base import quantile

BOUNDARY = quantile(1 - 0.025 / 2)


def monitored_z(asked: int, planned: int) -> float:
    """Return the quantile of an interval after ``asked`` of ``planned`` questions."""
    return BOUNDARY / sqrt(min(1.0, asked / planned))
