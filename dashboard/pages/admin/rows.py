"""Pages of rows that a team edits: added, changed, removed, restored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from dashboard.actions import rows
from dashboard.actions.rows import LevelForm, PromptForm, Row, RowForm
from dashboard.pages.results.conclusion import limits_words
from dashboard.pages.shared.addresses import or_404
from dashboard.pages.shared.export import attachment
from dashboard.security.permissions import allowed, check, requires
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog import PROMPT_SETS
from jobs.queries.catalogue import prompt_set, prompt_sets, prompts_in
from jobs.queries.results.levels import INCLUDED, Level, level_of, own_level, team_levels


@dataclass(frozen=True, slots=True)
class RowPages(Generic[Row]):
    """Pages of one sort of rows, with addresses such as ``level-add``. ``find`` returns removed
    rows too; ``number`` names the row in addresses. A script that accepts JSON gets ``{"id"}``, or
    422 with ``{"error", "fields"}``."""

    form: type[RowForm[Row]]
    name: str
    number: str
    find: Callable[[int], Row | None]
    template: str
    has_detail: bool = False

    @property
    def urls(self) -> list[URLPattern]:
        """Return addresses below that of the list. Rows without a page of their own have a form."""
        area, at = self.form.area, f"<int:{self.number}>/"
        form = ("GET", "HEAD", "POST")
        views = [
            ("add/", "add", requires(f"{area}.add", *form)(self._add)),
            (f"{at}remove/", "remove", requires(f"{area}.change", "POST")(self._remove)),
            (f"{at}restore/", "restore", requires(f"{area}.change", "POST")(self._restore)),
        ]
        if not self.has_detail:
            views.append((at, "edit", requires(f"{area}.change", *form)(self._edit)))
        return [path(address, view, name=f"{self.name}-{did}") for address, did, view in views]

    def get(self, number: int) -> Row:
        """Return a row, also a removed one. Raises ``Http404``."""
        return or_404(self.find, number)

    def may_change(self, request: HttpRequest, row: Row) -> bool:
        return allowed(request.user, f"{self.form.area}.change", row)

    def offers(self, request: HttpRequest) -> dict[str, Any]:
        """Return what a list offers: an addition, and to undo the removal of its address."""
        number = number_from(request.GET.get("removed", ""))
        row = self.find(number) if number is not None else None
        removed = row if getattr(row, "removed_at", None) is not None else None
        return {
            "removed": removed,
            "may_restore": removed is not None and self.may_change(request, removed),
            "may_add": allowed(request.user, f"{self.form.area}.add"),
        }

    def _add(self, request: HttpRequest) -> HttpResponse:
        return self._shown(request, None, _("%(name)s added."))

    def _edit(self, request: HttpRequest, **numbers: int) -> HttpResponse:
        row = self.get(numbers[self.number])
        check(request.user, f"{self.form.area}.change", row)
        if getattr(row, "removed_at", None) is not None:
            raise Http404(numbers)
        return self._shown(request, row, _("%(name)s saved."))

    def _shown(self, request: HttpRequest, row: Row | None, done: str) -> HttpResponse:
        title, status = str(row or ""), 200
        sent = (request.POST, request.FILES) if request.method == "POST" else (None, None)
        form = self.form(*sent, instance=row, user=request.user)
        if request.method == "POST":
            try:
                row = rows.save(request.user, form)
            except LaunchError as error:
                if not request.accepts("text/html"):
                    return JsonResponse({"error": str(error), "fields": error.fields}, status=422)
                status = 422
            else:
                if not request.accepts("text/html"):
                    return JsonResponse({"id": row.pk}, status=201)
                messages.success(request, done % {"name": row})
                own = [f"{self.name}-detail", row.pk] if self.has_detail else [self._list]
                return redirect(*own)
        return render(request, self.template, {"form": form, "title": title}, status=status)

    def _remove(self, request: HttpRequest, **numbers: int) -> HttpResponse:
        row = self.get(numbers[self.number])
        rows.mark(request.user, self.form, row, is_removed=True)
        return redirect(f"{reverse(self._list)}?removed={row.pk}")

    def _restore(self, request: HttpRequest, **numbers: int) -> HttpResponse:
        row = self.get(numbers[self.number])
        try:
            rows.mark(request.user, self.form, row, is_removed=False)
        except LaunchError as error:
            messages.error(request, str(error))
            return redirect(f"{reverse(self._list)}?removed={row.pk}")
        messages.success(request, _("%(name)s restored.") % {"name": row})
        return redirect(self._list)

    @property
    def _list(self) -> str:
        return f"{self.name}-list"


_LEVELS = RowPages(LevelForm, "level", "level_id", own_level, "levels/form.html")


@requires("level.view", "GET")
def level_list(request: HttpRequest) -> HttpResponse:
    """Show all levels; ``?removed=ID`` offers to undo a removal."""
    known = team_levels()
    context = {
        "own": [
            (row, limits_words(level_of(row)), _LEVELS.may_change(request, row))
            for row in known.own
        ],
        "included": [
            (one, limits_words(Level(str(one.name), one.limits)), one.key in known.hidden)
            for one in INCLUDED.values()
        ],
        **_LEVELS.offers(request),
        "may_hide": allowed(request.user, "level.hide"),
    }
    return render(request, "levels/list.html", context)


@requires("level.hide", "POST")
def level_hide(request: HttpRequest, key: str) -> HttpResponse:
    """Hide an included level for everyone, or show it again with ``hidden=0``."""
    if not rows.hide_level(request.user, key, hidden=request.POST.get("hidden") != "0"):
        raise Http404(key)
    return redirect("level-list")


_PROMPTS = RowPages(
    PromptForm, "prompt", "prompt_set_id", prompt_set, "prompts/form.html", has_detail=True
)
_SHOWN_PROMPTS = 10  # prompts on a page
_SHOWN_LETTERS = 200  # of one prompt


@requires("prompts.view", "GET")
def prompt_list(request: HttpRequest) -> HttpResponse:
    """Show all sets; ``?removed=ID`` offers to undo a removal."""
    context = {
        "own": [(row, _PROMPTS.may_change(request, row)) for row in prompt_sets()],
        "included": [(name, len(lines)) for name, lines in PROMPT_SETS.items()],
        **_PROMPTS.offers(request),
    }
    return render(request, "prompts/list.html", context)


@requires("prompts.view", "GET")
def prompt_detail(request: HttpRequest, prompt_set_id: int) -> HttpResponse:
    row = _PROMPTS.get(prompt_set_id)
    shown = [one[:_SHOWN_LETTERS] for one in prompts_in(row.text)[:_SHOWN_PROMPTS]]
    context = {
        "set": row,
        "shown": [(one, len(one) == _SHOWN_LETTERS) for one in shown],
        "more": row.prompts - len(shown),
        "may_change": _PROMPTS.may_change(request, row),
    }
    return render(request, "prompts/detail.html", context)


@requires("prompts.view", "GET", "HEAD")
def prompt_file(request: HttpRequest, prompt_set_id: int) -> HttpResponseBase:
    row = _PROMPTS.get(prompt_set_id)
    return attachment(row.text, f"{row.name}.jsonl", "application/x-ndjson")


level_urlpatterns: list[URLPattern] = [
    path("", level_list, name="level-list"),
    path("included/<slug:key>/", level_hide, name="level-hide"),
    *_LEVELS.urls,
]
prompt_urlpatterns: list[URLPattern] = [
    path("", prompt_list, name="prompt-list"),
    path("<int:prompt_set_id>/", prompt_detail, name="prompt-detail"),
    path("<int:prompt_set_id>/file/", prompt_file, name="prompt-file"),
    *_PROMPTS.urls,
]
