"""The documentation, served by the dashboard itself."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_safe

from dashboard.pages.shared import manual
from dashboard.security.permissions import requires
from dashboard.server.downloads import send_file

FIRST = "use/launch"


@require_GET
@requires("docs.view")
def docs(request: HttpRequest) -> HttpResponse:
    """The first page."""
    return redirect("docs-page", FIRST)


@require_GET
@requires("docs.view")
def docs_page(request: HttpRequest, name: str) -> HttpResponse:
    """One page, beside the list of all."""
    try:
        page = manual.page(name)
    except KeyError:
        raise Http404(name) from None
    context = {"name": name, "page": page, "groups": manual.titles()}
    return render(request, "docs/page.html", context)


@require_safe
@requires("docs.view")
def docs_image(request: HttpRequest, name: str) -> HttpResponseBase:
    """A picture of ``docs/images``."""
    images = {file.name: file for file in (manual.ROOT / "images").glob("*.png")}
    if name not in images:
        raise Http404(name)
    return send_file(request, images[name], filename=name, as_attachment=False)


urlpatterns: list[URLPattern] = [
    path("", docs, name="docs"),
    path("images/<str:name>", docs_image, name="docs-image"),
    path("<path:name>/", docs_page, name="docs-page"),
]
