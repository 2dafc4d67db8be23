"""Prompts of a benchmark by name: included sets, and those that the team uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import PROMPT_SETS
from jobs.kinds.lib.base import AssetRef, Choice, Target, TeamPrompts
from jobs.kinds.lib.common import folder_step, tokenizer_folder
from jobs.kinds.lib.lengths import about_tokens
from jobs.tools.lib.load import Sized

# The word that makes each prompt unique (cold.py), in tokens.
MARK_TOKENS = 8
# Longest prompt of all included sets.
INCLUDED_TOKENS = about_tokens(line for lines in PROMPT_SETS.values() for line in lines)
PROMPT_TOKENS = INCLUDED_TOKENS + MARK_TOKENS


# Tokens that a chat template may add to a prompt.
_TEMPLATE_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Chosen:
    """Prompts to send. ``longest``: estimated tokens of the longest one, with its mark."""

    prompts: tuple[str, ...]
    longest: int
    of_team: bool = False
    sized: Sized | None = None


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
        return Chosen(PROMPT_SETS[name], PROMPT_TOKENS)
    found = team_set(name, target.prompts)
    return Chosen(tuple(found.read()), found.longest + MARK_TOKENS, of_team=True)


def random_of(tokens: int, served: AssetRef, target: Target) -> Chosen:
    """Return random prompts of ``tokens`` for a deployment.

    Raises:
        LaunchError: at ``prompts``: the tokenizer of its model is not on the host.
    """
    model_id = str(served.data.get("model_id") or "")
    if not model_id:
        message = _(
            "Random prompts need a tokenizer. Choose the catalogue model of %(name)s first, or "
            "other prompts."
        )
        raise LaunchError(message % {"name": served.title}, "prompts")
    folder = tokenizer_folder(served, target)
    if folder is None:
        message = _(
            "Random prompts need the tokenizer of %(model)s, which is missing on %(host)s. "
            "%(step)s Or choose other prompts."
        )
        args = {"model": model_id, "host": target.name, "step": folder_step(model_id, target)}
        raise LaunchError(message % args, "prompts")
    return Chosen((), tokens + _TEMPLATE_TOKENS, sized=Sized(tokens, folder))


def team_set(name: str, sets: Sequence[TeamPrompts]) -> TeamPrompts:
    """Return the team's set of this name.

    Raises:
        LaunchError: there is none, or it was removed.
    """
    for one in sets:
        if one.name == name:
            return one
    raise LaunchError(_("Unknown prompt set. Choose one from the list."), "prompts")
