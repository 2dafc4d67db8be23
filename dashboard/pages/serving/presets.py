"""Presets of chats: list, addition, change, removal."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path

from dashboard.actions.chat_presets import PresetForm, preset_choices
from dashboard.pages.admin.rows import RowPages
from dashboard.security.permissions import requires
from jobs.queries.chat import chat_preset

_PRESETS = RowPages(PresetForm, "preset", "preset_id", chat_preset, "presets/form.html")


@requires("preset.view", "GET")
def preset_list(request: HttpRequest) -> HttpResponse:
    """Show all presets; ``?removed=ID`` offers to undo a removal."""
    context = {
        "presets": [
            (one.row, one.texts, _PRESETS.may_change(request, one.row)) for one in preset_choices()
        ],
        **_PRESETS.offers(request),
    }
    return render(request, "presets/list.html", context)


urlpatterns: list[URLPattern] = [path("", preset_list, name="preset-list"), *_PRESETS.urls]
