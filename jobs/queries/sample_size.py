"""Numbers of questions for a margin of error, before a launch. Pure functions with sources.

Kept apart from ``statistics``: that module judges what was measured, this one plans.
"""

from __future__ import annotations

from math import ceil, sqrt

from jobs.paired import Z
from jobs.queries.statistics.base import Z_POWER

MARGIN = 0.01  # one point
USUAL_ACCURACY = 0.9  # where nothing was measured
# Assumed share of the questions that two runs of alike models answer differently.
USUAL_CHANGED = 0.05


def questions_for_interval(accuracy: float, margin: float = MARGIN) -> int:
    """Return questions that give one accuracy a 95 % interval of ± ``margin`` (normal
    approximation, Cochran 1977, Sampling Techniques, 4.2)."""
    return ceil(Z * Z * _spread(accuracy) / margin**2)


def questions_unpaired(accuracy: float, margin: float = MARGIN) -> int:
    """Return questions on each side that show a difference of ``margin`` with a power of 80 %, if
    both sides answer different questions (Fleiss 1981, Statistical Methods for Rates, 3.2, without
    continuity correction)."""
    return ceil(2 * (Z + Z_POWER) ** 2 * _spread(accuracy) / margin**2)


def questions_paired(changed: float = USUAL_CHANGED, margin: float = MARGIN) -> int:
    """Return questions that both sides answer to show a difference of ``margin`` with a power of
    80 %, if the share ``changed`` of the answers differs (Connor 1987, Biometrics 43, 207-211)."""
    share = max(changed, margin)
    return ceil(((Z * sqrt(share) + Z_POWER * sqrt(share - margin**2)) / margin) ** 2)


def _spread(accuracy: float) -> float:
    """Variance of one answer; at 0 and 1 that of the nearest share of ten thousand answers."""
    share = min(0.9999, max(0.0001, accuracy))
    return share * (1 - share)
