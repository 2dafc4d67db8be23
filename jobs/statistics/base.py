"""Quantiles that all statistics share."""

from __future__ import annotations

from math import inf
from statistics import NormalDist

from jobs.statistics.paired import Z

_NORMAL = NormalDist()
POWER = 0.8
Z_POWER = _NORMAL.inv_cdf(POWER)
# Student's t, 97.5 %, for 1 … 30 degrees of freedom.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def quantile(share: float) -> float:
    """Return the standard normal quantile."""
    return _NORMAL.inv_cdf(share)


def probability(z: float) -> float:
    """Return the standard normal probability below ``z``."""
    return _NORMAL.cdf(z)


def student_t(freedom: float) -> float:
    """Return Student's t at 97.5 %, rounded to the safe side between whole degrees of freedom."""
    if freedom == inf:
        return Z
    whole = max(1, int(freedom))
    if whole <= len(_T):
        return _T[whole - 1]
    # Cornish-Fisher expansion (Abramowitz and Stegun 1964, 26.7.5), off by less than 0.0001 here.
    first, second = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    return Z + first / whole + second / whole**2 + 0.0001
