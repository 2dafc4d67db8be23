"""Parts of the pages of results: head of the list, and what people added to one result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, QueryDict

from dashboard.pages.results.facets import Asked, chips, day_options, facets, kept
from dashboard.pages.shared.columns import chosen, written
from dashboard.pages.shared.marks import compare_query, marks_of, sentence, word
from dashboard.security.permissions import allowed
from dashboard.security.request import person
from jobs.models import Result, SavedView
from jobs.queries.results.organised import (
    baseline_history,
    notes_of,
    sign_offs_of,
    tag_names,
    views_for,
)
from jobs.queries.results.result_counts import Counts
from jobs.services import results

_NOT_FILTERS = frozenset(("order", "group", "columns"))


def is_filtered(query: QueryDict) -> bool:
    """Return True if an address has a filter."""
    return any(name not in _NOT_FILTERS for name in query)


def list_head(request: HttpRequest, read: Asked, counts: Counts | None = None) -> dict[str, Any]:
    """Return the context of filters, saved views and selection of the list. ``counts``: those of
    its filters, if known."""
    shown = [column.name for column in chosen(request, "results")]
    grouped, single = request.GET.copy(), request.GET.copy()
    for query in (grouped, single):
        query.pop("after", None)
    grouped["group"] = "identity"
    single.pop("group", None)
    return {
        "facets": facets(read.filters, counts),
        "read": read,
        "days": day_options(read),
        "chosen": chips(request.GET, read),
        "views": [
            (view, allowed(request.user, "result.change_view", view)) for view in _views(request)
        ],
        "view_query": kept(request.GET, columns=written(shown, "results")),
        "may_save_view": allowed(request.user, "result.save_view"),
        "longest_view": results.VIEW_CHARS,
        "may_tag": allowed(request.user, "result.tag"),
        "tag_names": tag_names(),
        "longest_tag": results.TAG_CHARS,
        "as_identities": grouped.urlencode(),
        "as_runs": single.urlencode(),
    }


def _views(request: HttpRequest) -> list[SavedView]:
    user = person(request)
    return views_for(user) if user else []


def organised_context(
    request: HttpRequest, result: Result, typed: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    """Return the context of tags, notes, sign-offs and baseline of one result."""
    user, mark = request.user, marks_of([result])[result.pk]
    verdict = mark.verdict
    return {
        "mark": mark,
        "tags": [(tag, allowed(user, "result.untag", tag)) for tag in mark.added.tags],
        "tag_names": tag_names(),
        "notes": [
            (note, allowed(user, "result.change_note", note), f"note-{note.pk}")
            for note in notes_of(result)
        ],
        "sign_offs": [
            (row, row.withdrawn_at is None and allowed(user, "result.withdraw", row))
            for row in sign_offs_of(result)
        ],
        "history": baseline_history(result),
        "no_baseline": results.baseline_refusal(result),
        "verdict": verdict,
        "verdict_word": word(verdict) if verdict else "",
        "verdict_text": sentence(verdict) if verdict else "",
        "verdict_query": compare_query(verdict, result) if verdict else "",
        "may_tag": allowed(user, "result.tag"),
        "may_note": allowed(user, "result.note"),
        "may_sign_off": allowed(user, "result.sign_off"),
        "may_set_baseline": allowed(user, "result.baseline"),
        "limits": {
            "tags": results.TAG_CHARS * results.MOST_TAGS,
            "note": results.NOTE_CHARS,
            "purpose": results.PURPOSE_CHARS,
        },
        "typed": typed,
        "errors": errors,
    }
