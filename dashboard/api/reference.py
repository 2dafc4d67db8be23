"""The page that shows the OpenAPI document: Swagger UI, as django-ninja brings it.

Its two files are served from the installed package, so that nothing is fetched from elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import ninja
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from dashboard.security.permissions import requires

_FOLDER = Path(ninja.__file__).parent / "static/ninja"
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_FOR_GOOD_S = 365 * 86400


@require_GET
@requires("docs.view")
def reference(request: HttpRequest) -> HttpResponse:
    """All operations of the API, to read and to try with one's own session."""
    return render(request, "docs/api.html", {"version": ninja.__version__})


@require_GET
@requires("docs.view")
@cache_control(max_age=_FOR_GOOD_S, private=True, immutable=True)
def reference_file(request: HttpRequest, version: str, name: str) -> HttpResponseBase:
    """A file of Swagger UI. Its address has the version, so that a browser keeps it."""
    if name not in _TYPES or version != ninja.__version__:
        raise Http404(name)
    return HttpResponse(
        (_FOLDER / name).read_bytes(), content_type=f"{_TYPES[name]}; charset=utf-8"
    )


urlpatterns: list[URLPattern] = [
    path("", reference, name="api-root"),
    path("reference/<str:version>/<str:name>", reference_file, name="api-reference-file"),
]
