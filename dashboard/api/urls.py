"""Addresses of the API and of the intake, below ``/api/v1/``."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import include, path, re_path
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from dashboard.api import app, reference
from dashboard.api.auth import identify
from dashboard.api.errors import Refused
from dashboard.intake import ingest
from dashboard.server.json_errors import error


@csrf_exempt
@login_not_required
def unknown(request: HttpRequest) -> HttpResponseBase:
    """Any address below the API that it does not have."""
    try:
        identify(request, "overview.view")
    except Refused as refused:
        return refused.answer
    text = _("The API has no path %(path)s.") % {"path": request.path[:200]}
    return error(404, "path", text)


unknown.rights_actions = ["overview.view"]  # type: ignore[attr-defined]  # for the test of all views

urlpatterns = [
    path("host/", include(ingest.urlpatterns)),
    path("", include(reference.urlpatterns)),
    path("", include(app.patterns())),
    # Last. A host reads no words: below host/ it gets a bare 404.
    re_path(r"^(?!host/)", unknown, name="api-unknown"),
]
