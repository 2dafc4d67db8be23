"""Branches of a chat: which attempts and messages follow each other.

A turn knows the one before it (``parent``). Turns behind one parent are attempts at one message,
or, with another ``version``, at a message that was edited. Of those one is shown; a branch is the
walk over them from the first message on.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from jobs.models import Conversation, Turn


class BranchPlace(NamedTuple):
    """A turn of a branch. ``attempts``: ids of all at its message; ``messages``: a turn of each
    version of it; oldest first. ``is_shown``: a chat that is opened without a choice shows it."""

    pk: int
    is_shown: bool
    attempts: Sequence[int]
    messages: Sequence[int]


class _Node(NamedTuple):
    pk: int
    parent: int | None
    version: int
    is_shown: bool


def branch_of(conversation: Conversation | int, through: int | None = None) -> list[BranchPlace]:
    """Return the branch that is shown; with ``through`` that of this turn, on to its end."""
    rows = Turn.objects.filter(conversation=conversation).order_by("index", "attempt")
    behind, parents = defaultdict[int | None, list[_Node]](list), dict[int, int | None]()
    for node in map(_Node._make, rows.values_list("pk", "parent", "version", "is_shown")):
        behind[node.parent].append(node)
        parents[node.pk] = node.parent
    wanted, at = set[int](), through
    while at in parents:
        wanted.add(at)
        at = parents[at]
    branch: list[BranchPlace] = []
    while siblings := behind.get(branch[-1].pk if branch else None):
        branch.append(_place(siblings, wanted))
    return branch


def place_of(turn: Turn) -> BranchPlace:
    """Return a turn among those behind its parent."""
    rows = Turn.objects.filter(conversation=turn.conversation_id, parent=turn.parent_id)
    found = rows.order_by("attempt").values_list("pk", "parent", "version", "is_shown")
    return _place([*map(_Node._make, found)], {turn.pk})


def _place(siblings: Sequence[_Node], wanted: set[int]) -> BranchPlace:
    shown = next((one for one in siblings if one.is_shown), siblings[-1])
    chosen = next((one for one in siblings if one.pk in wanted), shown)
    messages = {one.version: one.pk for one in siblings}  # of each the newest attempt
    messages[shown.version] = shown.pk
    messages[chosen.version] = chosen.pk
    attempts = [one.pk for one in siblings if one.version == chosen.version]
    return BranchPlace(
        chosen.pk, chosen.is_shown, attempts, [pk for _version, pk in sorted(messages.items())]
    )
