"""Middleware of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

ZONE_COOKIE = "tz"  # set by static/js/app.js

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def viewer_time_zone(get_response: Callable[[HttpRequest], Answer]) -> Callable[..., Answer]:
    """Show times in the viewer's zone, as their browser names it; else in ``TIME_ZONE``."""

    def activate(request: HttpRequest) -> None:
        zone = _zone(request.COOKIES.get(ZONE_COOKIE, ""))
        if zone is None:
            timezone.deactivate()
        else:
            timezone.activate(zone)

    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            activate(request)
            response: HttpResponseBase = await get_response(request)
            return response

        return answer_async

    def answer(request: HttpRequest) -> Answer:
        activate(request)
        return get_response(request)

    return answer


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):  # unknown, malformed, or the name of a folder
        return None


class LoginRequired(LoginRequiredMiddleware):
    """Django's own, but a view for everyone costs no look-up of who asks.

    ``/healthz`` must answer while the database does not.
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> Any:
        """None: go on; else the way to the login page."""
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)
