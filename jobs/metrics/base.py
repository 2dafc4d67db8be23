"""Definition of a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """Number stored in results.

    ``unit``: shown unit ("%" for a ratio stored from 0 to 1). ``better``: better direction, "" for
    none. ``is_count``: a whole number.
    """

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower", ""]
    is_count: bool = False
