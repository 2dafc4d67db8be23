"""Prompt sets of the team: list, add, read, download, remove with undo."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header
from django.utils.translation import gettext
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.actions import prompts as actions
from dashboard.pages.admin.own_rows import OwnRows
from dashboard.security.permissions import allowed, requires
from jobs.base.errors import LaunchError
from jobs.catalog import PROMPT_SETS
from jobs.queries.prompts import prompt_set, prompt_sets, prompts_in
from jobs.services.prompts import MOST_BYTES, MOST_PROMPTS

_ROWS = OwnRows(actions.ROWS, prompt_set, "prompt-list")
_SHOWN = 10  # prompts on a page
_SHOWN_LETTERS = 200  # of one prompt


@require_GET
@requires("prompts.view")
def prompt_list(request: HttpRequest) -> HttpResponse:
    """Show all sets; ``?removed=ID`` offers to undo a removal."""
    context = {
        "own": [(row, allowed(request.user, "prompts.change", row)) for row in prompt_sets()],
        "included": [(name, len(lines)) for name, lines in PROMPT_SETS.items()],
        **_ROWS.removed(request),
        "may_add": allowed(request.user, "prompts.add"),
    }
    return render(request, "prompts/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("prompts.add")
def prompt_add(request: HttpRequest) -> HttpResponse:
    """Show the form (GET), then add a set (POST)."""
    if request.method != "POST":
        return _form(request)
    upload = request.FILES.get("file")
    try:
        if upload is None:
            raise LaunchError(gettext("Choose a file."), "file")
        typed = (request.POST.get("name", ""), request.POST.get("language", ""))
        content = upload.read(MOST_BYTES + 1)
        row = actions.add(request.user, *typed, upload.name or "", content)
    except LaunchError as error:
        return _form(request, error=error)
    messages.success(request, gettext("%(name)s added.") % {"name": row.name})
    return redirect("prompt-detail", row.pk)


@require_GET
@requires("prompts.view")
def prompt_detail(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    """Show a set with its first prompts, also a removed one."""
    row = _ROWS.get(prompt_set_id)
    shown = [one[:_SHOWN_LETTERS] for one in prompts_in(row.text)[:_SHOWN]]
    context = {
        "set": row,
        "shown": [(one, len(one) == _SHOWN_LETTERS) for one in shown],
        "more": row.prompts - len(shown),
        "may_change": allowed(request.user, "prompts.change", row),
    }
    return render(request, "prompts/detail.html", context)


@require_safe
@requires("prompts.view")
def prompt_file(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    """Download the prompts of a set, as its jobs get them."""
    row = _ROWS.get(prompt_set_id)
    attached = content_disposition_header(as_attachment=True, filename=f"{row.name}.jsonl")
    return HttpResponse(
        row.text,
        content_type="application/x-ndjson; charset=utf-8",
        headers={"Content-Disposition": attached or "attachment"},
    )


@require_POST
@requires("prompts.change")
def prompt_remove(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    """Remove a set; the list then offers to undo it."""
    return _ROWS.remove(request, prompt_set_id)


@require_POST
@requires("prompts.change")
def prompt_restore(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    """Restore a removed set."""
    return _ROWS.restore(request, prompt_set_id)


def _form(request: HttpRequest, *, error: LaunchError | None = None) -> HttpResponse:
    context: dict[str, Any] = {
        "typed": {name: request.POST.get(name, "") for name in ("name", "language")},
        "errors": {error.field: str(error)} if error else {},
        "most_kib": MOST_BYTES // 1024,
        "most_prompts": MOST_PROMPTS,
        "example": '{"prompt": "Why is the sky blue?"}',
    }
    return render(request, "prompts/form.html", context, status=422 if error else 200)


urlpatterns: list[URLPattern] = [
    path("", prompt_list, name="prompt-list"),
    path("add/", prompt_add, name="prompt-add"),
    path("<int:prompt_set_id>/", prompt_detail, name="prompt-detail"),
    path("<int:prompt_set_id>/file/", prompt_file, name="prompt-file"),
    path("<int:prompt_set_id>/remove/", prompt_remove, name="prompt-remove"),
    path("<int:prompt_set_id>/restore/", prompt_restore, name="prompt-restore"),
]
