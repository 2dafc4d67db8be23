"""Search, documentation, choice of columns, health checks."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.pages.shared import manual
from dashboard.pages.shared.columns import KEPT_S, TABLES, cookie_name, without_columns, written
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import person
from dashboard.server.downloads import send_file
from dashboard.server.health import all_checks
from jobs.queries.search import search

_LONGEST = 200  # characters of a search
_IN_THE_BAR = 4  # matches of each sort


@requires("overview.view", "GET")
def search_page(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()[:_LONGEST]
    matches = search(text, user=person(request))
    return render(request, "search/page.html", {"text": text, "matches": matches})


@requires("overview.view", "GET")
def search_list(request: HttpRequest) -> HttpResponse:
    """The first few of each, as the options of the field in the top bar."""
    text = request.GET.get("q", "").strip()[:_LONGEST]
    matches = search(text, user=person(request), most=_IN_THE_BAR)
    return render(request, "search/_list.html", {"text": text, "matches": matches})


@requires("docs.view", "GET")
def docs(request: HttpRequest) -> HttpResponse:
    return redirect("docs-page", "use/launch")


@requires("docs.view", "GET")
def docs_page(request: HttpRequest, name: str) -> HttpResponse:
    try:
        page = manual.page(name)
    except KeyError:
        raise Http404(name) from None
    context = {"name": name, "page": page, "groups": manual.titles()}
    return render(request, "docs/page.html", context)


@requires("docs.view", "GET", "HEAD")
def docs_image(request: HttpRequest, name: str) -> HttpResponseBase:
    images = {file.name: file for file in (manual.ROOT / "images").glob("*.png")}
    if name not in images:
        raise Http404(name)
    return send_file(request, images[name], filename=name, as_attachment=False)


@requires("account.view", "POST")
def columns(request: HttpRequest, table: str) -> HttpResponse:
    """Store each ``column=…`` of a table in a cookie, or reset with ``usual=1``; redirect back."""
    if table not in TABLES:
        raise Http404(f"no table is called {table}")
    root, back = reverse("overview"), request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):  # only URLs of this site
        back = root
    # redirect() takes a word for the name of a page.
    answer = HttpResponseRedirect(without_columns(back))
    if request.POST.get("usual"):
        answer.delete_cookie(cookie_name(table), path=root, samesite="Lax")
    else:
        answer.set_cookie(
            cookie_name(table),
            written(request.POST.getlist("column"), table),
            max_age=KEPT_S,
            path=root,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return answer


@require_safe
@never_cache
@login_not_required
def health(request: HttpRequest) -> JsonResponse:
    """``{"status": "ok"}``, or 503 and ``"not ok"``; each part for people who are logged in."""
    checks = all_checks()
    is_ok = all(check.is_ok for check in checks.values())
    answer: dict[str, object] = {"status": "ok" if is_ok else "not ok"}
    # Without its database every caller counts as a stranger.
    if checks["database"].is_ok and allowed(request.user, "health.details"):
        answer |= {name: {"ok": check.is_ok, **check.facts} for name, check in checks.items()}
    return JsonResponse(answer, status=200 if is_ok else 503)


# Checked here, not by @requires: a check of the person needs the database, which may be down.
health.rights_action = "health.view"  # type: ignore[attr-defined]  # read by the test of all views

urlpatterns: list[URLPattern] = [
    path("search/", search_page, name="search"),
    path("search/list/", search_list, name="search-list"),
    path("docs/", docs, name="docs"),
    path("docs/images/<str:name>", docs_image, name="docs-image"),
    path("docs/<path:name>/", docs_page, name="docs-page"),
    path("columns/<slug:table>/", columns, name="columns"),
    path("healthz", health, name="health"),
]
