"""Words and numbers of a chat's turns: ``{% load playground %}``."""

from __future__ import annotations

from django import template

from dashboard import formats
from dashboard.sentences import sentence
from jobs.models import Turn

register = template.Library()


@register.filter
def seconds(milliseconds: float) -> str:
    """A span that is kept in milliseconds, as people read it: "0.94 s"."""
    return formats.duration(milliseconds / 1000)


@register.simple_tag
def chat_error(turn: Turn) -> str:
    """Why a turn failed, where the engine said nothing itself."""
    return sentence(turn.stats["error_id"], {})
