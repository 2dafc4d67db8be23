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
    rows: list[str] = []
    for block in range(0, len(marks), DIES_A_CARD * CARDS_A_ROW):
        part = marks[block : block + DIES_A_CARD * CARDS_A_ROW]
        for row in range(DIES_A_CARD):
            rows.extend(
                part[card * DIES_A_CARD + row]
                for card in range(CARDS_A_ROW)
                if card * DIES_A_CARD + row < len(part)
            )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Cell:
    """A die of a large grid: who holds it (``subject`` "job 17", "" when free) and how it looks."""

    die: str
    css: str
    subject: str
    path: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds dies, with the key of its colour."""

    subject: str
    path: str
    key: int
    count: int


@dataclass(frozen=True, slots=True)
class Cards:
    """The large grid of a host: cells row by row, a card a column."""

    card_numbers: tuple[int, ...]
    rows: tuple[tuple[Cell, ...], ...]
    holders: tuple[Holder, ...]

    @property
    def gap(self) -> str:
        """What a template slices eight places with, to fill a row that has fewer cards."""
        return f":{max(0, CARDS_A_ROW - len(self.card_numbers))}"


_COLOURS = 4  # what look.css has keys for; beyond them colours repeat


def cards(host: Host) -> Cards | None:
    """The host's dies, card by card; None for a host without any."""
    names = dies(host)
    if not names:
        return None
    leased = leased_dies(host)
    subjects = list(dict.fromkeys(leased[name] for name in names if name in leased))
    key = {subject: index % _COLOURS + 1 for index, subject in enumerate(subjects)}
    cells = [_cell(name, leased.get(name, ""), key, away=is_away(host)) for name in names]
    columns = [cells[at : at + DIES_A_CARD] for at in range(0, len(cells), DIES_A_CARD)]
    return Cards(
        card_numbers=tuple(range(len(columns))),
        rows=tuple(
            tuple(column[row] for column in columns if row < len(column))
            for row in range(DIES_A_CARD)
        ),
        holders=tuple(
            Holder(subject, _path(subject), key[subject], list(leased.values()).count(subject))
            for subject in subjects
        ),
    )


def _cell(die: str, subject: str, key: dict[str, int], *, away: bool) -> Cell:
    css = "gone" if away else f"l{key[subject]}" if subject else ""
    return Cell(die, css, subject, _path(subject))


def _path(subject: str) -> str:
    """Where a lease's holder has its page, below the root: "job 17" is at "jobs/17/"."""
    kind, _, number = subject.partition(" ")
    return f"{kind}s/{number}/" if number else ""
