"""The die grid: eight columns of four where a host has cards, drawn for rail, lists and pages."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.formatting import number
from dashboard.text.labels import host_state, kind_title, state_of, style_of
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import (
    DieReading,
    all_dies,
    dies,
    is_away,
    lacks_room,
    leased_dies,
    readings,
)
from jobs.queries.results.provenance import DIES_A_CARD

CARDS_A_ROW = 8
HOT_C = 90.0  # what the grid marks; the vendor publishes no limit
_COLOURS = 4  # what look.css has keys for; beyond them colours repeat

T = TypeVar("T")
Held = Mapping[str, Job | Deployment | None]
DieState = Literal["unknown", "missing", "hot", "held", "blocked", "free"]
_SMALL = {"unknown": "g", "missing": "m", "hot": "h", "held": "a", "blocked": "g", "free": ""}
_LARGE = {"unknown": "gone", "missing": "miss", "hot": "hot", "blocked": "gone"}


@dataclass(slots=True)
class Die:
    """A die; a hot one may be held as well. ``key``: colour of its holder, 0 for none."""

    name: str
    state: DieState
    holder: Job | Deployment | None
    reading: DieReading
    key: int = 0

    @property
    def words(self) -> str:
        parts = []
        if self.reading.temp_c is not None:
            parts.append(f"{number(self.reading.temp_c, 1)} °C")
        if self.reading.power_w is not None:
            parts.append(f"{number(self.reading.power_w, 1)} W")
        states = {
            "unknown": _("state unknown"),
            "missing": _("missing"),
            "hot": _("hot"),
            "blocked": _("cannot be used"),
        }
        if self.state in states:
            parts.append(states[self.state])
        if self.holder:
            parts.append(f"{name_of(self.holder)} ({style_of(state_of(self.holder)).word})")
        elif self.state in ("hot", "free"):
            parts.append(_("free"))
        return _(", ").join(parts)

    @property
    def path(self) -> str:
        """The holder's page, below the root; "" without one."""
        return path_of(self.holder) if self.holder else ""

    @property
    def css(self) -> str:
        colour = f"l{self.key}" if self.key and self.state in ("held", "hot") else ""
        return " ".join(filter(None, [colour, _LARGE.get(self.state)]))

    @property
    def text(self) -> str:
        """The text of a large cell: "84°", "missing", the last holder; "" if nothing is known."""
        holder, heat = self.holder, self.reading.temp_c
        if self.state == "missing":
            return _("missing")
        if self.state == "unknown" and holder:
            return f"#{holder.pk}" if isinstance(holder, Job) else holder.name
        return "" if heat is None else f"{heat:.0f}°"


def dies_of(host: Host, held: Held | None = None) -> list[Die]:
    """Return every die of a host, missing ones included. ``held``: holders that are known."""
    names = all_dies(host)
    if not names:
        return []
    leased = leased_dies(host) if held is None else held
    away, there = is_away(host), set(dies(host))
    measured = {} if away else readings(host)
    host_dies = []
    for name in names:
        reading = (measured.get(name) if name in there else None) or DieReading(None, None)
        state: DieState = "held" if name in leased else "free"
        if away:
            state = "unknown"
        elif name not in there:
            state = "missing"
        elif reading.temp_c is not None and reading.temp_c >= HOT_C:
            state = "hot"
        elif state == "free" and has_iommu(host, names):
            state = "blocked"
        host_dies.append(Die(name, state, leased.get(name), reading))
    return host_dies


class Grid(NamedTuple):
    """CSS classes of the cells, row by row, and the grid in words; ``held`` of ``all`` dies."""

    cells: Sequence[str]
    held: int
    all: int
    label: str
    dies: Sequence[Die] = ()


def grid(host: Host, own: Sequence[str] = (), held: Collection[str] | None = None) -> Grid:
    """Return the host's dies; with ``own`` only these are marked, as held. ``held``: names of those
    in use, where they are known."""
    if held is None:
        held = () if own else leased_dies(host)
    host_dies = dies_of(host, dict.fromkeys(held))
    if not host_dies:
        return Grid((), 0, 0, "")
    count, taken = len(host_dies), sum(die.name in held for die in host_dies)
    marks = {die.name: _SMALL[die.state] for die in host_dies}
    if host_dies[0].state == "unknown":
        label, taken = _("%(n)s dies, state unknown") % {"n": count}, 0
    elif own:
        taken = len(own)
        label = ngettext("%(n)s die", "%(n)s dies", taken) % {"n": taken}
        marks = {die.name: "on" if die.name in own else "" for die in host_dies}
    else:
        label = _("%(held)s of %(all)s dies in use") % {"held": taken, "all": count}
        for state, text in (("missing", _(", %(n)s missing")), ("hot", _(", %(n)s hot"))):
            if number_of := sum(die.state == state for die in host_dies):
                label += text % {"n": number_of}
    cells: list[str] = []
    for part, rows in _by_cards(marks):
        for row in rows:
            cells += ["none" if mark is None else mark for mark in row]
            cells += ["none"] * (CARDS_A_ROW - len(part))
    return Grid(tuple(cells), taken, count, label, host_dies)


