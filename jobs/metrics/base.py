"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that results hold.

    ``unit`` is what is shown after it ("%" for a ratio that is stored from 0 to 1). ``better``
    says which way is better; "" where neither is. ``is_count``: a whole number of things.
    """

    name: str
    label: str
    unit: str
    better: Literal["higher", "lower", ""]
    is_count: bool = False
