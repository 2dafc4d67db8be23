"""Mean of repeats: its spread, and how narrow its 95 % interval is.

One implementation for two places: a search of a limit runs it as a file of its plan
(``find_limit.py``), the dashboard imports it. Standard library only, no import of this project.
"""

from __future__ import annotations

from math import fsum, inf, sinh, sqrt
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_RUNS = 3  # fewer runs give no useful variance
_Z = NormalDist().inv_cdf(0.975)
# Student's t, 97.5 %, for 1 … 30 degrees of freedom.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def student_t(freedom: float) -> float:
    """Return Student's t at 97.5 %, rounded to the safe side between whole degrees of freedom."""
    if freedom == inf:
        return _Z
    whole = max(1, int(freedom))
    if whole <= len(_T):
        return _T[whole - 1]
    # Cornish-Fisher expansion (Abramowitz and Stegun 1964, 26.7.5), off by less than 0.0001 here.
    first, second = (_Z**3 + _Z) / 4, (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    return _Z + first / whole + second / whole**2 + 0.0001


def mean(values: Sequence[float]) -> float:
    """Return the mean; of equal values exactly this value, of counts a count where it is one.
    ``statistics.mean`` takes forty times the time, for a relative difference below 1e-15."""
    first = values[0]
    if all(value == first for value in values):
        return first
    middle = fmean(values)
    return int(middle) if isinstance(first, int) and middle.is_integer() else middle


def variance(values: Sequence[float]) -> float:
    """Return the variance of two or more values; of equal values exactly 0."""
    middle = mean(values)
    return fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


def relative_half_width(values: Sequence[float]) -> float | None:
    """Return half the interval of the mean of positive values as a share of the mean, as
    :func:`jobs.statistics.mean_interval` has it; None with fewer than ``LEAST_RUNS``."""
    if len(values) < LEAST_RUNS or mean(values) <= 0:
        return None
    half = student_t(len(values) - 1) * sqrt(variance(values) / len(values))
    return sinh(half / mean(values))
