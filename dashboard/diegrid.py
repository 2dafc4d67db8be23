"""The die grid: eight columns of four where a host has cards, drawn for rail, lists and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext, ngettext

from jobs.models import Host
from jobs.queries.hosts import dies, is_away, leased_dies

DIES_A_CARD = 4
CARDS_A_ROW = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """CSS classes of the cells, row by row, and the grid in words."""

    cells: tuple[str, ...]
    held: int
    label: str


def grid(host: Host, own: Sequence[str] = ()) -> Grid:
    """The host's dies; none for a host without. With ``own``: only these are marked, as held."""
    names = dies(host)
    if not names:
        return Grid((), 0, "")
    if is_away(host):
        label = gettext("%(n)s dies, not known now") % {"n": len(names)}
        return Grid(_by_rows(["g"] * len(names)), 0, label)
    if own:
        label = ngettext("%(n)s die", "%(n)s dies", len(own)) % {"n": len(own)}
        marks = ["on" if name in own else "" for name in names]
        return Grid(_by_rows(marks), len(own), label)
    leased = leased_dies(host)
    held = sum(1 for name in names if name in leased)
    label = gettext("%(held)s of %(all)s dies held") % {"held": held, "all": len(names)}
    return Grid(_by_rows(["a" if name in leased else "" for name in names]), held, label)


def _by_rows(marks: Sequence[str]) -> tuple[str, ...]:
    """Die by die into row by row: a card is a column of four; what does not fill a row is free."""
    rows = []
    for block in range(0, len(marks), DIES_A_CARD * CARDS_A_ROW):
        part = marks[block : block + DIES_A_CARD * CARDS_A_ROW]
        for row in range(DIES_A_CARD):
            rows.extend(
                part[card * DIES_A_CARD + row]
                for card in range(CARDS_A_ROW)
                if card * DIES_A_CARD + row < len(part)
            )
    return tuple(rows)
