"""Search: a page, and the list under the field in the top bar."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.security.permissions import requires
from dashboard.security.request import person
from jobs.queries.search import search

LONGEST = 200
IN_THE_BAR = 4


@require_GET
@requires("overview.view")
def search_page(request: HttpRequest) -> HttpResponse:
    """Everything that matches ``?q=``."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    return render(
        request, "search/page.html", {"text": text, "matches": search(text, user=person(request))}
    )


@require_GET
@requires("overview.view")
def search_list(request: HttpRequest) -> HttpResponse:
    """The first few of each, as the options of the field."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    matches = search(text, user=person(request), most=IN_THE_BAR)
    return render(request, "search/_list.html", {"text": text, "matches": matches})


urlpatterns: list[URLPattern] = [
    path("", search_page, name="search"),
    path("list/", search_list, name="search-list"),
]
