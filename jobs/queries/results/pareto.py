"""Pareto frontier: points that no other point beats in both directions."""

from __future__ import annotations

from collections.abc import Sequence


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indexes of the points on the frontier, by rising x; more is better in both.

    Equal points are on it together.
    """
    order = sorted(range(len(points)), key=lambda index: points[index], reverse=True)
    kept: list[int] = []
    for index in order:  # falling x, of one x falling y
        x, y = points[index]
        if not kept or y > points[kept[-1]][1] or (x, y) == points[kept[-1]]:
            kept.append(index)
    return kept[::-1]
