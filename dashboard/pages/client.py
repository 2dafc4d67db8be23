"""The client `vacc`: how to install it, and its wheels as `pip --find-links` reads them."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from dashboard.pages.shared.addresses import or_404
from dashboard.server.client_wheels import is_complete, wheels


@require_safe
@login_not_required
def client_page(request: HttpRequest) -> HttpResponse:
    """Show the line that installs the client. No login: pip has no session, wheels are public."""
    links = [{"name": name, "sha256": wheel.sha256} for name, wheel in wheels().items()]
    context = {
        "links": links,
        "address": request.build_absolute_uri(reverse("client")),
        "is_plain_http": not request.is_secure(),
        "host": request.get_host().rpartition(":")[0] or request.get_host(),
        "is_complete": is_complete(),
    }
    return render(request, "account/client.html", context)


@require_safe
@login_not_required
def client_wheel(request: HttpRequest, name: str) -> HttpResponse:
    """Send a wheel."""
    return HttpResponse(or_404(wheels().get, name).content, content_type="application/zip")


# For the test of all views.
client_page.rights_action = "client.view"  # type: ignore[attr-defined]
client_wheel.rights_action = "client.view"  # type: ignore[attr-defined]

urlpatterns = [
    path("client/", client_page, name="client"),
    path("client/<str:name>", client_wheel, name="client-wheel"),
]
