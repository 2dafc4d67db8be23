"""Words and numbers of a chat's turns: ``{% load playground %}``."""

import json
from collections.abc import Sequence
from typing import Any

import re2
from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from pydantic_core import from_json

from dashboard.actions.chat_params import MOST_DEPTH, MOST_JSON, depth
from dashboard.text import formatting
from dashboard.text.answers import finish_words
from dashboard.text.messages import message
from jobs.base.patterns import pattern
from jobs.completions import VARIABLES, continues_answer, params_in, system_of
from jobs.models import Turn
from jobs.queries.chat import MOST_TOKENS, ChatEngine, engine_of
from jobs.tools.lib.load import thinking_in

register = template.Library()
register.filter("engine", engine_of)

_LEAST_LEFT = 64  # tokens of a question and a line of an answer


register.filter("hit_in", lambda hits, number: hits.get(number))


@register.simple_tag
def marked(text: str, words: Sequence[str]) -> SafeString:
    """Return a text with each of ``words`` marked, in any case."""
    wanted = pattern("|".join(map(re2.escape, words)), ignore_case=True)
    pieces, at = [], 0
    for found in wanted.finditer(text):
        pieces += [text[at : found.start()], format_html("<mark>{}</mark>", found[0])]
        at = found.end()
    return format_html_join("", "{}", ((piece,) for piece in (*pieces, text[at:])))


@register.filter
def ending(finish_reason: str) -> str:
    """Return what ended an answer, "" where it is whole or the turn says that it was cut."""
    return "" if finish_reason in ("stop", "length") else finish_words(finish_reason)


@register.simple_tag
def cut_of(turn: Turn) -> dict[str, Any] | None:
    """Return how a turn's answer was cut short, by its limit or where the context ended; None if it
    was not. ``more``: the limit to ask again with, None at the most that can be asked for."""
    if turn.finish_reason != "length":
        return None
    limit = int(turn.request.get("max_tokens") or 0)
    tokens = int(turn.stats.get("completion_tokens") or limit)
    return {
        "tokens": tokens,
        "in_thought": bool(turn.reasoning) and not turn.answer,
        # An engine that gives no number has its pieces counted, which may hold several tokens each.
        "by_limit": tokens >= limit or bool(turn.stats.get("counted")),
        "more": min(2 * limit, MOST_TOKENS) if limit < MOST_TOKENS else None,
    }


@register.simple_tag
def context_left(turn: Turn, chosen: ChatEngine | None = None) -> dict[str, int] | None:
    """Return the tokens left after a turn, the ``total`` of a request and those ``taken``; None if
    unknown. ``chosen``: another engine than that of the turn."""
    engine = chosen or engine_of(turn)
    total = engine.context if engine else None
    prompt = turn.stats.get("prompt_tokens")
    if total is None or prompt is None:
        return None
    # Reasoning is not sent back.
    taken = prompt + int(turn.stats.get("answer_tokens") or 0)
    return {"tokens": max(0, total - taken), "total": total, "taken": taken}


@register.simple_tag
def history_problem(turn: Turn | None, chosen: ChatEngine | None) -> str:
    """Return why the chosen engine cannot take the chat so far; "" if it can, or unknown. Told
    before a message is sent, which the engine would refuse or answer with a few tokens."""
    left = context_left(turn, chosen) if turn is not None and chosen is not None else None
    if left is None or chosen is None or left["tokens"] >= _LEAST_LEFT:
        return ""
    args = {"name": chosen.name, "total": formatting.number(left["total"])}
    if left["tokens"]:
        text = gettext(
            "Context of %(name)s: %(total)s tokens, about %(left)s left. Start a new chat or "
            "choose a deployment with a longer context."
        )
        return text % {**args, "left": formatting.number(left["tokens"])}
    text = gettext(
        "Context of %(name)s: %(total)s tokens. This chat has about %(taken)s. Start a new "
        "chat or choose a deployment with a longer context."
    )
    return text % {**args, "taken": formatting.number(left["taken"])}


@register.simple_tag
def place_in(turn: Turn, ids: Sequence[int]) -> dict[str, int | None]:
    """Return the number of a turn among others, from 1, and its neighbours' ids."""
    at, count = ids.index(turn.pk), len(ids)
    before = ids[at - 1] if at else None
    after = ids[at + 1] if at + 1 < count else None
    return {"number": at + 1, "count": count, "before": before, "after": after}


@register.simple_tag
def asked_with(turn: Turn) -> list[tuple[str, Any]]:
    """Return the parameters of a turn beside messages and model, as ``(name, value)``."""
    known = params_in(turn.request)
    chosen = thinking_in(turn.request)
    if chosen and len(known[VARIABLES]) == 1:
        del known[VARIABLES]
    texts = [
        (name, json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)
        for name, value in known.items()
    ]
    return [*texts, ("thinking", chosen)] if chosen else texts


@register.simple_tag
def system_prompt(turn: Turn) -> str:
    return system_of(turn.request)


@register.filter
def continues(turn: Turn) -> bool:
    """Return True if a turn began with the answer of another one."""
    return continues_answer(turn.request)


@register.filter
def as_json(text: str) -> str:
    """Return JSON on several lines; other texts, and long or deep JSON, as they are."""
    if len(text) > MOST_JSON:
        return text
    try:
        found = from_json(text, allow_inf_nan=False)
    except ValueError:
        return text
    return json.dumps(found, ensure_ascii=False, indent=2) if depth(found) <= MOST_DEPTH else text


@register.filter
def thinks_first(turn: Turn) -> bool:
    engine = engine_of(turn)
    return engine is not None and engine.thinks


@register.filter
def seconds(milliseconds: float) -> str:
    """A span that is kept in milliseconds, as people read it: "0.94 s"."""
    return formatting.duration(milliseconds / 1000)


@register.simple_tag
def chat_error(turn: Turn) -> str:
    """Return the message of a failed turn for which the engine gave no error text."""
    return message(turn.stats["error_id"], turn.stats.get("error_args") or {})
