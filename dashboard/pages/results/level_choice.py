"""Choice of a service level: from the address, else as the browser remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from jobs.queries.results.levels import Level
from jobs.queries.results.team_levels import team_levels

PARAMETER = "level"
NONE = "none"
COOKIE = "level"
KEPT_S = 365 * 86400


@dataclass(frozen=True, slots=True)
class Option:
    """Level to choose. ``key``: its value in addresses."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen level. ``key``: "" for none. ``is_unknown``: the address names a level that was
    removed or hidden."""

    options: Sequence[Option]
    key: str = ""
    level: Level | None = None
    is_unknown: bool = False

    @property
    def name(self) -> str:
        """Return the name of the chosen level, "" for none."""
        return self.level.name if self.level else ""


def level_choice(request: HttpRequest) -> Choice:
    """Return the choice for a page. ``?level=none`` chooses none, so that a link says all."""
    known = dict(team_levels().options())
    options = [Option(key, level.name) for key, level in known.items()]
    asked = request.GET.get(PARAMETER, "")
    key = asked or request.COOKIES.get(COOKIE, "")
    if key in known:
        return Choice(options, key, known[key])
    return Choice(options, is_unknown=bool(asked) and asked != NONE)
