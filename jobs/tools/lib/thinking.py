"""Thinking on or off, as engines take it: a variable of the chat template in each request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Mapping[str, bool]]
# Of a chat request: vLLM, SGLang and llama.cpp give these variables to the template.
_VARIABLES = "chat_template_kwargs"


def body(switch: str, *, on: bool) -> Body:
    """Return the fields that each request gets; ``switch`` is the template's variable."""
    return {_VARIABLES: {switch: on}}


def chosen_in(request: Mapping[str, Any]) -> str:
    """Return what a request of :func:`body` chose: "on" or "off"; "" for the default."""
    for on in (request.get(_VARIABLES) or {}).values():
        return "on" if on else "off"
    return ""
