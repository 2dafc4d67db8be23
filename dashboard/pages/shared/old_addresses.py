"""Addresses of earlier versions, in which a result's number had no mark: they lead on."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from dashboard.security.permissions import requires
from jobs.base.numbers import number_from, result_number
from jobs.models import Import


def with_old_queries(
    *names: str,
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Return a decorator: a GET whose parameters ``names`` are bare ids of results leads to the
    address with their numbers. With any other text among them the view says what is wrong.
    """

    def decorator(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def read(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            query = request.GET.copy()
            given = [text for name in names for text in query.getlist(name) if text.strip()]
            if request.method not in ("GET", "HEAD") or not given or not all(map(_renamed, given)):
                return view(request, *args, **kwargs)
            for name in names:
                query.setlist(name, [_renamed(text) for text in query.getlist(name)])
            return HttpResponsePermanentRedirect(f"{request.path}?{query.urlencode(safe=',/')}")

        return read

    return decorator


def _renamed(text: str) -> str:
    """Return "res-11,res-12" for "11,12"; "" for other text."""
    pks = [number_from(part.strip()) for part in text.split(",") if part.strip()]
    return ",".join(result_number(pk) for pk in pks if pk) if pks and all(pks) else ""


@require_safe
@requires("result.view")
def old_address(request: HttpRequest, pk: int, rest: str) -> HttpResponsePermanentRedirect:
    """Lead from ``/results/15/…`` to ``/results/res-15/…``."""
    return _moved(request, pk, rest)


@require_safe
@requires("result.view")
def old_import(request: HttpRequest, import_id: int, rest: str) -> HttpResponsePermanentRedirect:
    """Lead from ``/results/imports/3/…`` to ``/results/res-15/…``."""
    row = get_object_or_404(Import, pk=import_id)  # by its own key: any number is compared there
    return _moved(request, row.result.pk, rest)


def _moved(request: HttpRequest, pk: int, rest: str) -> HttpResponsePermanentRedirect:
    query = request.META.get("QUERY_STRING", "")
    address = f"{reverse('result-list')}{result_number(pk)}/{quote(rest)}"
    return HttpResponsePermanentRedirect(f"{address}?{query}" if query else address)


urlpatterns: list[URLPattern] = [
    path("imports/<int:import_id>/<path:rest>", old_import, name="result-old-import"),
    path("<int:pk>/", old_address, {"rest": ""}, name="result-old"),
    path("<int:pk>/<path:rest>", old_address, name="result-old-part"),
]
