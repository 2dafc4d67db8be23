"""Middleware of our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from zoneinfo import ZoneInfo

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
