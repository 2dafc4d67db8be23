"""Store the shown columns of a table in a browser cookie."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dashboard.pages.shared.columns import KEPT_S, TABLES, cookie_name, without_columns, written
from dashboard.security.permissions import requires


@require_POST
@requires("account.view")
def columns(request: HttpRequest, table: str) -> HttpResponse:
    """Store each ``column=…``, or reset with ``usual=1``; then redirect back."""
    if table not in TABLES:
        raise Http404(f"no table is called {table}")
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):  # only URLs of this site
        back = reverse("overview")
    # redirect() takes a word for the name of a page.
    answer = HttpResponseRedirect(without_columns(back))
    root = reverse("overview")
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


urlpatterns: list[URLPattern] = [
    path("columns/<slug:table>/", columns, name="columns"),
]
