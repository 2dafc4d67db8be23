"""The overview."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.rights import requires


@require_GET
@requires("overview.view")
def overview(request: HttpRequest) -> HttpResponse:
    """What runs, what waits, what broke, what was found."""
    return render(request, "overview/index.html", {})


urlpatterns: list[URLPattern] = [path("", overview, name="overview")]
