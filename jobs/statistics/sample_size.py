"""Numbers of questions for a margin, before a launch. Pure functions with sources.

Kept apart from ``statistics``: that module judges what was measured, this one plans.
"""

from __future__ import annotations

from math import ceil

from jobs.statistics.base import POWER, quantile
from jobs.statistics.paired import Goal, Z

MARGIN = 0.01  # one point
USUAL_ACCURACY = 0.9  # where nothing was measured
# Assumed share of the questions that two runs of alike models answer differently.
USUAL_CHANGED = 0.05


def questions_for_interval(accuracy: float, margin: float = MARGIN) -> int:
    """Return questions that give one accuracy a 95 % interval of ± ``margin`` (normal
    approximation, Cochran 1977, Sampling Techniques, 4.2)."""
    return ceil(Z * Z * _spread(accuracy) / margin**2)


def questions_unpaired(goal: Goal, accuracy: float, margin: float = MARGIN, z: float = Z) -> int:
    """Return questions on each side that show the goal with a power of 80 %, if both are equally
    accurate and answer different questions."""
    return _questions(goal, 2 * _spread(accuracy), margin, z)


def questions_paired(
    goal: Goal, changed: float = USUAL_CHANGED, margin: float = MARGIN, z: float = Z
) -> int:
    """Return questions that both sides answer to show the goal with a power of 80 %, if both are
    equally accurate and the share ``changed`` of the answers differs."""
    return _questions(goal, changed, margin, z)


def _questions(goal: Goal, variance: float, margin: float, z: float) -> int:
    """Chow, Shao and Wang 2008, Sample Size Calculations in Clinical Research, 3.2: of two tests at
    once, each may lose half of what the power leaves. ``variance``: of one question."""
    power = POWER if goal == "at_least" else (1 + POWER) / 2
    return ceil(variance * ((z + quantile(power)) / margin) ** 2)


def _spread(accuracy: float) -> float:
    """Variance of one answer; at 0 and 1 that of the nearest share of ten thousand answers."""
    share = min(0.9999, max(0.0001, accuracy))
    return share * (1 - share)
