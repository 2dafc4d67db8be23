"""Health checks of the dashboard for load balancers, scripts and people."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.security.permissions import allowed
from dashboard.server.health import all_checks


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

urlpatterns: list[URLPattern] = [path("healthz", health, name="health")]
