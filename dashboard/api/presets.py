"""Presets of chats, which a team edits."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest
from pydantic import Field

from dashboard.actions import rows
from dashboard.actions.chat_params import ParamsForm
from dashboard.actions.chat_presets import PresetForm
from dashboard.api.base import Asked, Created, Json, Operations, about, listing, read
from dashboard.api.chat import ParamsAsked
from dashboard.pages.shared.addresses import or_404
from jobs.models import ChatPreset
from jobs.queries.chat import chat_preset, chat_presets

presets = Operations("Conversations", "chat-presets")


class PresetAsked(Asked):
    """Settings of chats."""

    name: str
    params: ParamsAsked = about("those of a question; a missing one: the model's own value")


class PresetChange(PresetAsked):
    """Parts of a preset to change; what is left out stays."""

    name: str = ""
    params: ParamsAsked = Field(default_factory=ParamsAsked)


class PresetAnswer(Created):
    """Settings of chats."""

    id: int
    name: str
    params: dict[str, Any] = about("by the names of a question's fields")
    removed: bool = read(lambda row: row.removed_at is not None)


PresetsAnswer = listing("PresetsAnswer", "All presets, by name.", "presets", PresetAnswer)


@presets.on("GET ", "preset.view", "api-presets", PresetsAnswer)
def list_presets(request: HttpRequest) -> Json:
    """List presets of chats. By name, without removed ones."""
    return {"presets": [PresetAnswer.of(row) for row in chat_presets()], "next": None}


@presets.on("POST ", "preset.add", "api-presets", PresetAnswer, 201, 413, 422)
def add_preset(request: HttpRequest, asked: PresetAsked) -> Json:
    """Add a preset of chats. A system prompt and parameters for everyone to choose."""
    return _saved(request, asked.model_dump(), None)


@presets.on("GET /{int:preset_id}", "preset.view", "api-preset", PresetAnswer)
def read_preset(request: HttpRequest, preset_id: int) -> Json:
    """Read a preset of chats. Also a removed one."""
    return PresetAnswer.of(or_404(chat_preset, preset_id))


@presets.on("PATCH /{int:preset_id}", "preset.change", "api-preset", PresetAnswer, 413, 422)
def change_preset(request: HttpRequest, preset_id: int, asked: PresetChange) -> Json:
    """Change a preset of chats. Own presets; administrators: any. Parameters are replaced as a
    whole."""
    row = or_404(chat_preset, preset_id)
    if row.removed_at is not None:
        raise Http404(preset_id)
    changed = {name: getattr(asked, name) for name in asked.model_fields_set}
    values = PresetChange(**{"name": row.name, "params": row.params, **changed})
    return _saved(request, values.model_dump(), row)


@presets.on("DELETE /{int:preset_id}", "preset.change", "api-preset", PresetAnswer)
def remove_preset(request: HttpRequest, preset_id: int) -> Json:
    """Remove a preset of chats. Own presets; administrators: any. It can be restored."""
    rows.mark(request.user, PresetForm, or_404(chat_preset, preset_id), is_removed=True)
    return PresetAnswer.of(or_404(chat_preset, preset_id))


@presets.on(
    "POST /{int:preset_id}/restore", "preset.change", "api-preset-restore", PresetAnswer, 422
)
def restore_preset(request: HttpRequest, preset_id: int) -> Json:
    """Restore a removed preset of chats. 422 if another preset has its name now."""
    rows.mark(request.user, PresetForm, or_404(chat_preset, preset_id), is_removed=False)
    return PresetAnswer.of(or_404(chat_preset, preset_id))


def _saved(request: HttpRequest, values: Mapping[str, Any], row: ChatPreset | None) -> Json:
    """Store the row of ``values``. Raises ``InvalidParams``: with the errors at their fields."""
    typed = {"name": values["name"], **values["params"]}
    names = {name: f"params.{name}" for name in ParamsForm.base_fields}
    form = PresetForm(typed, instance=row, user=request.user, names=names)
    return PresetAnswer.of(rows.save(request.user, form))
