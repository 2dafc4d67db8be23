"""Service levels: list, add, change, remove with undo; hide included ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import levels as actions
from dashboard.pages.admin.own_rows import OwnRows
from dashboard.pages.results.level_words import limits_words
from dashboard.security.permissions import allowed, requires
from jobs.base.errors import LaunchError
from jobs.models import ServiceLevel
from jobs.queries.results.levels import FAMILIES, STATISTICS, Level
from jobs.queries.results.team_levels import INCLUDED, level_of, own_level, team_levels

_ROWS = OwnRows(actions.ROWS, own_level, "level-list")
_TITLES = {"ttft": "TTFT", "tpot": "TPOT"}
_EXAMPLES = {"ttft": "450", "tpot": "40", "latency": "30"}


@require_GET
@requires("level.view")
def level_list(request: HttpRequest) -> HttpResponse:
    """Show all levels; ``?removed=ID`` offers to undo a removal."""
    known = team_levels()
    context = {
        "own": [
            (row, limits_words(level_of(row)), allowed(request.user, "level.change", row))
            for row in known.own
        ],
        "included": [
            (one, limits_words(Level(str(one.name), one.limits)), one.key in known.hidden)
            for one in INCLUDED.values()
        ],
        **_ROWS.removed(request),
        "may_add": allowed(request.user, "level.add"),
        "may_hide": allowed(request.user, "level.hide"),
    }
    return render(request, "levels/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("level.add")
def level_add(request: HttpRequest) -> HttpResponse:
    """Show the form (GET), then add a level (POST)."""
    if request.method != "POST":
        return _form(request, {"ttft_share": "p90", "tpot_share": "p90", "latency_share": "p90"})
    try:
        row = actions.add(request.user, _typed(request.POST))
    except LaunchError as error:
        return _form(request, _typed(request.POST), error=error)
    messages.success(request, gettext("%(name)s added.") % {"name": row.name})
    return redirect("level-list")


@require_http_methods(["GET", "HEAD", "POST"])
@requires("level.change")
def level_edit(request: HttpRequest, level_id: int) -> HttpResponse:
    """Show the form (GET), then change a level (POST)."""
    row = _ROWS.own(request, level_id)
    if row.removed_at is not None:
        raise Http404(level_id)
    if request.method != "POST":
        return _form(request, _stored(row), level=row)
    try:
        actions.change(request.user, row, _typed(request.POST))
    except LaunchError as error:
        return _form(request, _typed(request.POST), level=row, error=error)
    messages.success(request, gettext("%(name)s saved.") % {"name": row.name})
    return redirect("level-list")


@require_POST
@requires("level.change")
def level_remove(request: HttpRequest, level_id: int) -> HttpResponse:
    """Remove a level; the list then offers to undo it."""
    return _ROWS.remove(request, level_id)


@require_POST
@requires("level.change")
def level_restore(request: HttpRequest, level_id: int) -> HttpResponse:
    """Restore a removed level."""
    return _ROWS.restore(request, level_id)


@require_POST
@requires("level.hide")
def level_hide(request: HttpRequest, key: str) -> HttpResponse:
    """Hide an included level for everyone, or show it again with ``hidden=0``."""
    if not actions.hide(request.user, key, hidden=request.POST.get("hidden") != "0"):
        raise Http404(key)
    return redirect("level-list")


def _typed(data: QueryDict) -> dict[str, str]:
    names = ["name", "note", "goodput"]
    names += [name for family in FAMILIES for name in (family, f"{family}_share")]
    return {name: data.get(name, "") for name in names}


def _stored(row: ServiceLevel) -> dict[str, str]:
    typed = {"name": row.name, "note": row.note}
    typed["goodput"] = "" if row.goodput is None else f"{100 * row.goodput:g}"
    for family in FAMILIES:
        typed |= {family: "", f"{family}_share": "p90"}
    for metric, limit in level_of(row).limits.items():
        family, share, _unit = metric.split("_")
        typed |= {family: f"{limit:g}", f"{family}_share": share}
    return typed


def _form(
    request: HttpRequest,
    typed: Mapping[str, str],
    *,
    level: ServiceLevel | None = None,
    error: LaunchError | None = None,
) -> HttpResponse:
    errors = {error.field: str(error)} if error else {}
    context: dict[str, Any] = {
        "level": level,
        "typed": typed,
        "errors": errors,
        "shares": STATISTICS,
        "families": [
            {
                "name": family,
                "title": _TITLES.get(family) or gettext("End-to-end latency"),
                "unit": unit,
                "example": _EXAMPLES[family],
                "value": typed.get(family, ""),
                "share": typed.get(f"{family}_share", ""),
                "error": errors.get(family, ""),
            }
            for family, unit in FAMILIES.items()
        ],
    }
    return render(request, "levels/form.html", context, status=422 if error else 200)


urlpatterns: list[URLPattern] = [
    path("", level_list, name="level-list"),
    path("add/", level_add, name="level-add"),
    path("included/<slug:key>/", level_hide, name="level-hide"),
    path("<int:level_id>/", level_edit, name="level-edit"),
    path("<int:level_id>/remove/", level_remove, name="level-remove"),
    path("<int:level_id>/restore/", level_restore, name="level-restore"),
]
