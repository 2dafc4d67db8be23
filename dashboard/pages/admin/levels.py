"""Service levels: list, hide included ones; the rest by `RowPages`."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path

from dashboard.actions import levels as actions
from dashboard.pages.admin.rows import RowPages
from dashboard.pages.results.conclusion import limits_words
from dashboard.security.permissions import allowed, requires
from jobs.queries.results.levels import INCLUDED, Level, level_of, own_level, team_levels

_ROWS = RowPages(actions.LevelForm, "level", "level_id", own_level, "levels/form.html")


@requires("level.view", "GET")
def level_list(request: HttpRequest) -> HttpResponse:
    """Show all levels; ``?removed=ID`` offers to undo a removal."""
    known = team_levels()
    context = {
        "own": [
            (row, limits_words(level_of(row)), _ROWS.may_change(request, row)) for row in known.own
        ],
        "included": [
            (one, limits_words(Level(str(one.name), one.limits)), one.key in known.hidden)
            for one in INCLUDED.values()
        ],
        **_ROWS.offers(request),
        "may_hide": allowed(request.user, "level.hide"),
    }
    return render(request, "levels/list.html", context)


@requires("level.hide", "POST")
def level_hide(request: HttpRequest, key: str) -> HttpResponse:
    """Hide an included level for everyone, or show it again with ``hidden=0``."""
    if not actions.hide(request.user, key, hidden=request.POST.get("hidden") != "0"):
        raise Http404(key)
    return redirect("level-list")


urlpatterns: list[URLPattern] = [
    path("", level_list, name="level-list"),
    path("included/<slug:key>/", level_hide, name="level-hide"),
    *_ROWS.urls,
]
