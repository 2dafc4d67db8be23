"""Prompts of a benchmark by name: included sets, and those that the team uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from jobs.catalog import PROMPT_SETS
from jobs.errors import LaunchError
from jobs.kinds.lib.base import Choice, Target, TeamPrompts
from jobs.kinds.lib.lengths import about_tokens

# The word that makes each prompt unique (cold.py), in tokens.
MARK_TOKENS = 8
# Longest prompt of all included sets.
INCLUDED_TOKENS = about_tokens(line for lines in PROMPT_SETS.values() for line in lines)
PROMPT_TOKENS = INCLUDED_TOKENS + MARK_TOKENS


@dataclass(frozen=True, slots=True)
class Chosen:
    """Prompts to send. ``longest``: estimated tokens of the longest one, with its mark."""

    prompts: tuple[str, ...]
    longest: int
    of_team: bool


def included_choices() -> list[Choice]:
    """Return the included sets."""
    return [Choice(name, f"{name} ({len(lines)})") for name, lines in PROMPT_SETS.items()]


def team_choices(target: Target) -> list[Choice]:
    """Return the team's sets."""
    return [Choice(one.name, f"{one.name} ({one.count})") for one in target.prompts]


def chosen(name: str, target: Target) -> Chosen:
    """Return the prompts of a set.

    Raises:
        LaunchError: unknown set.
    """
    if name in PROMPT_SETS:
        return Chosen(PROMPT_SETS[name], PROMPT_TOKENS, of_team=False)
    found = team_set(name, target.prompts)
    return Chosen(tuple(found.read()), found.longest + MARK_TOKENS, of_team=True)


def team_set(name: str, sets: Sequence[TeamPrompts]) -> TeamPrompts:
    """Return the team's set of this name.

    Raises:
        LaunchError: there is none, or it was removed.
    """
    for one in sets:
        if one.name == name:
            return one
    raise LaunchError(_("Unknown prompt set. Choose one from the list."), "prompts")
