"""The public API of saved views of the result list."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from ninja import Router, Status

from dashboard.actions import results as actions
from dashboard.api.answers import Answer, Time, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import missing
from dashboard.api.requests import ViewAsked, ViewChange
from dashboard.api.serializers import created
from dashboard.pages.results.facets import kept
from jobs.models import SavedView
from jobs.queries.results.organised import views_for

router = Router(tags=["Results"])


class ViewAnswer(Answer):
    """A saved view; its page is ``/results/?QUERY``."""

    id: int
    name: str
    query: str
    shared: bool
    created_by: str | None
    created_at: Time


class Views(Answer):
    """Own saved views, then those that others share."""

    views: list[ViewAnswer]
    next: str | None


@router.get(
    "result-views",
    auth=caller("result.view"),
    **answers(Views),
    url_name="api-result-views",
    summary="List saved views",
)
def list_views(request: HttpRequest) -> dict[str, Any]:
    """Own ones, then shared ones, by name."""
    return {"views": [_shape(row) for row in views_for(_user(request))], "next": None}


@router.post(
    "result-views",
    auth=caller("result.save_view"),
    **answers(ViewAnswer, 413, 422, status=201),
    url_name="api-result-views",
    summary="Save a view",
)
def save_view(request: HttpRequest, asked: ViewAsked) -> Status[dict[str, Any]]:
    """Parts of the query that are no filter, order, grouping or columns are left out."""
    query = kept(QueryDict(asked.query))
    row = actions.save_view(_user(request), asked.name, query, is_shared=asked.shared)
    return Status(201, _shape(row))


@router.patch(
    "result-views/{int:view_id}",
    auth=caller("result.change_view"),
    **answers(ViewAnswer, 413, 422),
    url_name="api-result-view",
    summary="Change a saved view",
)
def change_view(request: HttpRequest, view_id: int, asked: ViewChange) -> dict[str, Any]:
    """Own views; administrators: any."""
    row = get_object_or_404(SavedView, pk=view_id)
    must(request.user, "result.change_view", row)
    query = None if asked.query is None else kept(QueryDict(asked.query))
    changed = actions.change_view(
        request.user, row, name=asked.name, query=query, is_shared=asked.shared
    )
    return _shape(changed)


@router.delete(
    "result-views/{int:view_id}",
    auth=caller("result.change_view"),
    **answers(ViewAnswer),
    url_name="api-result-view",
    summary="Remove a saved view",
)
def remove_view(request: HttpRequest, view_id: int) -> dict[str, Any]:
    """Own views; administrators: any."""
    row = get_object_or_404(SavedView, pk=view_id)
    must(request.user, "result.change_view", row)
    shown = _shape(row)
    if not actions.remove_view(request.user, row):
        raise missing()
    return shown


def _shape(row: SavedView) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "query": row.query,
        "shared": row.is_shared,
        **created(row),
    }


def _user(request: HttpRequest) -> Any:
    return request.user
