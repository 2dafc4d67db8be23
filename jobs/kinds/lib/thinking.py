"""Thinking on or off in a run, where the model's chat template has a switch for it.

A reasoning model without a switch always thinks, such as DeepSeek-R1. The default sends nothing:
it is left out of the job's parameters, so that results of before are its repeats.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS
from jobs.kinds.lib.base import AssetRef, Choice
from jobs.tools.lib import thinking
from jobs.tools.lib.thinking import Body

NAME = "thinking"  # field of Params
Thinking: TypeAlias = Literal["", "on", "off"]
WORDS = {
    "": gettext_lazy("model default"),
    "on": gettext_lazy("on"),
    "off": gettext_lazy("off"),
}


def thinking_field(*deployments: str) -> Any:
    """Return the field ``thinking``. ``deployments``: fields whose engines all need the switch."""
    return Field(
        "",
        exclude_if=lambda value: not value,
        description="Switches the reasoning in the chat template. Model default: as the template "
        "decides.",
        json_schema_extra={
            "label": "Thinking",
            "group": "Answers",
            "switch_of": [*(deployments or ("deployment",))],
        },
    )


def thinking_choices() -> list[Choice]:
    """Return the choices of the field."""
    return [Choice(value, str(words)) for value, words in WORDS.items()]


def switch_of(served: AssetRef) -> str:
    """Return the variable of the engine's chat template: stated for an endpoint, of the
    catalogue's model for a deployment; "" for none."""
    if served.endpoint is not None:
        return str(served.data.get("thinking_switch") or "")
    if served.data.get("reasoning") and served.data.get("toolchain") == "llama.cpp":
        return ""  # our reasoning template takes the place of the model's
    model = MODELS.get(str(served.data.get("model_id") or ""))
    return model.thinking_switch if model else ""


def extra_body(served: AssetRef, chosen: Thinking) -> Body:
    """Return the fields that each request gets; {} for the default.

    Raises:
        LaunchError: at the field ``thinking``, the template has no known switch.
    """
    if not chosen:
        return {}
    switch = switch_of(served)
    if switch:
        return thinking.body(switch, on=chosen == "on")
    if served.endpoint is not None:
        message = _(
            "Endpoint %(name)s states no switch for thinking. Choose “%(default)s”, or edit the "
            "endpoint."
        )
    else:
        message = _(
            "The model of %(name)s has no switch for thinking in the catalogue. Choose "
            "“%(default)s”."
        )
    raise LaunchError(message % {"name": served.title, "default": WORDS[""]}, NAME)


def workload_part(chosen: Thinking) -> list[str]:
    """Return the part of a workload's text: "thinking off"; [] for the default."""
    return [f"thinking {chosen}"] if chosen else []
