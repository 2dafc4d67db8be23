"""Presets of chats: list, addition, change, removal."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path

from dashboard.actions.chat_presets import PresetForm, preset_texts
from dashboard.pages.admin.rows import RowPages
from dashboard.security.permissions import requires
from jobs.queries.chat import chat_preset, chat_presets

_PRESETS = RowPages(PresetForm, "preset", "preset_id", chat_preset, "presets/form.html")


@requires("preset.view", "GET")
def preset_list(request: HttpRequest) -> HttpResponse:
    """Show all presets; ``?removed=ID`` offers to undo a removal."""
    context = {
        "presets": [
            (row, preset_texts(row), _PRESETS.may_change(request, row)) for row in chat_presets()
        ],
        **_PRESETS.offers(request),
    }
    return render(request, "presets/list.html", context)


@requires("preset.view", "GET")
def preset_fields(request: HttpRequest, preset_id: int) -> HttpResponse:
    """Answer with the texts of a preset's fields, by name, when a chat chooses it."""
    row = chat_preset(preset_id)
    if row is None or row.removed_at is not None:
        raise Http404(preset_id)
    return JsonResponse(preset_texts(row))


urlpatterns: list[URLPattern] = [
    path("", preset_list, name="preset-list"),
    path("<int:preset_id>/texts/", preset_fields, name="preset-texts"),
    *_PRESETS.urls,
]