def problems_of(host: Host, host_dies: Sequence[Die]) -> Iterator[str]:
    """Yield what needs attention on a host, worst first, each in a few words."""
    if not host.key_sha256:
        yield _("key revoked")
    if has_iommu(host, host_dies):
        yield _("IOMMU is on: cards do not work")
    if not is_away(host) and lacks_room(host):
        yield _("disk full: no job can start")
    for die in host_dies:
        if die.state == "missing":
            yield _("die %(name)s missing") % {"name": die.name}
    for die in host_dies:
        if die.state == "hot":
            celsius = number(die.reading.temp_c or 0.0, 1)
            yield _("die %(name)s %(celsius)s °C") % {"name": die.name, "celsius": celsius}


def has_iommu(host: Host, host_dies: Sequence[Die] | Sequence[str]) -> bool:
    """Return True when it is on, with which no card works."""
    return bool(host_dies and host.facts.get("iommu"))


def health_of(host: Host, host_dies: Sequence[Die]) -> str:
    """Return a state of ``dashboard.text.labels``; "unwell" of a ready host with a problem."""
    state = host_state(host)
    return "unwell" if state == "ready" and any(problems_of(host, host_dies)) else state


def _by_cards(things: Mapping[str, T]) -> Iterator[tuple[list[int], list[list[T | None]]]]:
    """Yield up to eight cards: their numbers, and the rows of their dies; None where a card has no
    die. The vendor's tools number dies card by card."""
    places = {
        divmod(int(name) if name.isdecimal() else index, DIES_A_CARD): thing
        for index, (name, thing) in enumerate(things.items())
    }
    used = sorted({card for card, _row in places})
    for at in range(0, len(used), CARDS_A_ROW):
        part = used[at : at + CARDS_A_ROW]
        yield part, [[places.get((card, row)) for card in part] for row in range(DIES_A_CARD)]


class Block(NamedTuple):
    """Up to eight cards: their numbers, and rows of as many dies; None where a card has no die."""

    cards: list[int]
    rows: list[list[Die | None]]

    @property
    def gap(self) -> str:
        """The slice of eight places that fills a row with fewer cards."""
        return f":{max(0, CARDS_A_ROW - len(self.cards))}"


@dataclass(frozen=True, slots=True)
class Cards:
    """The large grid of a host, a card a column. ``held``: path of a holder's page → key of its
    colour, and its number of dies."""

    blocks: Sequence[Block]
    held: Mapping[str, tuple[int, int]]
    dies: Sequence[Die]

    @property
    def count(self) -> int:
        return sum(len(block.cards) for block in self.blocks)

    @property
    def missing(self) -> list[Die]:
        return [die for die in self.dies if die.state == "missing"]

    @property
    def hot(self) -> list[Die]:
        return [die for die in self.dies if die.state == "hot"]

    @property
    def free(self) -> int:
        return sum(die.holder is None and die.state in ("free", "hot") for die in self.dies)

    @property
    def hottest(self) -> Die | None:
        measured = [die for die in self.dies if die.reading.temp_c is not None]
        return max(measured, key=lambda die: die.reading.temp_c or 0.0, default=None)

    @property
    def power_w(self) -> float | None:
        """The power of all dies; None if one is unknown."""
        values = [die.reading.power_w for die in self.dies if die.state != "missing"]
        known = [watts for watts in values if watts is not None]
        return sum(known) if known and len(known) == len(values) else None


def cards(host: Host, held: Held | None = None) -> Cards | None:
    host_dies = dies_of(host, held)
    if not host_dies:
        return None
    by_path: dict[str, list[Die]] = {}
    for die in host_dies:
        if die.holder is not None:
            by_path.setdefault(die.path, []).append(die)
    for index, those in enumerate(by_path.values()):
        for die in those:
            die.key = index % _COLOURS + 1
    blocks = [Block(*block) for block in _by_cards({die.name: die for die in host_dies})]
    holders = {path: (those[0].key, len(those)) for path, those in by_path.items()}
    return Cards(blocks, holders, host_dies)


def name_of(subject: Job | Deployment) -> str:
    """Return the name of a holder in a grid: a deployment's name, "#17 Benchmark"."""
    if isinstance(subject, Deployment):
        return subject.name
    return f"#{subject.pk} {kind_title(subject.kind)}"


def path_of(subject: Job | Deployment) -> str:
    """Return the path of a holder's page below the root: "jobs/17/"."""
    return f"{'jobs' if isinstance(subject, Job) else 'deployments'}/{subject.pk}/"
