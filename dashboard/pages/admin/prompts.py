"""Prompt sets of the team: list, read, download; the rest by `RowPages`."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header

from dashboard.actions.prompts import PromptForm
from dashboard.pages.admin.rows import RowPages
from dashboard.security.permissions import requires
from jobs.catalog import PROMPT_SETS
from jobs.queries.sets import prompt_set, prompt_sets, prompts_in

_ROWS = RowPages(
    PromptForm, "prompt", "prompt_set_id", prompt_set, "prompts/form.html", has_detail=True
)
_SHOWN = 10  # prompts on a page
_SHOWN_LETTERS = 200  # of one prompt


@requires("prompts.view", "GET")
def prompt_list(request: HttpRequest) -> HttpResponse:
    """Show all sets; ``?removed=ID`` offers to undo a removal."""
    context = {
        "own": [(row, _ROWS.may_change(request, row)) for row in prompt_sets()],
        "included": [(name, len(lines)) for name, lines in PROMPT_SETS.items()],
        **_ROWS.offers(request),
    }
    return render(request, "prompts/list.html", context)


@requires("prompts.view", "GET")
def prompt_detail(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    row = _ROWS.get(prompt_set_id)
    shown = [one[:_SHOWN_LETTERS] for one in prompts_in(row.text)[:_SHOWN]]
    context = {
        "set": row,
        "shown": [(one, len(one) == _SHOWN_LETTERS) for one in shown],
        "more": row.prompts - len(shown),
        "may_change": _ROWS.may_change(request, row),
    }
    return render(request, "prompts/detail.html", context)


@requires("prompts.view", "GET", "HEAD")
def prompt_file(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    row = _ROWS.get(prompt_set_id)
    attached = content_disposition_header(as_attachment=True, filename=f"{row.name}.jsonl")
    return HttpResponse(
        row.text,
        content_type="application/x-ndjson; charset=utf-8",
        headers={"Content-Disposition": attached or "attachment"},
    )


urlpatterns: list[URLPattern] = [
    path("", prompt_list, name="prompt-list"),
    path("<int:prompt_set_id>/", prompt_detail, name="prompt-detail"),
    path("<int:prompt_set_id>/file/", prompt_file, name="prompt-file"),
    *_ROWS.urls,
]
