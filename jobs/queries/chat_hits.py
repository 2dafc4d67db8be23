"""Hits of a search in chats: of each chat the turn that has a word, with the text around it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.db.models import Value
from django.db.models.functions import Greatest, Lower, StrIndex, Substr

from jobs.models import Conversation, Turn
from jobs.queries.chat import mentions

_MOST_WORDS = 3  # that are looked for in turns of one chat
_BEFORE, _LENGTH = 40, 160  # characters of an excerpt
_TEXTS = ("prompt", "answer", "reasoning")
_COLUMNS = [f"{name}_{of}" for name in _TEXTS for of in ("at", "near")]


class ChatHit(NamedTuple):
    """``part``: prompt, answer or reasoning. ``excerpt``: its text around the word."""

    turn: int
    part: str
    excerpt: str


def hits_of(chats: Sequence[Conversation], terms: Sequence[str]) -> Mapping[int, ChatHit]:
    """Return the hit of each chat, by number; none of a chat that has the words in its title
    only."""
    found: dict[int, ChatHit] = {}
    for word in terms[:_MOST_WORDS]:
        if left := [chat.pk for chat in chats if chat.pk not in found]:
            found |= _hits(left, word)
    return found


def _hits(chats: Sequence[int], word: str) -> dict[int, ChatHit]:
    # Of each chat the last row stays: the first turn of those that are shown, else of others.
    rows = Turn.objects.filter(mentions(word), conversation__in=chats)
    order = ("is_shown", "-index", "-attempt")
    turns = dict(rows.order_by(*order).values_list("conversation", "pk"))
    places = {name: StrIndex(Lower(name), Lower(Value(word))) for name in _TEXTS}
    near = {
        name: Substr(name, Greatest(place - _BEFORE, 1), _LENGTH) for name, place in places.items()
    }
    read = Turn.objects.filter(pk__in=turns.values()).annotate(
        **{f"{name}_at": place for name, place in places.items()},
        **{f"{name}_near": text for name, text in near.items()},
    )
    found = {}
    for row in read.values("conversation", "pk", *_COLUMNS):
        part = next((name for name in _TEXTS if row[f"{name}_at"]), "")
        if part:
            found[row["conversation"]] = ChatHit(row["pk"], part, _cut(row, part))
    return found


def _cut(row: Mapping[str, str | int], part: str) -> str:
    """Return an excerpt on one line, with dots where its text goes on before."""
    text = " ".join(str(row[f"{part}_near"]).split())
    return f"…{text}" if int(row[f"{part}_at"]) > _BEFORE + 1 else text
